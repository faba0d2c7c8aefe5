"""``logos train`` after a kill in its first seconds."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Logos
from tests.cli.test_train import TOML
from tests.training_corpora import write_corpus


def test_a_run_that_was_killed_before_it_wrote_anything_is_begun_anew(logos: Logos, tmp_path: Path) -> None:
    write_corpus(tmp_path / "corpus")
    (tmp_path / "tiny.toml").write_text(TOML)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".lock").write_text('{"host": "node1", "pid": 1, "since": "2026-01-01 00:00:00"}')
    (tmp_path / "run" / "tmp-run.json").write_text('{"argum')
    done = logos("train", "corpus", "-c", "tiny.toml", "-o", "run", "--resume", code=0)
    assert "finished: step 4 of 4" in done.stderr
    assert "holds a run" in logos("train", "corpus", "-c", "tiny.toml", "-o", "run", code=2).stderr
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    assert "no run to resume" in logos("train", "corpus", "-c", "tiny.toml", "-o", "other", "--resume", code=2).stderr
