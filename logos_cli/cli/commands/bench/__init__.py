"""``logos bench``: one file a subcommand, found by name."""
