"""Scoring records."""
