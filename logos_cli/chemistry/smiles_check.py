"""A fast check of SMILES that are certainly valid; RDKit judges the others.

RDKit needs 100 µs to parse and sanitize a drug-like molecule. But its rules are local: valences count bonds, and
kekulization concerns one ring system at a time. So a molecule that is cut at its acyclic bonds is accepted if each piece
is accepted with a cap at the cut. The cap is a methyl group; a phenyl group at a bond without a symbol between two
aromatic atoms; or ``=C`` or ``=N`` at a branch that begins with a multiple bond. Molecules share their pieces
(``Cc1ccc(C)cc1``), so RDKit judges each piece once, and its verdict is cached.

RDKit judges whole SMILES if the cut is uncertain (metals, atom maps, bond symbols at ring closures, …) or a piece is
rejected. So :func:`is_surely_valid` may return False for a good SMILES, but never True for a bad one.
``tests/bench/bench_smiles.py`` measures both on a million mutated SMILES.

It saves 60 % of the time of ``logos encode`` on 150,000 molecules of public sets (25 s of one core instead of 62 s).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from rdkit import Chem, rdBase

_MAX_LENGTH = 2000
_MAX_PIECES = 300_000

_SINGLE_LEAF = r"\((?:C|O|N|F|Cl|Br|CC|OC|NC|C#N|C\(F\)\(F\)F|C\(=O\)O|C\(N\)=O|C\(C\)=O)\)"
_LEAF = rf"(?:{_SINGLE_LEAF}|\(=O\))"
_TOKEN = re.compile(
    rf"{_LEAF}|(?:\[[^\]]*\]|[^()\[\]0-9%.])(?:\[[^\]]*\]|[^()\[\]0-9%.]|{_LEAF})*|[0-9]|%[0-9][0-9]|.", re.DOTALL
)
_BRACKET = r"\[[0-9]{0,3}(?:Cl|Br|Si|Se|se|[BCNOFPSIHbcnops*])@?@?(?:H[0-9]?)?(?:\+[0-9]?|-[0-9]?|\+\+|--)?\]"
_ATOM = rf"(?:Cl|Br|[BCNOPSFIbcnops*]|{_BRACKET})"
_RUN = re.compile(rf"(?P<lead>(?:[=#]{_ATOM}(?:{_LEAF})*)*)(?:-?{_ATOM}(?:{_LEAF})*(?:[=#]{_ATOM}(?:{_LEAF})*)*)*")
_LAST_BOND_AND_ATOM = re.compile(rf"([-=#]?)({_ATOM})$")
_LAST_ATOM = re.compile(rf"({_ATOM})(?:{_LEAF})*$")
_AROMATIC = re.compile(r"\[?[0-9]*(?:se|[bcnops])")
_STRAY_SLASH = re.compile(r"(?<![A-Za-z\])(0-9])[/\\]|[/\\](?![BCNOPSFIbcnops\[])|\[[^\]]*[/\\]")
_RING_LABEL = re.compile(r"[0-9]|%[0-8][0-9]")
_AROMATIC_ATOM = r"(?:[bcnops]|\[[0-9]*(?:se|[bcnops])[^\]]*\])"
# the meaning of a bond symbol between aromatic atoms depends on their other bonds
_AROMATIC_DOUBLE = re.compile(rf"(?:^|{_AROMATIC_ATOM}(?:{_LEAF})*)[=#]{_AROMATIC_ATOM}")
_METHYL = "C"
_PHENYL = "c%99ccccc%99"


class _Token(NamedTuple):
    """A run of atoms without rings and without branches other than leaves; or any other token."""

    kind: int
    lead: str = ""
    """Atoms at its beginning with double or triple bonds to the atom before them."""
    rest: str = ""
    starts_aromatic: bool = False
    """Whether it begins with an aromatic atom and no bond symbol."""
    ends_aromatic: bool = False
    last: int = 0
    """Length of the last atom with the single bond before it; 0 if it cannot be cut there."""


_ATOMS, _RING, _OPEN, _CLOSE, _DOT, _LEAF_BRANCH, _UNSURE = range(7)
_tokens: dict[str, _Token] = {}
_pieces: dict[str, bool] = {}


def is_surely_valid(smiles: str) -> bool:
    """Return whether RDKit certainly accepts a SMILES; False leaves the verdict to RDKit."""
    if len(smiles) > _MAX_LENGTH:
        return False
    pieces = _cut(smiles)
    if not pieces:
        return False
    known = _pieces
    for piece in pieces:
        verdict = known.get(piece)
        if verdict is None:
            verdict = _judge(piece)
        if not verdict:
            return False
    return True


# -- cutting -------------------------------------------------------------------------------------------------


def _cut(smiles: str) -> list[str] | None:  # noqa: C901 - one pass, run a million times
    """Return the pieces of a SMILES as SMILES, or None if the cut is uncertain.

    The state of the main chain, and of each branch while it is read, is as follows; ``(`` puts it on a stack:

    - ``units``: the units cut off so far: text, and whether it is ``joined``;
    - ``text``, ``joined``: the current unit, and whether it begins with an aromatic atom at a bond without a symbol to
      an aromatic atom before it;
    - ``closing``: the last ring of the unit has just closed, so that it ends before the next atom;
    - ``lowest``: the outermost level with a ring that was closed here. A branch that closes a ring of a level outside
      it, or leaves one open, is part of a ring: it is not cut, and stays in place.
    """
    if "@" in smiles:  # validity does not depend on the hand
        smiles = smiles.replace("[C@@H]", "[CH]").replace("[C@H]", "[CH]")
        smiles = smiles.replace("[C@@]", "[C]").replace("[C@]", "[C]")
    if "/" in smiles or "\\" in smiles:  # nor on the side: RDKit reads c/c as cc
        if _STRAY_SLASH.search(smiles):
            return None
        smiles = smiles.replace("/", "").replace("\\", "")
    pieces: list[str] = []
    stack: list[tuple[list[tuple[str, bool]], str, bool, bool, int, bool]] = []
    n_open = [0]  # by level: rings that were opened there and are not closed
    rings: dict[str, int] = {}  # level by label
    units: list[tuple[str, bool]] = []
    text, joined, closing, aromatic = "", False, False, False
    level, lowest, last, before = 0, 0, 0, _DOT
    known = _tokens
    for token in _TOKEN.findall(smiles):
        try:
            kind, lead, rest, starts_aromatic, ends_aromatic, length = known[token]
        except KeyError:
            kind, lead, rest, starts_aromatic, ends_aromatic, length = _classify(token)
        if kind == _ATOMS:
            conjugated = aromatic and starts_aromatic
            if not closing:
                if conjugated and not text:
                    joined = True
                text += token
            else:
                closing = False
                if not lead:
                    units.append((text, joined))
                    text, joined = token, conjugated
                elif rest:
                    units.append((text + lead, joined))
                    text, joined = rest, False
                else:
                    text += lead
            last = 0 if conjugated else length
            aromatic = ends_aromatic
        elif kind == _OPEN:
            if not text:
                return None
            stack.append((units, text, joined, closing, lowest, aromatic))
            units, text, joined, closing = [], "", False, False
            level += 1
            lowest = level
            n_open.append(0)
        elif kind == _CLOSE:
            if not level or not text:
                return None
            inside = n_open.pop()
            level -= 1
            if inside or lowest <= level:
                branch = f"({''.join([unit for unit, _ in units])}{text})"
                units, text, joined, closing, outer, aromatic = stack.pop()
                text += branch
                n_open[level] += inside
                closing = n_open[level] == 0
                lowest = min(outer, lowest)
                for label, where in rings.items():
                    if where > level:
                        rings[label] = level
            else:
                branch = _cap(units, text, joined, pieces)
                units, text, joined, closing, lowest, aromatic = stack.pop()
                text += branch
        elif kind == _RING:
            if before > _RING:
                return None
            where = rings.pop(token, -1)
            if where < 0:
                rings[token] = level
                if not n_open[level] and before == _ATOMS and 0 < last < len(text):
                    units.append((text[:-last], joined))
                    text, joined = text[-last:], False
                n_open[level] += 1
                closing = False
            else:
                n_open[where] -= 1
                if where == level:
                    closing = n_open[level] == 0
                elif where < lowest:
                    lowest = where
            text += token
        elif kind == _LEAF_BRANCH:
            if not text:
                return None
            text += token
        elif kind == _DOT:
            if level or rings or not text:
                return None
            _cap(units, text, joined, pieces, left="")
            units, text, joined, closing, aromatic = [], "", False, False, False
        else:
            return None
        before = kind
    if level or rings or not text:
        return None
    _cap(units, text, joined, pieces, left="")
    return pieces


def _cap(units: list[tuple[str, bool]], text: str, joined: bool, pieces: list[str], left: str = _METHYL) -> str:
    """Add the units of a complete chain with their caps to the pieces; return the cap for it as a branch."""
    if units:
        first, first_joined = units[0]
        units.append((text, joined))
        for index in range(len(units) - 1):
            unit, unit_joined = units[index]
            right = _PHENYL if units[index + 1][1] else _METHYL
            if unit_joined:
                left = _PHENYL
            elif left and unit[0] == "-":
                unit = unit[1:]
            pieces.append(f"{left}{unit}{right}")
            left = _METHYL
    else:
        first, first_joined = text, joined
    if joined:
        left = _PHENYL
    elif left and text[0] == "-":
        text = text[1:]
    pieces.append(left + text)
    if first_joined:
        return f"({_PHENYL})"
    bond = first[0]
    if bond not in "=#":
        return "(C)"
    # RDKit's valence of an aromatic atom depends on whether a double bond leads to carbon
    return f"({bond}C)" if first[1] == "C" and first[1:3] != "Cl" else f"({bond}N)"


# -- tokens --------------------------------------------------------------------------------------------------


def _classify(token: str) -> _Token:
    """Return the class of a token, from a bounded cache."""
    if len(_tokens) >= _MAX_PIECES:
        _tokens.clear()
    found = _tokens[token] = _what(token)
    return found


def _what(token: str) -> _Token:
    if _RING_LABEL.fullmatch(token):
        return _Token(_RING)
    if token in _MARKS:
        return _Token(_MARKS[token])
    if token[0] == "(":
        return _Token(_LEAF_BRANCH)
    match, last_atom = _RUN.fullmatch(token), _LAST_ATOM.search(token)
    if match is None or last_atom is None or _AROMATIC_DOUBLE.search(token):
        return _Token(_UNSURE)
    lead = match["lead"]
    cut = _LAST_BOND_AND_ATOM.search(token)
    length = 0
    if cut is not None and cut[1] in ("", "-"):
        above = _LAST_ATOM.search(token[: cut.start()])
        conjugated = not cut[1] and _is_aromatic(cut[2]) and above is not None and _is_aromatic(above[1])
        length = 0 if conjugated else len(cut[0])
    return _Token(_ATOMS, lead, token[len(lead) :], _is_aromatic(token), _is_aromatic(last_atom[1]), length)


_MARKS = {"(": _OPEN, ")": _CLOSE, ".": _DOT}


def _is_aromatic(text: str) -> bool:
    return _AROMATIC.match(text) is not None


# -- pieces --------------------------------------------------------------------------------------------------


def _judge(piece: str) -> bool:
    """Return RDKit's verdict on one piece, by the simplest equivalent piece."""
    if len(_pieces) >= _MAX_PIECES:
        _pieces.clear()
    simple = _simplify(piece)
    verdict = _pieces.get(simple)
    if verdict is None:
        with rdBase.BlockLogs():
            verdict = Chem.MolFromSmiles(simple) is not None
        _pieces[simple] = verdict
    _pieces[piece] = verdict
    return verdict


def _simplify(piece: str) -> str:
    """Return a simpler SMILES that RDKit accepts if and only if it accepts the piece.

    - All leaves are equivalent: ``(F)`` becomes ``(C)``.
    - An aromatic carbon between two others takes a substituent as well as a hydrogen: ``c(C)`` becomes ``c``.
    - An atom between two single bonds with a good valence becomes ``C``, and a chain of these ``CC``: at least two
      atoms, so that a ring of three does not become one of two.
    - Ring labels are counted from 1.
    """
    text = _LEAVES.sub("(C)", piece)
    text = _SUBSTITUTED.sub("c", text)
    text = _BETWEEN.sub(_plain, text)
    text = _CHAIN.sub(_PLAIN * 2, text)
    text = _HEAD.sub(_PLAIN, text)
    text = text.replace(_PLAIN, "C")
    return _relabel(text) if _LABEL.search(text) else text


_PLAIN = "\x01"
_LEAVES = re.compile(_SINGLE_LEAF)
_SUBSTITUTED = re.compile(r"(?<![=#])c\(C\)(?=[A-Za-z\[])")
_BETWEEN = re.compile(
    r"\[(?!CH?\])[^\]]*\]|Cl|Br|(?<![=#])(?P<atom>[CNOS]|\[CH?\])(?P<branches>(?:\(=?[CNO]\))*)(?=-?[A-Za-z\[])"
)
_CHAIN = re.compile(f"{_PLAIN}(?:-?{_PLAIN})+")
_HEAD = re.compile(f"^{_PLAIN}+(?=.)")
_SATURATED = frozenset(
    [f"C{branches}" for branches in ("", "(C)", "(C)(C)", "(=C)", "(=N)", "(=O)")]
    + ["[C]", "[C](C)", "[C](C)(C)", "[CH]", "[CH](C)", "N", "N(C)", "O", "S", "S(=O)", "S(=O)(=O)"]
)


def _plain(match: re.Match[str]) -> str:
    return _PLAIN if match["atom"] and match[0] in _SATURATED else match[0]


_LABEL = re.compile(r"\[[^\]]*\]|%[0-9][0-9]|[0-9]")


def _relabel(text: str) -> str:
    """Count the ring labels from 1, and use free ones again."""
    new: dict[str, int] = {}

    def label(match: re.Match[str]) -> str:
        old = match[0]
        if old[0] == "[":
            return old
        number = new.pop(old, 0)
        if not number:
            taken = new.values()
            number = next(number for number in range(1, 100) if number not in taken)
            new[old] = number
        return str(number) if number < 10 else f"%{number}"

    return _LABEL.sub(label, text)
