"""Subcommands of ``logos bench``: one file each, found by name."""
