"""Names and numbers of residues in files, and their meaning."""
