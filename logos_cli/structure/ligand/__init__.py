"""The chemistry of a ligand in a structure: component dictionary, bond orders, SMILES."""
