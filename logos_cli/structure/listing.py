"""Tell the residues of chains from other molecules by the columns of an mmCIF file that lists its atoms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

_HETERO: Final = ord("H")
NOT_TOLD: Final = (
    "_atom_site has neither group_PDB nor label_seq_id: amino acids and nucleotides are read as residues of chains"
)


def listed_residues(label_numbers: Sequence[int | None]) -> list[bool | None]:
    """Return whether each residue has a place in the sequence of a polymer (``label_seq_id``).

    Returns
    -------
    list of bool or None
        None for each if the file does not tell, because it numbers all residues or none.
    """
    n_numbered = sum(number is not None for number in label_numbers)
    if n_numbered in (0, len(label_numbers)):
        return [None] * len(label_numbers)
    return [number is not None for number in label_numbers]


def hetero_residues(
    flags: Sequence[int], listed: Sequence[bool | None], label_chains: Sequence[str | None], chains: Sequence[str]
) -> tuple[list[bool], bool]:
    """Return which residues are heteroatoms, and whether the file tells it of all.

    A residue is one if its atoms are HETATM, or if it has no place in a sequence where others have one. In files without
    ``group_PDB`` that number all residues or none, a residue is one if it is alone in its label chain, and others with
    the author's name of its chain are not.

    Parameters
    ----------
    flags : sequence of int
        ASCII codes: ``A`` for ATOM, ``H`` for HETATM, 0 if the file has no such column.
    """
    hetero = [flag == _HETERO or in_sequence is False for flag, in_sequence in zip(flags, listed, strict=True)]
    silent = [not flag and in_sequence is None for flag, in_sequence in zip(flags, listed, strict=True)]
    if not any(silent):
        return hetero, True
    keys = list(zip(chains, label_chains, strict=True))
    sizes, parts = Counter(keys), Counter(chain for chain, _ in set(keys))
    alone = [sizes[key] == 1 and parts[key[0]] > 1 for key in keys]
    hetero = [known or (is_silent and lone) for known, is_silent, lone in zip(hetero, silent, alone, strict=True)]
    return hetero, max(parts.values()) > 1
