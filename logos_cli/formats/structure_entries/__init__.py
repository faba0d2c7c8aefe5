"""From a structure to entries: a complex for each ligand, or a protein for each chain."""
