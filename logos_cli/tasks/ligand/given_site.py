"""Binding sites given as lists of residues: ``A:45,A:47-52``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from logos_cli.errors import LogosError
from logos_cli.formats.base import Entry
from logos_cli.objects.base import ScienceObject
from logos_cli.objects.complex import Complex
from logos_cli.objects.protein import Protein
from logos_cli.records import Source
from logos_cli.structure.residues.map import ResidueMap
from logos_cli.tasks.joined import join_chains


def tag_residues(item: ScienceObject, source: Source, site: str) -> ScienceObject:
    """Return a protein or complex with only the residues of a list tagged; other objects unchanged.

    Raises
    ------
    UsageError
        If the list names residues that the chains lack.
    """
    if isinstance(item, Protein):
        item = Complex((item,))
    if not isinstance(item, Complex):
        return item
    positions = ResidueMap(source, [len(chain.sequence) for chain in item.chains]).select(site)
    chains = zip(item.chains, positions, strict=True)
    return Complex(tuple(Protein(chain.sequence, tuple(places)) for chain, places in chains))


def site_entries(entries: Iterable[Entry], site: str) -> Iterator[Entry]:
    """Yield the binding site of a structure, whose chains are joined, or of each sequence.

    The site of a structure keeps only the chains with a residue in the list.
    """
    for entry in join_chains(entries):
        tagged = _tag_entry(entry, site)
        if isinstance(entry.item, Complex):
            tagged = _keep_site_chains(replace(tagged, id=f"{entry.id}:site"))
        yield tagged


def _tag_entry(entry: Entry, site: str) -> Entry:
    if entry.item is None:
        return entry
    try:
        return replace(entry, item=tag_residues(entry.item, entry.source, site))
    except LogosError as error:
        return replace(entry, item=None, error=error)


def _keep_site_chains(entry: Entry) -> Entry:
    if not isinstance(entry.item, Complex):
        return entry
    kept = [number for number, chain in enumerate(entry.item.chains) if chain.site]
    source = entry.source.copy()
    source["chains"] = [source["chains"][number] for number in kept]
    source["residues"] = [source["residues"][number] for number in kept]
    return replace(entry, item=Complex(tuple(entry.item.chains[number] for number in kept)), source=source)
