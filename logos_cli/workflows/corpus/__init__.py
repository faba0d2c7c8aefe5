"""Building a training corpus from files, and looking into it."""
