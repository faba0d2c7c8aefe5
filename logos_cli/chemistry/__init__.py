"""Small molecules: SMILES, mol blocks, drawings and conformers, by RDKit."""
