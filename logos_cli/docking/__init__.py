"""Docking: preparation of receptors and ligands, docking engines, poses and their records."""
