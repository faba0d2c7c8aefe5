"""SMILES lists, SDF, MOL, MOL2 and reaction files."""
