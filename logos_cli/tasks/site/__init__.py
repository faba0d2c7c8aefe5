"""Binding sites of a protein."""
