"""Tripos MOL2: the syntax of a record, and the molecule of its types, bonds and charges."""
