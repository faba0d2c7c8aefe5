"""Benchmarks of tasks, of throughput, and of parity between backends."""
