"""Scores of binding sites, by residue and in space."""
