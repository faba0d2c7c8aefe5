"""Faults, as a user has them: the program in processes of its own."""

from tests.cli.conftest import logos, logos_argv, logos_env, logos_process, preloaded_argv

__all__ = ["logos", "logos_argv", "logos_env", "logos_process", "preloaded_argv"]
