"""The data of a benchmark, which is not part of the repository."""

from __future__ import annotations

import argparse
from pathlib import Path


def require_data(parser: argparse.ArgumentParser, folder: Path, *needed: str) -> Path:
    """Return the folder, or end the program with a message that names the first of the files that it lacks.

    Parameters
    ----------
    needed : str
        Paths in the folder; a pattern stands for at least one file.
    """
    for each in needed:
        if next(folder.glob(each), None) is None:
            parser.error(f"there is no {folder / each}: give the folder of the data with --data")
    return folder
