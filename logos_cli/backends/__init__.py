"""Inference backends: one file per library that runs a model."""
