"""Numbering of antibody variable domains, and the regions (CDRs, frameworks) that follow from it.

ANARCII, a small language model inside its package, numbers the chains: no network, no other program. It numbers in
the IMGT scheme and converts; the definitions below set the region boundaries.
"""

from __future__ import annotations

import math
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
    MARTIN = "martin"


_CDRS: Final[Mapping[Scheme, Mapping[str, tuple[tuple[int, int], ...]]]] = {
    Scheme.IMGT: {"H": ((27, 38), (56, 65), (105, 117)), "L": ((27, 38), (56, 65), (105, 117))},
    Scheme.CHOTHIA: {"H": ((26, 32), (52, 56), (95, 102)), "L": ((24, 34), (50, 56), (89, 97))},
    Scheme.KABAT: {"H": ((31, 35), (50, 65), (95, 102)), "L": ((24, 34), (50, 56), (89, 97))},
    Scheme.MARTIN: {"H": ((26, 32), (52, 56), (95, 102)), "L": ((24, 34), (50, 56), (89, 97))},
}
"""First and last number of the three CDRs; residues with insertion letters belong to their number.

IMGT: Lefranc et al. 2003 (10.1016/S0145-305X(02)00039-3). Chothia: heavy chain after Al-Lazikani et al. 1997
(10.1006/jmbi.1997.1354), light chain as Kabat's, which is also what RADAb and diffusion models of CDRs take.
Kabat: Kabat et al. 1991. Martin: the numbers of Abhinandan & Martin 2008 (10.1016/j.molimm.2008.05.022), who move
insertions in the framework, with the CDRs of Chothia.
"""

_LOW_SCORE: Final = 25.0  # below it ANARCII itself recommends a check; T-cell receptors score 19 to 23
_LEAST_SCORE: Final = 18.0
"""Other immunoglobulin domains (CD4, constant domains) score less."""
_T_CELL_SCORES: Final = {"A": 31.0, "B": 30.3, "G": 30.3, "D": 30.3}
"""Score of ANARCII's model of T-cell receptors from which a chain is one; it takes antibodies for alpha chains of 30."""
_T_CELL_CHAINS: Final = {"A": "alpha", "B": "beta", "G": "gamma", "D": "delta"}
_WINDOW: Final = 200
"""Residues; of longer chains ANARCII numbers a window, whose beginning may cut the domain."""
_BEFORE, _BEHIND = 60, 20
_LEAST_REST: Final = 70
"""Residues beside a domain that may hold another one."""
_CDR3: Final = range(105, 118)
_LONG_CDR3: Final = 30
"""Residues from which on ANARCII runs out of insertion letters in schemes other than IMGT's."""
_KEPT_ENDS: Final = 10
_LETTERS: Final = re.compile(r"[A-Z]+")
_N_KEPT: Final = 1024
_NUMBERED: Final[dict[tuple[str, str], Mapping[str, Any]]] = {}
_ANTIBODY, _T_CELL = "antibody", "tcr"

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
    """Return the CDRs of one chain, of all its variable domains.

    Parameters
    ----------
    sequence : str
        One-letter residues: a variable domain, or a longer chain that holds one.
    scheme : str
        ``imgt``, ``chothia``, ``kabat`` or ``martin``.

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
    return {name: span for domain in domains_of(sequence, scheme) for name, span in domain.cdrs.items()}


def number_chain(sequence: str, scheme: str = Scheme.IMGT) -> VariableDomain:
    """Return the variable domain of one chain; of several domains (scFv) the one with the highest score.

    Raises
    ------
    InputError
        If the chain does not number as an antibody, with the reason.
    MissingError
        If ANARCII is not installed.
    """
    return _best(domains_of(sequence, scheme))


def _best(domains: Sequence[VariableDomain]) -> VariableDomain:
    return max(domains, key=lambda domain: domain.score)


def domains_of(sequence: str, scheme: str = Scheme.IMGT) -> tuple[VariableDomain, ...]:
    """Return the variable domains of one chain in their order: a single-chain Fv has two, in either order.

    Raises
    ------
    InputError
        If the chain does not number as an antibody, with the reason.
    MissingError
        If ANARCII is not installed.
    """
    (domains,) = number_domains([sequence], scheme)
    if isinstance(domains, str):
        raise InputError(
            f"the chain does not number as an antibody: {domains}",
            hint="give a heavy or light chain with its whole variable domain",
        )
    return domains


def number_chains(sequences: Sequence[str], scheme: str = Scheme.IMGT) -> list[VariableDomain | str]:
    """Return the variable domain of each chain, the one with the highest score, or the reason why a chain has none.

    Raises
    ------
    MissingError
        If ANARCII is not installed.
    """
    return [domains if isinstance(domains, str) else _best(domains) for domains in number_domains(sequences, scheme)]


def number_domains(sequences: Sequence[str], scheme: str = Scheme.IMGT) -> list[tuple[VariableDomain, ...] | str]:
    """Return the variable domains of each chain in their order, or the reason why a chain has none.

    A chain that occurs twice is numbered once.

    Raises
    ------
    MissingError
        If ANARCII is not installed.
    """
    wanted = parse_scheme(scheme)
    found = _find_domains([sequence for sequence in sequences if _LETTERS.fullmatch(sequence)], wanted)
    return [found.get(sequence) or _unreadable(sequence) for sequence in sequences]


def _find_domains(sequences: Sequence[str], scheme: Scheme) -> dict[str, tuple[VariableDomain, ...] | str]:
    """Return the domains of each chain: of the whole, then of what lies beside a domain that was found, if it has room."""
    chains = list(dict.fromkeys(sequences))
    domains: dict[str, list[VariableDomain]] = {chain: [] for chain in chains}
    reasons: dict[str, str] = {}
    work = [(chain, 0, len(chain)) for chain in chains]
    while work:
        results = _numbered([chain[begin:end] for chain, begin, end in work], _ANTIBODY)
        further = []
        for (chain, begin, end), result in zip(work, results, strict=True):
            domain = _domain(chain, begin, end, result, scheme)
            if not isinstance(domain, str) and end - begin > _WINDOW:
                domain = _refined(domain, begin, end)
            if isinstance(domain, str):
                reasons.setdefault(chain, domain)
                continue
            if domains[chain] and not domain.is_typical:  # a constant domain
                continue
            domains[chain].append(domain)
            rest = ((begin, domain.start), (domain.end, end))
            further += [(chain, start, stop) for start, stop in rest if stop - start >= _LEAST_REST]
        work = further
    found: dict[str, tuple[VariableDomain, ...] | str] = {
        chain: tuple(sorted(parts, key=lambda domain: domain.start)) or reasons[chain]
        for chain, parts in domains.items()
    }
    return found | _t_cell_receptors(
        [chain for chain in chains if not any(domain.is_typical for domain in domains[chain])]
    )


def _refined(domain: VariableDomain, begin: int, end: int) -> VariableDomain:
    """Return the domain of a window once more, numbered with what lies around it."""
    first, last = max(begin, domain.start - _BEFORE), min(end, domain.end + _BEHIND)
    (result,) = _numbered([domain.sequence[first:last]], _ANTIBODY)
    again = _domain(domain.sequence, first, last, result, domain.scheme)
    return domain if isinstance(again, str) else again


def _t_cell_receptors(chains: Sequence[str]) -> dict[str, str]:
    """Return which of the chains belong to T-cell receptors, as reasons why they are no antibodies."""
    return {
        chain: f"it is the {_T_CELL_CHAINS[result['chain_type']]} chain of a T-cell receptor"
        for chain, result in zip(chains, _numbered(chains, _T_CELL), strict=True)
        if not result["error"] and result["score"] >= _T_CELL_SCORES.get(result["chain_type"], math.inf)
    }


def _unreadable(sequence: str) -> str:
    return "it holds characters that are no residue letters" if sequence else "it is empty"


def _domain(chain: str, begin: int, end: int, result: Mapping[str, Any], scheme: Scheme) -> VariableDomain | str:
    """Return the domain that one of ANARCII's results describes, or the reason why there is none.

    Parameters
    ----------
    chain : str
        The whole chain.
    begin, end : int
        The part of it that was numbered, half-open, from 0.
    """
    if result["error"]:
        return "fewer than 50 residues fit a variable domain"
    if result["chain_type"] not in "HKL":
        return f"it looks like a chain of type {result['chain_type']}"
    score = round(float(result["score"]), 2)  # further digits depend on the rest of the batch
    if score < _LEAST_SCORE:
        return f"its score is {score:.1f}; antibodies score about 30"
    residues = "".join(letter for _, letter in result["numbering"] if letter != "-")
    start = begin + result["query_start"]
    if residues != _standard(chain[start : min(start + len(residues), end)]):
        return "its numbering skips residues"
    numbers = _converted(result, scheme)
    if len(numbers) != len(residues):
        return f"the scheme {scheme} has no numbers for some of its residues"
    return VariableDomain(chain, scheme, result["chain_type"], start, start + len(residues), numbers, score)


def _converted(result: Mapping[str, Any], scheme: Scheme) -> tuple[tuple[int, str], ...]:
    """Return the number and insertion letter of each residue in a scheme.

    Of a very long CDR3, as cattle have, the middle is taken out before ANARCII converts the numbers, because it has no
    letters for it, and put back at the insertion: 100A … 100Z, 100AA, 100AB …
    """
    rows = result["numbering"]
    if scheme is Scheme.IMGT:
        return tuple((number, letter.strip()) for (number, letter), residue in rows if residue != "-")
    loop = [place for place, ((number, _), residue) in enumerate(rows) if number in _CDR3 and residue != "-"]
    middle = loop[_KEPT_ENDS:-_KEPT_ENDS] if len(loop) > _LONG_CDR3 else []
    # not Anarcii.to_scheme, which prints; the function behind it does not
    from anarcii.output_data_processing.schemes import convert_number_scheme

    short = {**result, "numbering": [row for place, row in enumerate(rows) if place not in middle]}
    (converted,) = convert_number_scheme({"": short}, scheme.value).values()
    numbers = [(number, letter.strip()) for (number, letter), residue in converted["numbering"] if residue != "-"]
    if not middle:
        return tuple(numbers)
    place = sum(residue != "-" for _, residue in rows[: middle[0]])
    number = numbers[place - 1][0]
    numbers[place:place] = [(number, "")] * len(middle)
    letters = iter(["", *_insertion_letters()])
    return tuple((each, next(letters) if each == number else letter) for each, letter in numbers)


def _insertion_letters() -> list[str]:
    """Return A to Z, AA to ZZ."""
    single = [chr(code) for code in range(ord("A"), ord("Z") + 1)]
    return [*single, *(first + second for first in single for second in single)]


def _standard(residues: str) -> str:
    """Return residues as ANARCII writes them."""
    return re.sub("[BOJUZ]", "X", residues)


def _numbered(chains: Sequence[str], kind: str) -> list[Mapping[str, Any]]:
    """Return ANARCII's results in order, in IMGT numbers; the last ``_N_KEPT`` results stay in memory."""
    new = [chain for chain in dict.fromkeys(chains) if (kind, chain) not in _NUMBERED]
    if new:
        results = _anarcii(kind).number({str(index): chain for index, chain in enumerate(new)})
        _NUMBERED.update({(kind, chain): results[str(index)] for index, chain in enumerate(new)})
    imgt = [_NUMBERED[kind, chain] for chain in chains]
    for key in list(_NUMBERED)[: max(0, len(_NUMBERED) - _N_KEPT)]:
        del _NUMBERED[key]
    return imgt


@cache
def _anarcii(kind: str) -> Any:
    try:
        from anarcii import Anarcii
    except ImportError as error:
        raise MissingError("numbering antibodies needs ANARCII", hint=INSTALL) from error
    import torch

    n_threads = torch.get_num_threads()
    tool = Anarcii(seq_type=kind, mode="accuracy", batch_size=32, cpu=True, ncpu=1)
    torch.set_num_threads(n_threads)  # it sets the threads of the whole process
    return tool
