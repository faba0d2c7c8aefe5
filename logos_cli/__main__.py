"""``python -m logos_cli`` is the same as ``logos``."""

from logos_cli.cli.app import main

main()
