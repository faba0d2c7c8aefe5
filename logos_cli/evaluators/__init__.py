"""Scores: one file per family of metrics, over objects and the records that they came from."""
