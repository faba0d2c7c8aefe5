"""Directories and lists of files on the command line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from logos_cli.errors import InputError
from logos_cli.io import places
from logos_cli.io.input import Input
from logos_cli.io.paths import expand_paths
from logos_cli.io.toml import toml_text


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.fasta", "a.smi.gz", "sub/c.SDF", "sub/notes.md", "photo.png", ".hidden/d.fasta", ".e.fasta"):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path / "data"


def test_a_directory_is_searched_and_sorted(folder: Path) -> None:
    skipped: list[tuple[str, str]] = []
    found = expand_paths([str(folder)], skipped)
    assert found == [str(folder / name) for name in ("a.smi.gz", "b.fasta", "sub/c.SDF")]
    reasons = {Path(path).name: reason for path, reason in skipped}
    assert reasons == {
        ".e.fasta": "a hidden file",
        "photo.png": "the ending .png belongs to no format",
        "notes.md": "the ending .md belongs to no format",
    }


@pytest.mark.parametrize("name", ["pipe.txt", "pipe.list", "pipe.ds", "pipe.smi"])
def test_a_pipe_is_no_list_and_is_not_opened(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    assert expand_paths([str(tmp_path / name)]) == [str(tmp_path / name)]


def test_a_directory_without_readable_files(tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(b"x")
    with pytest.raises(InputError, match="holds no file that logos reads") as caught:
        expand_paths([str(tmp_path)])
    assert ".fasta" in (caught.value.hint or "")


def test_links_to_a_folder_above_end(folder: Path) -> None:
    (folder / "sub" / "up").symlink_to(folder, target_is_directory=True)
    assert len(expand_paths([str(folder)])) == 3


def test_a_file_named_twice_comes_once(folder: Path) -> None:
    skipped: list[tuple[str, str]] = []
    path = str(folder / "b.fasta")
    assert expand_paths([path, "-", path], skipped) == [path, "-"]
    assert skipped == [(path, "named twice")]


def test_list_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listing = folder / "mine.list"
    listing.write_text("# comment\nb.fasta\n\nsub\nmissing.pdb\n")
    expected = [str(folder / name) for name in ("b.fasta", "sub/c.SDF", "missing.pdb")]
    assert expand_paths([f"@{listing}"]) == expected
    assert expand_paths([str(listing)]) == expected
    monkeypatch.chdir(folder)
    assert expand_paths(["@mine.list"])[0] == "b.fasta"


def test_a_p2rank_dataset(folder: Path) -> None:
    dataset = folder / "set.ds"
    dataset.write_text("PARAM.LOADER=x\n# p\nHEADER: protein ligand_codes\n\nb.fasta  HEM,NAG\nsub/c.SDF  ATP\n")
    assert expand_paths([str(dataset)]) == [str(folder / "b.fasta"), str(folder / "sub" / "c.SDF")]


def test_a_text_file_that_is_no_list_stays_a_file(folder: Path) -> None:
    text = folder / "molecules.txt"
    text.write_text("CCO ethanol\n")
    assert expand_paths([str(text)]) == [str(text)]


@pytest.mark.parametrize(
    "name", [b"one\xe2\x80\xa8two.smi", b"one\xc2\x85.smi", b"caf\xe9.smi", "\u0e01\u0e32 x.smi".encode()]
)
def test_names_with_line_separators_of_unicode_or_that_are_not_utf8(tmp_path: Path, name: bytes) -> None:
    file = os.fsencode(tmp_path) + b"/" + name
    Path(os.fsdecode(file)).write_bytes(b"CCO\n")
    listing = tmp_path / "names.txt"
    for text in (name + b"\n", b"\xef\xbb\xbf# names\r\n" + name + b"\r\n"):
        listing.write_bytes(text)
        assert expand_paths([f"@{listing}"]) == expand_paths([str(listing)]) == [os.fsdecode(file)]


def test_an_empty_list(folder: Path) -> None:
    listing = folder / "empty.list"
    listing.write_text("# nothing\n")
    with pytest.raises(InputError, match="names no files"):
        expand_paths([f"@{listing}"])


@pytest.mark.parametrize("length", [256, 1000, 5000])
def test_a_first_line_longer_than_a_name_is_no_list(length: int, tmp_path: Path) -> None:
    text = tmp_path / "long.txt"
    text.write_text("C" * length + "\nCCO\n")
    assert expand_paths([str(text)]) == [str(text)]
    listing = tmp_path / "names.list"
    listing.write_text(f"long.txt\n{'x' * length}\n")
    first, last = expand_paths([f"@{listing}"])
    assert (first, last.endswith("x" * length)) == (str(text), True)


def test_a_name_that_is_none_is_left_to_its_opening() -> None:
    assert expand_paths(["x" * 300, "a/" * 3000]) == ["x" * 300, "a/" * 3000]
    with pytest.raises(InputError, match="the name of a file is empty"):
        expand_paths(["a.smi", ""])


def test_a_folder_without_permission_is_left_to_its_opening(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def scandir(path: str | Path) -> object:
        if str(path).endswith("sub"):
            raise PermissionError(13, "Permission denied", str(path))
        return _scandir(path)

    _scandir = os.scandir
    monkeypatch.setattr(os, "scandir", scandir)
    found = expand_paths([str(folder)])
    assert found == [str(folder / name) for name in ("a.smi.gz", "b.fasta", "sub")]
    with pytest.raises(InputError, match="may not be read"):
        Input(found[-1]).__enter__()


def test_what_may_not_be_looked_up_may_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def stat(path: object, **_: object) -> object:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "stat", stat)
    assert places.is_file("closed/a.smi")
    assert places.exists("closed/a.smi")
    assert not places.is_directory("closed/a.smi")


def test_configuration_has_an_end() -> None:
    with pytest.raises(ValueError, match="16 MiB or more"):
        toml_text(Path("/dev/zero"))
