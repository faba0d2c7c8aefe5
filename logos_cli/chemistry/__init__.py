"""Small molecules: the one place where RDKit is called for SMILES, mol blocks, drawings and conformers."""
