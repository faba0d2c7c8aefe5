"""Runs: what a bulk command leaves in a directory, so that it can be cut in parts, go on, and be put together."""
