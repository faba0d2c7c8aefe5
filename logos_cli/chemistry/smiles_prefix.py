"""Check, character by character, whether the beginning of a SMILES can still become a molecule.

A prefix is refused as soon as no valid molecule can begin with it: a syntax error, an atom with too many bonds,
a ring that is closed onto a neighbour, an open ring that no atom is left to close, an aromatic atom that can no
longer be part of a ring, an aromatic system without a Kekulé structure whatever is added.

RDKit judges each atom with given bonds once, and its verdict is cached, so that its rules of valence are not written
a second time. A Kekulé structure is a matching of the aromatic atoms that need a double bond. An atom that may still
get bonds may or may not need one, so the matching must cover only the others.

The check is one-sided. A refused prefix cannot become valid, except for spellings that no program writes (a ring label
after a branch) and bonds that no drug has (quadruple, "any"). Another prefix may still become invalid, above all with
dative bonds, which are not checked. RDKit judges the complete SMILES.
"""

from __future__ import annotations

import re
from functools import lru_cache

_ORGANIC = frozenset("BCNOPSFI")
_AROMATIC = frozenset("bcnops")
_MULTIPLE = frozenset("=#")
_BONDS = frozenset("-=#:/\\")
_MOST_WELCOME = {"=": "=O", "#": "#N"}
_DIGITS = frozenset("0123456789")
_SEARCH_STEPS = 400
"""Largest number of steps of a search for a Kekulé structure; after them the prefix is not refused."""

_BRACKET = re.compile(
    r"\[\d{0,3}(?:(?P<symbol>[A-Z][a-z]?|[a-z]{1,2}|\*)"
    r"(?P<rest>@{0,2}(?:H\d?)?(?:\+{1,3}|-{1,3}|[+-]\d{1,2})?(?::\d{0,4})?))?"
)
_START, _ATOM, _RING, _OPEN, _CLOSE, _BOND, _DOT, _PERCENT, _INSIDE = range(9)
_CAN_ATTACH = (_ATOM, _RING, _CLOSE)


class SmilesPrefix:
    """The molecule of the beginning of a SMILES.

    After a refused character the object cannot be used any more: make a new one of the text before it.

    Attributes
    ----------
    unsure : bool
        An unknown notation was read; nothing is refused any more.
    """

    def __init__(self, text: str = "") -> None:
        self.unsure = False
        self._before = self._outside = _START
        self._after_dot = self._branch_is_empty = self._second_done = False
        self._tip = -1
        self._stack: list[tuple[int, int]] = []  # (atom, first atom of the branch)
        self._bond = ""
        self._pending = ""  # of a bracket, or a label of two digits
        self._labels: dict[str, tuple[int, str]] = {}
        self._text: list[str] = []
        self._caps: list[list[str]] = []
        self._parent: list[int] = []
        self._depth: list[int] = []
        self._edge_in_ring: list[bool] = []  # the bond to the parent
        self._aromatic: list[bool] = []
        self._closed: list[bool] = []
        self._neighbours: list[list[int]] = []
        # (neighbour, child of the bond or -1 where it closes a ring)
        self._conjugated: list[list[tuple[int, int]]] = []
        self._mate: dict[int, int] = {}
        self._loose: set[int] = set()  # aromatic and not yet in a ring
        self._steps = 0
        self.unsure = not all(map(self.push, text))

    def push(self, character: str) -> bool:
        """Read one more character; return False if no valid SMILES begins with the text."""
        if self.unsure:
            return True
        before = self._before
        if before == _INSIDE:
            return self._inside(character)
        if before == _PERCENT:
            return self._two_digits(character)
        if character in _ORGANIC or character in _AROMATIC or character == "*":
            return self._attach(character, character in _AROMATIC)
        if character in _DIGITS:
            return self._ring(character)
        if character in "()":
            return self._branch() if character == "(" else self._leave()
        if character in _BONDS:
            return self._bond_symbol(character)
        if character == "[":
            self._outside, self._before, self._pending = before, _INSIDE, "["
            return before not in _CAN_ATTACH or self._has_room(self._tip)
        return self._other(character)

    def _other(self, character: str) -> bool:
        before = self._before
        if character in "lr":
            return self._second_letter(character)
        if character == "%":
            self._before, self._pending = _PERCENT, ""
            return before in (_ATOM, _RING) or (before == _BOND and bool(self._text))
        if character == ".":
            return self._dot()
        self.unsure = character == "<"  # a dative bond
        return self.unsure

    @property
    def complete(self) -> bool:
        """Whether the SMILES can end here, without RDKit's verdict on the whole."""
        if self.unsure:
            return True
        if self._before not in _CAN_ATTACH or self._stack or self._labels:
            return False
        tip = self._tip
        # the check must not change the state
        kept = (self._closed[tip], dict(self._mate))
        good = self._close(tip) and self._settle() and not self._loose
        self._closed[tip], self._mate = kept
        return good

    # -- characters ------------------------------------------------------------------------------------------

    def _inside(self, character: str) -> bool:
        if character == "]":
            text = self._pending + "]"
            kind = _bracket_atom(text)
            self._before = self._outside
            return kind is not None and self._attach(text.replace("@", ""), kind)
        self._pending += character
        return _begins_bracket(self._pending)

    def _two_digits(self, character: str) -> bool:
        if character not in _DIGITS:
            return False
        self._pending += character
        if len(self._pending) < 2:
            return True
        self._before = _RING
        return self._ring(str(int(self._pending)))

    def _second_letter(self, letter: str) -> bool:
        """Change the last carbon or boron to a chlorine or bromine."""
        tip = self._tip
        if self._before != _ATOM or self._text[tip] != {"l": "C", "r": "B"}[letter] or self._second_done:
            return False
        self._text[tip] += letter
        self._second_done = True
        return self._bears(tip) and self._can_close_rings()

    def _bond_symbol(self, symbol: str) -> bool:
        before = self._before
        if before == _BOND or before in (_START, _DOT):
            self.unsure = before == _BOND and self._bond == "-" and symbol == ">"
            return self.unsure
        self._bond, self._before = symbol, _BOND
        return before not in _CAN_ATTACH or self._has_room(self._tip, _MOST_WELCOME.get(symbol, "C"))

    def _dot(self) -> bool:
        if self._labels or self._stack or self._before not in _CAN_ATTACH:
            return False
        good = self._close(self._tip) and self._settle() and not self._loose
        self._before, self._after_dot = _DOT, True
        return good

    def _branch(self) -> bool:
        if self._before not in _CAN_ATTACH:
            return False
        self._stack.append((self._tip, len(self._text)))
        self._before, self._branch_is_empty = _OPEN, True
        return self._has_room(self._tip)

    def _leave(self) -> bool:
        if not self._stack or self._before not in _CAN_ATTACH:
            return False
        tip = self._tip
        base, first = self._stack.pop()
        for opener, _ in self._labels.values():
            if opener >= first:  # it will be closed outside: everything on the way there is in that ring
                self._mark(opener, base)
        self._tip, self._before = base, _CLOSE
        if not self._close(tip) or any(atom >= first for atom in self._loose):
            return False
        return self._settle() and self._can_close_rings()

    # -- atoms and bonds -------------------------------------------------------------------------------------

    def _attach(self, text: str, aromatic: bool) -> bool:
        before, above, new = self._before, self._tip, len(self._text)
        starts = above < 0 or self._after_dot
        bond, in_branch = self._bond, self._branch_is_empty
        self._text.append(text)
        self._caps.append([])
        self._neighbours.append([])
        self._conjugated.append([])
        self._aromatic.append(aromatic)
        self._closed.append(False)
        self._edge_in_ring.append(False)
        self._parent.append(-1 if starts else above)
        self._depth.append(0 if starts else self._depth[above] + 1)
        if aromatic:
            self._loose.add(new)
        self._tip, self._before, self._bond = new, _ATOM, ""
        self._after_dot = self._branch_is_empty = self._second_done = False
        if starts:
            return before != _BOND and self._bears(new)
        if not self._join(above, new, bond, new):
            return False
        if not in_branch and not self._leave_behind(above):
            return False
        return self._bears(above) and self._bears(new) and self._can_close_rings()

    def _leave_behind(self, atom: int) -> bool:
        """Record that an atom of the chain gets no more bonds, except for the rings that it has opened."""
        if atom in self._loose and not self._labels:
            return False
        return self._is_opener(atom) or self._close(atom)

    def _join(self, one: int, other: int, bond: str, child: int) -> bool:
        """Record a bond; ``child`` is its lower atom, or -1 if it closes a ring."""
        both = self._aromatic[one] and self._aromatic[other]
        if bond == ":" and not both:
            return False
        self._caps[one].append(_cap(bond, self._text[other]))
        self._caps[other].append(_cap(bond, self._text[one]))
        self._neighbours[one].append(other)
        self._neighbours[other].append(one)
        if both and bond in ("", ":"):
            self._conjugated[one].append((other, child))
            self._conjugated[other].append((one, child))
        return self._part(one) and self._part(other)

    def _ring(self, label: str) -> bool:
        if self._before == _BOND:
            if self._branch_is_empty:
                return False
        elif self._before not in (_ATOM, _RING):
            return False
        tip, bond = self._tip, self._bond
        self._before, self._bond, self._second_done = _RING, "", True
        if label not in self._labels:
            self._labels[label] = (tip, bond)
            self._caps[tip].append(_cap(bond, "C"))
            return self._bears(tip) and self._can_close_rings()
        opener, other = self._labels.pop(label)
        bond = bond.strip("/\\") or other
        if opener == tip or opener in self._neighbours[tip] or (other.strip("/\\") or bond) != bond:
            return False
        self._caps[opener].remove(_cap(other, "C"))
        self._mark(tip, opener)
        if not self._join(opener, tip, bond.strip("/\\"), -1):
            return False
        if not self._bears(opener) or not self._bears(tip):
            return False
        still_open = self._is_opener(opener) or any(atom == opener for atom, _ in self._stack)
        if not still_open and not self._close(opener):
            return False
        return self._settle() and self._can_close_rings()

    def _is_opener(self, atom: int) -> bool:
        return any(opener == atom for opener, _ in self._labels.values())

    def _mark(self, one: int, other: int) -> None:
        """Record that all atoms on the path from one atom to another are in a ring."""
        depth, parent = self._depth, self._parent
        self._loose -= {one, other}
        while one != other:
            if depth[one] < depth[other]:
                one, other = other, one
            if parent[one] < 0:
                return
            self._edge_in_ring[one] = True
            one = parent[one]
            self._loose.discard(one)

    def _bears(self, atom: int) -> bool:
        """Return whether an atom can have its bonds."""
        if self.unsure:
            return True
        caps = tuple(sorted(self._caps[atom]))
        if self._aromatic[atom]:
            return any(_aromatic_states(self._text[atom], caps))
        return _is_atom(self._text[atom], caps)

    def _has_room(self, atom: int, cap: str = "C") -> bool:
        """Return whether an atom can have one more bond."""
        caps = tuple(sorted([*self._caps[atom], cap]))
        if self._aromatic[atom]:
            return any(_aromatic_states(self._text[atom], caps))
        return _is_atom(self._text[atom], caps)

    def _can_close_rings(self) -> bool:
        """Return whether an atom is left that can close the open rings."""
        if not self._labels or self.unsure or self._has_room(self._tip):
            return True
        return any(self._has_room(atom) for atom, _ in self._stack)

    # -- Kekulé structures -----------------------------------------------------------------------------------

    def _close(self, atom: int) -> bool:
        """Record that an atom gets no more bonds, which determines whether it needs a double bond."""
        if not self._aromatic[atom] or self.unsure:
            return True
        self._closed[atom] = True
        return self._states(atom)[0] or atom in self._mate or self._augment(atom)

    def _part(self, atom: int) -> bool:
        """Give up an atom's double bond in the ring if its new bond leaves no room for it."""
        partner = self._mate.get(atom)
        if partner is None or self._states(atom)[1]:
            return True
        del self._mate[atom], self._mate[partner]
        return not self._must(partner) or self._augment(partner)

    def _states(self, atom: int) -> tuple[bool, bool]:
        return _aromatic_states(self._text[atom], tuple(sorted(self._caps[atom])))

    def _must(self, atom: int) -> bool:
        """Return whether an atom certainly needs a double bond."""
        return self._closed[atom] and not self._states(atom)[0]

    def _settle(self) -> bool:
        """Give up the double bonds on bonds that have proved to be in no ring."""
        if self.unsure:
            return True
        for one, other in list(self._mate.items()):
            if one < other and self._mate.get(one) == other and not self._is_usable(one, other):
                del self._mate[one], self._mate[other]
                for atom in (one, other):
                    if self._must(atom) and atom not in self._mate and not self._augment(atom):
                        return False
        return True

    def _is_usable(self, one: int, other: int) -> bool:
        child = next(child for neighbour, child in self._conjugated[one] if neighbour == other)
        return self._may_be_in_ring(child)

    def _may_be_in_ring(self, child: int) -> bool:
        if child < 0 or self._edge_in_ring[child] or self._labels:
            return True
        return any(child >= first for _, first in self._stack)

    def _augment(self, atom: int) -> bool:
        """Find a double bond for an atom, and move others if necessary."""
        self._steps = 0
        return self._search(atom, {atom})

    def _search(self, atom: int, path: set[int]) -> bool:
        self._steps += 1
        if self._steps > _SEARCH_STEPS:
            self.unsure = True
            return True
        mate = self._mate
        for other, child in reversed(self._conjugated[atom]):
            if other in path or not self._may_be_in_ring(child):
                continue
            if not self._states(other)[1]:
                continue
            partner = mate.get(other)
            if partner is None or not self._must(partner):
                if partner is not None:
                    del mate[partner]
            elif partner in path or not self._search(partner, path | {other, partner}):
                continue
            mate[atom], mate[other] = other, atom
            return True
        return False


# -- RDKit's verdicts on one atom ----------------------------------------------------------------------------


def _cap(bond: str, text: str) -> str:
    """Return the cap that replaces a neighbour."""
    if bond not in _MULTIPLE:
        return "C"
    return bond + (text if text in ("O", "N", "S") else "C")


@lru_cache(1 << 14)
def _begins_bracket(text: str) -> bool:
    match = _BRACKET.fullmatch(text)
    if match is None:
        return False
    symbol = match["symbol"]
    if symbol is None:
        return True
    symbols = _symbols()
    if match["rest"]:
        return symbol in symbols
    return symbol in symbols or any(each.startswith(symbol) for each in symbols)


@lru_cache(1)
def _symbols() -> frozenset[str]:
    from rdkit import Chem

    table = Chem.GetPeriodicTable()
    elements = {table.GetElementSymbol(number) for number in range(1, 119)}
    return frozenset(elements | {"b", "c", "n", "o", "p", "s", "se", "as", "te", "si", "*"})


@lru_cache(1 << 14)
def _bracket_atom(text: str) -> bool | None:
    """Return whether a bracket atom is aromatic; None if it is no atom."""
    match = _BRACKET.fullmatch(text[:-1])
    if match is None or match["symbol"] is None or match["symbol"] not in _symbols():
        return None
    if text.endswith(":]") or not _parses(text, sanitize=False):
        return None
    return bool(match["symbol"][0].islower())


@lru_cache(1 << 16)
def _is_atom(text: str, caps: tuple[str, ...]) -> bool:
    return _parses(text + "".join(f"({cap})" for cap in caps), sanitize=True)


@lru_cache(1 << 16)
def _aromatic_states(text: str, caps: tuple[str, ...]) -> tuple[bool, bool]:
    """Return whether an atom can be in an aromatic ring without, and with, a double bond in that ring.

    Two of its bonds are in the ring. In a ring of five, the four CH have the double bonds; in a ring of six, the atom has
    one, too.
    """
    single = [cap for cap in caps if cap == "C"]
    others = [cap for cap in caps if cap != "C"] + single[2:]
    branches = "".join(f"({cap})" for cap in others)
    return (_parses(f"{text}1{branches}cccc1", sanitize=True), _parses(f"{text}1{branches}ccccc1", sanitize=True))


def _parses(smiles: str, *, sanitize: bool) -> bool:
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        return Chem.MolFromSmiles(smiles, sanitize=sanitize) is not None
