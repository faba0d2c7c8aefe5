"""Docking engines, and the processes that run them."""
