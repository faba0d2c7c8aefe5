"""What every format file owes to the rest of the program."""

from __future__ import annotations

import io
import re
from contextlib import closing
from pathlib import Path

import pytest

from logos_cli import registry
from logos_cli.errors import InputError, LogosError, UsageError
from logos_cli.formats.base import Format, ReadOptions, WriteOptions, Writer
from logos_cli.formats.detect import detect
from logos_cli.grammar import parse
from logos_cli.grammar.definition import EXAMPLES
from logos_cli.io.input import Input
from logos_cli.objects.base import from_sentence
from logos_cli.records import Record
from logos_cli.workflows.decode import writers

NAMES = registry.names("formats")
NOT_THEIRS = {
    "empty": b"",
    "one newline": b"\n",
    "prose": b"Dear colleague,\nplease find attached the table that we spoke of.\n",
    "zip": b"PK\x03\x04\x14\x00\x00\x00\x08\x00" + bytes(range(256)),
    "png": b"\x89PNG\r\n\x1a\n" + bytes(64),
    "noise": bytes((number * 7919 + 13) % 256 for number in range(4096)),
    "html": b"<!DOCTYPE html>\n<html><body><p>404 not found</p></body></html>\n",
    "xml": b'<?xml version="1.0"?>\n<root/>\n',
    "json": b'{"a": 1}\n',
    "numbers": b"1 2 3\n4 5 6\n",
}
THEIRS = {
    "fasta": b">sp|P1\nMKTAYIAKQRQISFVKSHFSRQ\n",
    "sentences": b"<ProteinS>MKV<ProteinE>\n",
    "chem": b"CCO ethanol\nc1ccccc1 benzene\n",
    "structure": (
        b"ATOM      1  N   MET A   1      27.340  24.430   2.614  1.00  9.67           N  \n"
        b"ATOM      2  CA  MET A   1      26.266  25.413   2.842  1.00 10.38           C  \nEND\n"
    ),
    "crystal": (
        b"data_x\n_cell_length_a 5\n_cell_length_b 5\n_cell_length_c 5\n_cell_angle_alpha 90\n_cell_angle_beta 90\n"
        b"_cell_angle_gamma 90\nloop_\n_atom_site_label\n_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n"
        b"Zn1 0 0 0\n"
    ),
    "sequence": b"# STOCKHOLM 1.0\na MKT-AYIAKQRW\nb MKTLAY--KQRW\n//\n",
    "pdbqt": (
        b"ATOM      1  N   MET A   1      27.340  24.430   2.614  1.00  9.67    -0.100 N \n"
        b"ATOM      2  CA  MET A   1      26.266  25.413   2.842  1.00 10.38     0.100 C \nEND\n"
    ),
    "pqr": (
        b"ATOM      1  N   MET A   1      27.340  24.430   2.614 -0.3000 1.8240\n"
        b"ATOM      2  CA  MET A   1      26.266  25.413   2.842  0.2100 1.9080\nEND\n"
    ),
    "predictor": b"version: 1\nsequences:\n  - protein:\n      id: A\n      sequence: MKTAYIAKQRW\n",
    "periodic": b"MgO\n1.0\n4.2 0 0\n0 4.2 0\n0 0 4.2\nMg O\n1 1\nDirect\n0 0 0\n0.5 0.5 0.5\n",
    "table": b"id,smiles\na,CCO\nb,CCC\n",
}


@pytest.fixture(params=NAMES)
def plugin(request: pytest.FixtureRequest) -> Format:
    found = registry.load("formats", request.param)
    assert isinstance(found, Format)
    return found


def test_the_plugin_is_named_as_its_file(plugin: Format) -> None:
    assert plugin.name in NAMES
    assert type(plugin).__module__.removesuffix(".plugin") == f"logos_cli.formats.{plugin.name}"
    assert all(re.fullmatch(r"\.[a-z0-9]+", suffix) for suffix in plugin.suffixes)
    assert type(plugin).__doc__


@pytest.mark.parametrize("what", NOT_THEIRS)
def test_sniffing_is_a_probability_and_never_fails(plugin: Format, what: str) -> None:
    assert 0 <= plugin.sniff(NOT_THEIRS[what]) <= 1


@pytest.mark.parametrize("cut", [0, 1, 7, 40])
@pytest.mark.parametrize("what", THEIRS)
def test_sniffing_bears_a_beginning_cut_anywhere(plugin: Format, what: str, cut: int) -> None:
    assert 0 <= plugin.sniff(THEIRS[what][cut:]) <= 1


@pytest.mark.parametrize("what", [what for what in NOT_THEIRS if what not in ("json", "numbers")])
def test_foreign_files_are_refused_as_a_whole(what: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(NOT_THEIRS[what])
    with pytest.raises((InputError, UsageError)) as caught, closing(Input(str(path))) as source:
        list(detect(source).read(source, ReadOptions()))
    assert caught.value.source == str(path)
    assert caught.value.hint


@pytest.mark.parametrize("what", sorted(THEIRS.keys() & set(NAMES)))
def test_a_file_is_recognised_whatever_its_name(what: str, tmp_path: Path) -> None:
    for suffix in ("", ".txt", ".fasta", ".pdb", ".cif", ".smi", ".gz"):
        path = tmp_path / f"file{suffix}"
        path.write_bytes(THEIRS[what])
        with closing(Input(str(path))) as source:
            assert detect(source).name == what, suffix


def test_every_format_has_its_sample_here() -> None:
    assert set(NAMES) <= set(THEIRS), "add a small file of the new format to THEIRS"


@pytest.mark.parametrize("what", sorted(THEIRS.keys() & set(NAMES)))
def test_reading_yields_entries_with_either_an_object_or_an_error(what: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(THEIRS[what])
    with closing(Input(str(path))) as source:
        entries = list(registry.load("formats", what).read(source, ReadOptions()))
    assert entries
    for entry in entries:
        assert (entry.item is None) == (entry.error is not None)
        assert entry.id
        assert Record("x", "y", "z", source=entry.source).to_json()
    assert len({entry.id for entry in entries}) == len(entries)


# -- writers -------------------------------------------------------------------------------------------------


def test_writers_have_different_names_and_extensions() -> None:
    found = writers()
    assert sum(len(registry.load("formats", name).writers()) for name in NAMES) == len(found)
    suffixes = [suffix for writer in found.values() for suffix in writer.suffixes]
    assert len(set(suffixes)) == len(suffixes)
    assert all(issubclass(writer, Writer) for writer in found.values())


@pytest.mark.parametrize("form", EXAMPLES)
@pytest.mark.parametrize("name", list(writers()))
def test_a_writer_writes_an_object_or_says_why_not(name: str, form: str) -> None:
    """Whatever the object: text that ends with a line end, or an error and nothing written."""
    text = EXAMPLES[form]  # type: ignore[index]
    stream = io.BytesIO() if writers()[name].binary else io.StringIO()
    writer = writers()[name](stream, WriteOptions())
    before = stream.getvalue()
    try:
        writer.write(Record("some id", form, text), from_sentence(parse(text)))
    except LogosError as error:
        assert error.message
        assert error.hint
        assert stream.getvalue() == before
        return
    writer.close()
    written = stream.getvalue()
    assert written if isinstance(written, bytes) else written.endswith("\n")
