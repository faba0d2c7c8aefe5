"""Identifiers: two records of the inputs of a run never have the same one, whatever their names and those of their files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logos_cli.formats.base import ReadOptions
from logos_cli.io.ids import FileLabels, UniqueIds
from logos_cli.io.names import known_suffixes, stem_of
from logos_cli.workflows.files import InputFiles

STEM = "<stem>"
"""Stands in a name for that of the file."""
NAMES = st.lists(
    st.sampled_from([STEM, "x", "y", "1", "2", "_2", ":", "x:", "d/x:", "0", "²"]), min_size=1, max_size=4
).map("".join)
PATHS = st.builds(
    "{}{}{}".format,
    st.sampled_from(["", "d/", "/d/", "d/x/", "x:1/"]),
    st.sampled_from(["x", "y", "x:1", "x_1", "x:x", "x_2", "stdin"]),
    st.sampled_from(["", ".smi", ".fasta", ".smi.gz"]),
)
FILES = st.lists(
    st.tuples(PATHS, st.lists(st.none() | NAMES, max_size=8)), min_size=1, max_size=4, unique_by=lambda file: file[0]
)
known_suffixes()  # is slow once


def ids_of(stem: str, names: list[str | None]) -> list[str]:
    """Return the identifiers of the lines of a file; None has no name."""
    ids = UniqueIds(stem)
    return [ids.take_line(number) if name is None else ids.take(name) for number, name in enumerate(names, 1)]


@given(FILES)
def test_no_two_records_of_a_run_have_one_id(files: list[tuple[str, list[str | None]]]) -> None:
    labels = FileLabels([path for path, _ in files])
    found: list[str] = []
    for path, names in files:
        stem = stem_of(Path(path))
        qualified = labels.of_file(path, stem) or str
        own = [name and name.replace(STEM, stem) for name in names]
        found += map(qualified, ids_of(stem, own))
    assert len(set(found)) == len(found)


@given(st.lists(st.none() | NAMES, max_size=12))
def test_the_first_of_a_name_keeps_it_and_lines_have_their_number(names: list[str | None]) -> None:
    for number, (name, id) in enumerate(zip(names, ids_of("file", names), strict=True), 1):
        assert id.startswith(name or f"file:{number}")
        if name is not None and name not in names[: number - 1] and "_" not in name and not name.isdecimal():
            assert id == name
    assert ids_of("file", [None] * 3) == ["file:1", "file:2", "file:3"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.smi", "CCO x:2\nCCN\nCCC 2\nCC 1\n"),
        ("x.smi", "CCO\nCCN 1\nCCC x:1\n"),
        ("x.fasta", ">1\nMKV\n>x:1\nMKL\n>\nMKI\n>3\nMKP\n"),
        ("x.csv", "id,smiles\n3,CCO\n,CCN\nx:3,CCC\n"),
        ("x.tsv", "id\tsequence\nx\tMKVLL\nx:x\tMKVLA\n"),
        (
            "x.sdf",
            "".join(
                f"{name}\n\n\n  1  0  0  0  0  0  0  0  0  0999 V2000\n    0.0000    0.0000    0.0000 C   0  0\n"
                "M  END\n$$$$\n"
                for name in ("2", "", "x:2")
            ),
        ),
    ],
)
def test_a_name_that_is_that_of_a_line(tmp_path: Path, name: str, text: str) -> None:
    path, other = tmp_path / name, tmp_path / "other.smi"
    path.write_text(text)
    other.write_text("C 1\n")
    for files in ([path], [path, other], [other, path]):
        entries = [entry for entry, _ in InputFiles(map(str, files), ReadOptions()).entries()]
        ids = [entry.id for entry in entries]
        assert not any(entry.error for entry in entries)
        assert len(set(ids)) == len(ids) > len(files)


def test_files_whose_names_have_a_colon(tmp_path: Path) -> None:
    """``1`` of ``x:1.smi`` and ``1:1`` of ``x.smi`` were ``x:1:1``."""
    (tmp_path / "x:1.smi").write_text("CCO 1\n")
    (tmp_path / "x.smi").write_text("CCO 1:1\n")
    (tmp_path / "x_1.smi").write_text("CCO 1\n")
    ids = [entry.id for entry, _ in InputFiles([str(tmp_path)], ReadOptions()).entries()]
    assert sorted(ids) == ["x:1:1", "x_1:1", "x_1_2:1"]
