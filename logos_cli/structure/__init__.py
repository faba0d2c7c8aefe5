"""A macromolecular structure in memory: chains, roles of residues, ligands, contacts."""
