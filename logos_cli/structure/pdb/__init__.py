"""PDB files: lines to fields, strictly by column, and from there to gemmi."""
