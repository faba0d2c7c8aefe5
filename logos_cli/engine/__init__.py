"""Generation: one scheduler, sampler and constraint over any backend."""
