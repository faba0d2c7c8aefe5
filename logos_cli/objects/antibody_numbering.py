"""Numbering of antibody variable domains, and the regions (CDRs, frameworks) that follow from it.

ANARCII, a small language model inside its package, numbers the chains: no network, no other program. It numbers in
the IMGT scheme and converts; the definitions below set the region boundaries.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any, Final

from logos_cli.errors import InputError, MissingError, UsageError

INSTALL: Final = "pip install 'logos-cli[antibody]'"


class Scheme(StrEnum):
    """A numbering scheme with the region definition of the same name."""

    IMGT = "imgt"
    CHOTHIA = "chothia"
    KABAT = "kabat"


_CDRS: Final[Mapping[Scheme, Mapping[str, tuple[tuple[int, int], ...]]]] = {
    Scheme.IMGT: {"H": ((27, 38), (56, 65), (105, 117)), "L": ((27, 38), (56, 65), (105, 117))},
    Scheme.CHOTHIA: {"H": ((26, 32), (52, 56), (95, 102)), "L": ((24, 34), (50, 56), (89, 97))},
    Scheme.KABAT: {"H": ((31, 35), (50, 65), (95, 102)), "L": ((24, 34), (50, 56), (89, 97))},
}
"""First and last number of the three CDRs; residues with insertion letters belong to their number.

IMGT: Lefranc et al. 2003 (10.1016/S0145-305X(02)00039-3). Chothia: heavy chain after Al-Lazikani et al. 1997
(10.1006/jmbi.1997.1354), light chain as Kabat's, which is also what RADAb and diffusion models of CDRs take.
Kabat: Kabat et al. 1991.
"""

_LOW_SCORE: Final = 25.0  # below it ANARCII itself recommends a check; T-cell receptors score 20 to 23
_LETTERS: Final = re.compile(r"[A-Z]+")
_N_KEPT: Final = 1024
_NUMBERED: Final[dict[str, Mapping[str, Any]]] = {}

Regions = dict[str, tuple[int, int]]
"""Half-open ranges of positions, from 0, in the whole chain, by the name of the region."""


@dataclass(frozen=True, slots=True)
class VariableDomain:
    """The numbered part of a chain.

    Attributes
    ----------
    sequence : str
        The whole chain.
    scheme : Scheme
        The scheme of the numbers.
    chain_type : str
        ``H`` (heavy), ``K`` (kappa) or ``L`` (lambda).
    start, end : int
        Half-open range of the domain in the chain, from 0.
    numbers : tuple of (int, str)
        Number and insertion letter ("" if none) of each residue from ``start`` on.
    score : float
        ANARCII's confidence: about 30 for natural antibodies.
    """

    sequence: str
    scheme: Scheme
    chain_type: str
    start: int
    end: int
    numbers: tuple[tuple[int, str], ...]
    score: float

    @property
    def locus(self) -> str:
        """``H`` or ``L``, as CDRs are named."""
        return "H" if self.chain_type == "H" else "L"

    @property
    def is_typical(self) -> bool:
        """Whether the confidence is that of an antibody; T-cell receptors and fragments stay below."""
        return self.score > _LOW_SCORE

    @property
    def labels(self) -> tuple[str, ...]:
        """Number and insertion letter of each residue: ``100A``."""
        return tuple(f"{number}{letter}" for number, letter in self.numbers)

    @property
    def cdrs(self) -> Regions:
        """The complete ones of ``CDR-H1`` to ``CDR-H3`` (``L`` in light chains).

        A region that the domain begins or ends in is incomplete; one without residues is an empty range.
        """
        cdrs: Regions = {}
        for count, (first, last) in enumerate(_CDRS[self.scheme][self.locus], 1):
            begin = sum(number < first for number, _ in self.numbers)
            end = sum(number <= last for number, _ in self.numbers)
            if begin and end < len(self.numbers):
                cdrs[f"CDR-{self.locus}{count}"] = (self.start + begin, self.start + end)
        return cdrs

    @property
    def frameworks(self) -> Regions:
        """``FR-H1`` to ``FR-H4`` (``L`` in light chains): the stretches between the CDRs, if all three are complete."""
        cdrs = list(self.cdrs.values())
        if len(cdrs) != 3:
            return {}
        begins = [self.start, *(end for _, end in cdrs)]
        ends = [*(begin for begin, _ in cdrs), self.end]
        return {f"FR-{self.locus}{n}": span for n, span in enumerate(zip(begins, ends, strict=True), 1)}


def parse_scheme(name: str) -> Scheme:
    """Return the scheme of a name, whatever its case.

    Raises
    ------
    UsageError
        If no scheme has that name.
    """
    try:
        return Scheme(name.lower())
    except ValueError as error:
        raise UsageError(f"unknown numbering scheme {name!r}", hint=f"known: {', '.join(Scheme)}") from error


def regions(sequence: str, scheme: str = Scheme.IMGT) -> Regions:
    """Return the CDRs of one chain.

    Parameters
    ----------
    sequence : str
        One-letter residues: a variable domain, or a longer chain that holds one.
    scheme : str
        ``imgt``, ``chothia`` or ``kabat``.

    Returns
    -------
    dict
        ``{"CDR-H3": (96, 109), …}``, half-open, from 0, in the order of the chain; see
        :attr:`VariableDomain.cdrs`.

    Raises
    ------
    InputError
        If the chain does not number as an antibody, with the reason.
    """
    return number_chain(sequence, scheme).cdrs


def number_chain(sequence: str, scheme: str = Scheme.IMGT) -> VariableDomain:
    """Return the variable domain of one chain; of several domains (scFv) the one with the highest score.

    Raises
    ------
    InputError
        If the chain does not number as an antibody, with the reason.
    MissingError
        If ANARCII is not installed.
    """
    domain = number_chains([sequence], scheme)[0]
    if isinstance(domain, str):
        raise InputError(
            f"the chain does not number as an antibody: {domain}",
            hint="give a heavy or light chain with its whole variable domain",
        )
    return domain


def number_chains(sequences: Sequence[str], scheme: str = Scheme.IMGT) -> list[VariableDomain | str]:
    """Return the variable domain of each chain, or the reason why a chain has none.

    A chain that occurs twice is numbered once.

    Raises
    ------
    MissingError
        If ANARCII is not installed.
    """
    wanted = parse_scheme(scheme)
    unique = dict.fromkeys(sequence for sequence in sequences if _LETTERS.fullmatch(sequence))
    domains = dict(zip(unique, _numbered(list(unique), wanted), strict=True))
    return [
        _domain(sequence, domains[sequence], wanted) if sequence in domains else _unreadable(sequence)
        for sequence in sequences
    ]


def _unreadable(sequence: str) -> str:
    return "it holds characters that are no residue letters" if sequence else "it is empty"


def _domain(sequence: str, result: Mapping[str, Any], scheme: Scheme) -> VariableDomain | str:
    """Return the domain that one of ANARCII's results describes, or the reason why there is none."""
    if result["error"]:
        return "fewer than 50 residues fit a variable domain"
    if result["chain_type"] not in "HKL":
        return f"it looks like a chain of type {result['chain_type']}"
    placed = [(number, letter) for number, letter in result["numbering"] if letter != "-"]
    start = result["query_start"]
    end = start + len(placed)
    if "".join(letter for _, letter in placed) != _standard(sequence[start:end]):
        return "its numbering skips residues"
    numbers = tuple((number, letter.strip()) for (number, letter), _ in placed)
    score = round(float(result["score"]), 2)  # further digits depend on the rest of the batch
    return VariableDomain(sequence, scheme, result["chain_type"], start, end, numbers, score)


def _standard(residues: str) -> str:
    """Return residues as ANARCII writes them."""
    return re.sub("[BOJUZ]", "X", residues)


def _numbered(chains: Sequence[str], scheme: Scheme) -> list[Mapping[str, Any]]:
    """Return ANARCII's results in order; the last ``_N_KEPT`` results stay in memory, in IMGT numbers."""
    new = [chain for chain in chains if chain not in _NUMBERED]
    if new:
        results = _anarcii().number({str(index): chain for index, chain in enumerate(new)})
        _NUMBERED.update({chain: results[str(index)] for index, chain in enumerate(new)})
    imgt = [_NUMBERED[chain] for chain in chains]
    for chain in list(_NUMBERED)[: max(0, len(_NUMBERED) - _N_KEPT)]:
        del _NUMBERED[chain]
    if scheme is Scheme.IMGT or not imgt:
        return imgt
    # not Anarcii.to_scheme, which prints; the function behind it does not
    from anarcii.output_data_processing.schemes import convert_number_scheme

    converted = convert_number_scheme({str(index): result for index, result in enumerate(imgt)}, scheme.value)
    return list(converted.values())


@cache
def _anarcii() -> Any:
    try:
        from anarcii import Anarcii
    except ImportError as error:
        raise MissingError("numbering antibodies needs ANARCII", hint=INSTALL) from error
    import torch

    n_threads = torch.get_num_threads()
    tool = Anarcii(seq_type="antibody", mode="accuracy", batch_size=32, cpu=True, ncpu=1)
    torch.set_num_threads(n_threads)  # it sets the threads of the whole process
    return tool
