"""Ligands for a pocket."""
