"""Readers of lists ask which entries are wanted, and do no work on the others."""

from __future__ import annotations

import pickle

import pytest

from logos_cli.formats.base import ReadOptions
from logos_cli.formats.detect import detect
from logos_cli.io.input import Input
from logos_cli.io.selection import DoneEntries, FileSelection, Shard
from logos_cli.workflows.encode import encode
from logos_cli.workflows.files import FileLabels, FileReader

_MOLECULES = ("CCO", "c1ccccc1", "CC(=O)O", "C1CC", "CN", "CCO")
_NAMES = ("ethanol", "benzene", "", "broken", "same", "same")


def _records(folder) -> str:
    (folder / "list.smi").write_text(_texts()["list.smi"])
    return "".join(record.to_json() + "\n" for record in encode(str(folder / "list.smi"))) + "{broken\n"


def _texts() -> dict[str, str]:
    from rdkit import Chem

    rows = list(zip(_MOLECULES, _NAMES, strict=True))
    blocks = []
    for smiles, name in rows:
        molecule = Chem.MolFromSmiles(smiles if smiles != "C1CC" else "CCC")
        molecule.SetProp("_Name", name)
        block = Chem.MolToMolBlock(molecule)
        blocks.append((block if smiles != "C1CC" else block.replace("V2000", "V2999")) + "$$$$\n")
    return {
        "list.smi": "".join(f"{smiles} {name}\n" for smiles, name in rows),
        "table.csv": "smiles,name\n" + "".join(f"{smiles},{name}\n" for smiles, name in rows),
        "table.json": "".join(f'{{"smiles": "{smiles}", "name": "{name}"}}\n' for smiles, name in rows),
        "file.sdf": "".join(blocks),
        "text.logos": "".join(f"<MoleculeS>{smiles}<MoleculeE>\n" for smiles in _MOLECULES) + "<MoleculeS>C\n",
    }


@pytest.fixture(params=[*_texts(), "records.jsonl"])
def path(request, tmp_path):
    """A file with good, broken, nameless and repeated entries."""
    file = tmp_path / request.param
    file.write_text(_texts().get(request.param) or _records(tmp_path))
    return str(file)


def _read(path, selection=None):
    return [
        (entry.id, str(entry.item), entry.error and entry.error.message, entry.source)
        for entry, _ in FileReader(path, ReadOptions(), FileLabels(()), selection).entries()
    ]


def test_nothing_is_read_of_entries_that_are_not_wanted(path):
    source = Input(path)
    asked = []
    options = ReadOptions(takes=lambda name: bool(asked.append(name)))
    assert list(detect(source).read(source, options)) == []
    assert asked == [entry[0] for entry in _read(path)]
    source.close()


@pytest.mark.parametrize("count", [2, 5])
def test_shards_read_together_what_one_process_reads(path, count):
    whole = _read(path)
    found = {}
    for number in range(1, count + 1):
        selection = FileSelection(Shard(number, count), 0, path, DoneEntries())
        entries = _read(path, selection)
        assert [unit[0] for unit in selection.units] == [entry[0] for entry in entries]
        assert selection.n_seen == len(whole)
        found |= {unit[2]: entry for unit, entry in zip(selection.units, entries, strict=True)}
    assert [found[ordinal] for ordinal in range(len(whole))] == whole
    assert any(error for _, _, error, _ in whole)


def test_what_is_left_to_later_is_what_is_read_at_once(path):
    later = [
        pickle.loads(pickle.dumps(entry))
        for entry, _ in FileReader(path, ReadOptions(defers=True), FileLabels(())).entries()
    ]
    assert all(entry.item is None and entry.error is None for entry in later)
    entries = [entry.now() for entry in later]
    assert [
        (entry.id, str(entry.item), entry.error and entry.error.message, entry.source) for entry in entries
    ] == _read(path)
