"""Read PDB files: parse lines strictly by column, and pass them to gemmi."""
