"""Names of residues in files, and what they stand for."""
