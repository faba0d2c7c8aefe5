"""Crystals in POSCAR, CSSR, XSF and pymatgen's JSON."""
