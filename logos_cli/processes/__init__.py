"""Processes: the pool, the lock, the order of results, the errors of other processes."""
