"""The ligands of a docking run: poses of one title have ids of their own."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from logos_cli.docking.options import DockOptions
from logos_cli.workflows.dock.ligands import iter_candidates

POSE = """{name}

a pose
  2  1  0  0  0  0  0  0  0  0999 V2000
    0.0000    0.0000    0.5000 C   0  0
    1.5000    0.0000    0.0000 O   0  0
  1  2  1  0
M  END
$$$$
"""


@pytest.mark.parametrize("mode", ["score", "minimize"])
def test_poses_of_one_title_have_ids_of_their_own(tmp_path: Path, mode: str) -> None:
    poses = "".join(POSE.format(name=name) for name in ("lig", "lig", "", "1"))
    paths = [tmp_path / "a.sdf", tmp_path / "b.sdf"]
    for path in paths:
        path.write_text(poses)
    options = DockOptions(mode=mode)  # type: ignore[arg-type]
    ids = [each.record.id for each in iter_candidates(paths, options)]
    assert ids == ["a:lig", "a:lig_2", "a", "a:1", "b:lig", "b:lig_2", "b", "b:1"]
    alone = [each.record for each in iter_candidates("-", options, io.BytesIO(poses.encode()))]
    assert [record.id for record in alone] == ["lig", "lig_2", "stdin", "1"]
    assert {record.source["path"] for record in alone} == {"<stdin>"}
