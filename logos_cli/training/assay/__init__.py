"""Adaptation of a model to a table of measured values."""
