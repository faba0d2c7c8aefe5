"""Substitutions between a wild type and its variants, in the usual writing: ``A45G``."""

from __future__ import annotations

from logos_cli.errors import InputError


def mutations(wild_type: str, variant: str, first: int = 1) -> tuple[str, ...]:
    """Return how a variant of the same length differs: ``("A45G", "K50R")``; ``first`` numbers the first residue.

    Raises
    ------
    InputError
        If the lengths differ.
    """
    if len(wild_type) != len(variant):
        raise InputError(
            f"the variant has {len(variant):,} residues, the wild type {len(wild_type):,}",
            hint="insertions and deletions are no substitutions",
        )
    pairs = enumerate(zip(wild_type, variant, strict=True), first)
    return tuple(f"{before}{place}{after}" for place, (before, after) in pairs if before != after)
