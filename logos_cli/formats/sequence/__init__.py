"""Annotated sequences and alignments, read by Biopython."""
