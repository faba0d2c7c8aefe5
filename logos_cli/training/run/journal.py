"""``log.jsonl`` of a run: lines for some steps, and for every evaluation."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from logos_cli.records.json_text import parse_json

if TYPE_CHECKING:
    from logos_cli.training.run.report import StepReport

LOG: Final = "log.jsonl"


class Journal:
    """Appends to the log of a run.

    Parameters
    ----------
    directory : Path
        The run's directory.
    step : int
        Step from which the run goes on; lines of later steps are removed.
    writes : bool
        Whether this process writes.
    """

    def __init__(self, directory: Path, step: int, *, writes: bool = True) -> None:
        self._path = directory / LOG
        self._writes = writes
        if not writes or not self._path.exists():
            return
        kept = [line for line in read_journal(self._path) if line["step"] <= step]
        temporary = self._path.with_name(f"tmp-{LOG}")
        temporary.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")
        temporary.replace(self._path)

    def step(self, report: StepReport) -> None:
        """Write a step."""
        self._write(
            step=report.step,
            n_tokens=report.n_tokens,
            loss=round(report.loss, 5),
            gradient_norm=round(report.gradient_norm, 4),
            learning_rate_factor=round(report.learning_rate_factor, 5),
            tokens_per_s=round(report.tokens_per_s),
            mfu=round(report.mfu, 4),
        )

    def evaluation(
        self, step: int, n_tokens: int, results: Mapping[str, Mapping[str, float]], mean_loss: float
    ) -> None:
        """Write an evaluation."""
        self._write(step=step, n_tokens=n_tokens, mean_loss=round(mean_loss, 5), evaluation=dict(results))

    def _write(self, **facts: Any) -> None:
        if self._writes:
            with self._path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps({**facts, "time": round(time.time())}) + "\n")


def read_journal(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of a log, without lines that a kill cut off."""
    if not path.exists():
        return
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            line = parse_json(text)
        except ValueError:
            continue
        if isinstance(line, dict) and "step" in line:
            yield line
