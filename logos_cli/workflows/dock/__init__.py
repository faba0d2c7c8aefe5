"""Dock ligands from files and records."""
