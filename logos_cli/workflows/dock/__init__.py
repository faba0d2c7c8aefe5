"""Docking of ligands from files and records."""
