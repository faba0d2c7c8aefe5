"""``logos bench``: one file per subcommand, found by name."""
