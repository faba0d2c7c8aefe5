"""What a worker of docking and scoring loads: imported once, by the process that workers are copies of."""

import gc
import importlib
from contextlib import suppress
from pathlib import Path

from logos_cli.docking import libraries
from logos_cli.errors import MissingError

for _name in (
    "logos_cli.processes._nursery",
    "logos_cli.docking.engines.worker",
    "logos_cli.workflows.score.batches",
    "vina",
):
    with suppress(ImportError):
        importlib.import_module(_name)
assert len([*Path("/proc/self/task").iterdir()]) == 1, "a fork would lose a thread"
with suppress(MissingError):
    libraries.load("meeko")  # the allocator of Arrow has a thread, and survives a fork
gc.freeze()
