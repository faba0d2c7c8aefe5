"""FASTA."""
