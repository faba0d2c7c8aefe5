"""Routes of several steps from a stock to a target."""
