"""Scores of antibodies."""
