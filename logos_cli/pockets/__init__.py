"""Pockets of a protein found by its shape: engines that need no language model."""
