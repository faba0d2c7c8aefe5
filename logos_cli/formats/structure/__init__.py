"""PDB, mmCIF and BinaryCIF."""
