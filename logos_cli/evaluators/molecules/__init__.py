"""Scores of molecules, and of sets of them."""
