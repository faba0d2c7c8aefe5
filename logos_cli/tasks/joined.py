"""The chains of a structure as one complex."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from logos_cli.formats.base import Entry
from logos_cli.objects.complex import Complex
from logos_cli.objects.protein import Protein


def join_chains(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Yield the entries of a file in their order, the chains of each structure joined; a file may hold several."""
    for structure, group in groupby(entries, _structure_of):
        if structure is None:
            yield from group
        else:
            yield _joined(list(group))


def _structure_of(entry: Entry) -> tuple[object, ...] | None:
    """Return what distinguishes the structure of a protein chain; None for another entry."""
    if not isinstance(entry.item, Protein) or not entry.source.get("residues"):
        return None
    return entry.source.get("path"), entry.source.get("block"), entry.source.get("model")


def _joined(chains: list[Entry]) -> Entry:
    first = chains[0]
    source = first.source.copy()
    source["chains"] = [name for entry in chains for name in entry.source["chains"]]
    source["residues"] = [residues for entry in chains for residues in entry.source["residues"]]
    title, colon, _ = first.id.rpartition(":")
    items = tuple(entry.item for entry in chains if isinstance(entry.item, Protein))
    return Entry(title if colon else first.id, Complex(items), source)
