"""Which entries a process works on: parts of equal size, whatever the files; what is done is left out."""

from __future__ import annotations

import pytest

from logos_cli.errors import InputError, UsageError
from logos_cli.io.ids import FileLabels
from logos_cli.io.selection import DoneEntries, FileSelection, Selection, Shard, stable_key


def taken(place: FileSelection, names: list[str]) -> list[str]:
    return [name for name in names if place.takes(name)]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 100])
def test_shards_part_the_entries_evenly(count):
    names = [f"mol{number}" for number in range(10_000)]
    parts = [
        taken(FileSelection(Shard(number, count), 0, "x.smi", DoneEntries()), names) for number in range(1, count + 1)
    ]
    assert sorted(name for part in parts for name in part) == sorted(names)
    assert all(abs(len(part) - 10_000 / count) < 6 * (10_000 / count) ** 0.5 for part in parts)


def test_the_part_of_an_entry_depends_on_its_file_and_name_only():
    shard = Shard(2, 5)
    names = [f"P{number}" for number in range(500)]
    alone = taken(FileSelection(shard, 0, "a.fasta", DoneEntries()), names)
    among_others = taken(FileSelection(shard, 7, "a.fasta", DoneEntries()), list(reversed(names)))
    assert sorted(alone) == sorted(among_others)
    assert sorted(taken(FileSelection(shard, 0, "b.fasta", DoneEntries()), names)) != sorted(alone)


def test_keys_are_the_same_for_ever():
    assert stable_key("aspirin") == 3416760201
    assert stable_key("Ångström", 5) == stable_key("Ångström", 5)


def test_what_is_done_is_left_out_and_a_changed_input_is_noticed():
    place = FileSelection(Shard(), 0, "x.smi", DoneEntries())
    names = ["a", "b", "c", "d"]
    assert taken(place, names) == names
    units = list(place.units)
    done = DoneEntries([0, 2], [units[0][3], units[2][3]])
    assert taken(FileSelection(Shard(), 0, "x.smi", done), names) == ["b", "d"]
    with pytest.raises(InputError, match="entry 3 is z, but was another one"):
        taken(FileSelection(Shard(), 0, "x.smi", done), ["a", "b", "z", "d"])


def test_entries_of_which_nothing_came_are_those_before_the_record():
    selection = Selection()
    place = selection.of_file(0, "x.smi")
    place.units = selection.pending
    taken(place, ["a", "b", "c", "d"])
    units, before = selection.take_back(["c"])
    assert [[each[0] for each in group] for group in (before, units, selection.pending)] == [["a", "b"], ["c"], ["d"]]
    with pytest.raises(KeyError):
        selection.take_back(["a"])
    assert [unit[0] for unit in selection.take_back(["d"])[0]] == ["d"]


@pytest.mark.parametrize(("number", "count"), [(0, 3), (4, 3), (1, 0), (-1, 2)])
def test_a_shard_that_there_is_not(number, count):
    with pytest.raises(UsageError, match="there is no shard"):
        Shard(number, count)


@pytest.mark.parametrize(
    ("paths", "ids"),
    [
        (["one.fasta"], ["P1"]),
        (["one.fasta", "two.fasta"], ["one:P1", "two:P1"]),
        (["x/run.cif", "y/run.cif"], ["x/run:P1", "y/run:P1"]),
        (["a.cif", "deep/a.cif", "b.cif.gz"], ["a.cif:P1", "deep/a:P1", "b:P1"]),
        (["a.pdb", "a.cif"], ["a.pdb:P1", "a.cif:P1"]),
        (["-", "a.cif"], ["stdin:P1", "a:P1"]),
    ],
)
def test_ids_have_the_shortest_name_of_their_file_that_is_its_own(paths, ids):
    labels = FileLabels(paths)
    qualified = [labels.of_file(path, "stem") for path in paths]
    assert ["P1" if each is None else each("P1") for each in qualified] == ids


def test_an_id_that_begins_with_its_file_stays():
    labels = FileLabels(["1abc.cif", "2xyz.cif"])
    qualified = labels.of_file("1abc.cif", "1abc")
    assert qualified is not None
    assert [qualified(id) for id in ("1abc:A:HEM:142", "1abc", "HEM", "1abcd:A")] == [
        "1abc:A:HEM:142",
        "1abc",
        "1abc:HEM",
        "1abc:1abcd:A",
    ]
