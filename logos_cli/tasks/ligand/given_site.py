"""Binding sites given as lists of residues, ``A:45,A:47-52``, or found by the shape of the structure, ``predicted``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from logos_cli.errors import LogosError, UsageError
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


PREDICTED = "predicted"
_ENGINE = "pocketnet"


def tag_pocket(item: ScienceObject, source: Source) -> ScienceObject:
    """Return a structure's complex with the residues of its best pocket tagged.

    Raises
    ------
    UsageError
        If there is no structure, or no pocket in it.
    """
    if not isinstance(item, Complex) or not source.get("residues"):
        raise UsageError(f"--site {PREDICTED} needs a structure", hint="name the residues of the site")
    from logos_cli.pockets.letters import pockets_of

    found = pockets_of(source, [len(chain.sequence) for chain in item.chains], _ENGINE).pockets
    if not found:
        raise UsageError(
            "the structure has no pocket", source=str(source.get("path", "")), hint="name residues in --site"
        )
    _, letters = found[0]
    first, chains = 0, []
    for chain in item.chains:
        end = first + len(chain.sequence)
        chains.append(Protein(chain.sequence, tuple(letter - first for letter in letters if first <= letter < end)))
        first = end
    return Complex(tuple(chains))


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
        if site == PREDICTED:
            return replace(entry, item=tag_pocket(entry.item, entry.source))
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
