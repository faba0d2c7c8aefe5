"""Processes: one pool, one lock, one order of results, one way in which errors travel."""
