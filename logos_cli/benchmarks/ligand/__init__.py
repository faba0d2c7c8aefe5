"""The published protocol of ligand design."""
