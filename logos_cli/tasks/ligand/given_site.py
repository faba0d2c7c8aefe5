"""Pockets that are told residue by residue: ``A:45,A:47-52``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from logos_cli.errors import LogosError
from logos_cli.formats.base import Entry
from logos_cli.objects.base import ScienceObject
from logos_cli.objects.complex import Complex
from logos_cli.objects.protein import Protein
from logos_cli.structure.residue_map import ResidueMap


def tagged(item: ScienceObject, source: Mapping[str, Any], site: str) -> ScienceObject:
    """Return a protein or complex with the residues of a list tagged, and no others; anything else as it is.

    Raises
    ------
    UsageError
        If the list names residues that are not there.
    """
    if isinstance(item, Protein):
        item = Complex((item,))
    if not isinstance(item, Complex):
        return item
    positions = ResidueMap(source, [len(chain.sequence) for chain in item.chains]).select(site)
    chains = zip(item.chains, positions, strict=True)
    return Complex(tuple(Protein(chain.sequence, tuple(places)) for chain, places in chains))


def pockets(entries: Iterable[Entry], site: str) -> Iterator[Entry]:
    """Yield the pockets of one file's chains: one of a structure, whose chains are taken together; else one a chain.

    Chains of a structure without a residue in the list are left out.
    """
    together: list[Entry] = []
    for entry in entries:
        if isinstance(entry.item, Protein) and entry.source.get("residues"):
            together.append(entry)
        else:
            yield _pocket(entry, site)
    if together:
        first = together[0]
        source = dict(first.source)
        for key in ("chains", "residues"):
            source[key] = [value for entry in together for value in entry.source[key]]
        chains = tuple(entry.item for entry in together if isinstance(entry.item, Protein))
        title, colon, _ = first.id.rpartition(":")
        joined = Entry(f"{title if colon else first.id}:site", Complex(chains), source)
        yield _lined_chains_only(_pocket(joined, site))


def _pocket(entry: Entry, site: str) -> Entry:
    if entry.item is None:
        return entry
    try:
        return replace(entry, item=tagged(entry.item, entry.source, site))
    except LogosError as error:
        return replace(entry, item=None, error=error)


def _lined_chains_only(entry: Entry) -> Entry:
    if not isinstance(entry.item, Complex):
        return entry
    kept = [number for number, chain in enumerate(entry.item.chains) if chain.site]
    source = dict(entry.source)
    for key in ("chains", "residues"):
        source[key] = [source[key][number] for number in kept]
    return replace(entry, item=Complex(tuple(entry.item.chains[number] for number in kept)), source=source)
