"""Scores of proteins and of their variants."""
