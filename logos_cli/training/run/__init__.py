"""A training run: loop, optimizer, checkpoints, evaluation, export."""
