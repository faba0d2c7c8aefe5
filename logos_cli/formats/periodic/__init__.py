"""Crystals in POSCAR, CSSR, XSF and the JSON of pymatgen."""
