"""Scientific tasks: what to ask the model, and what its answer means."""
