"""The process of a submission: it outlives the terminal that started it."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from logos_cli.cli.boundary import run
from logos_cli.cli.shard import run_shard
from logos_cli.workflows.submit.settings import Settings


def main() -> None:
    """Run the shards of a run whose settings have been written."""
    from logos_cli.workflows.submit.submission import Submission

    submission = Submission(Settings.read(Path(sys.argv[1])), run_shard)
    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
        signal.signal(number, submission.stop)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the terminal may be closed
    sys.exit(run(submission.run))
