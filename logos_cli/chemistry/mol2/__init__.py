"""Tripos MOL2: the syntax of a record, and the molecule that its types, bonds and charges mean."""
