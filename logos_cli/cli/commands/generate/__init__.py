"""``logos generate``: one subcommand per task."""
