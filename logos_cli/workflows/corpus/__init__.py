"""Build a training corpus from files, and view it."""
