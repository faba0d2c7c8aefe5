"""``logos generate``: one subcommand a task."""
