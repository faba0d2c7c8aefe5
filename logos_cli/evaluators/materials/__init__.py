"""Scores of metal-organic frameworks."""
