"""The chains of a structure as one complex."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from logos_cli.formats.base import Entry
from logos_cli.objects.complex import Complex
from logos_cli.objects.protein import Protein


def join_chains(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Yield the entries of a file, the chains of a structure joined as the last of them."""
    chains: list[tuple[Entry, Protein]] = []
    for entry in entries:
        if isinstance(entry.item, Protein) and entry.source.get("residues"):
            chains.append((entry, entry.item))
        else:
            yield entry
    if chains:
        first, _ = chains[0]
        source = first.source.copy()
        source["chains"] = [name for entry, _ in chains for name in entry.source["chains"]]
        source["residues"] = [chain for entry, _ in chains for chain in entry.source["residues"]]
        title, colon, _ = first.id.rpartition(":")
        yield Entry(title if colon else first.id, Complex(tuple(item for _, item in chains)), source)
