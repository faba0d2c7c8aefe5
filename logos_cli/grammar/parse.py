"""Text to tree.

The grammar, in EBNF (``+``: one or more; the same language as ``tokenizers/grammar.lark``)::

    sentence       = protein | antibody | molecule | site | expanded | transformation | search
                   | complex | material | reaction | retrosynthesis
    protein        = plain
    antibody       = antibody_block [ antibody_block ]          (heavy chain first)
    molecule       = molecule_block
    site           = tagged+                                    (one pocket at least)
    expanded       = tagged+                                    (its pockets hold SMILES)
    transformation = site "<Trans>" expanded
    search         = plain+ "<Search>" tagged+                  (pockets may be absent: no site found)
    complex        = plain+ molecule_block                      (level 1)
                   | site molecule_block                        (level 2)
                   | expanded molecule_block                    (level 3)
    material       = "<MaterialS>" metal_block molecule_block+ "<MaterialE>"
    reaction       = molecule_block+ "<React>" molecule_block
    retrosynthesis = molecule_block "<ReverseReact>" molecule_block+

    plain          = "<ProteinS>" RESIDUE+ "<ProteinE>"
    tagged         = "<ProteinS>" ( RESIDUE | pocket )+ "<ProteinE>"
    pocket         = "<PocketS>" ( RESIDUE+ | SMILES ) "<PocketE>"

A SMILES may contain ``<`` and ``>`` (dative bonds): only the sixteen declared tags are tags. The parser first
cuts the text at them, so that it is linear in its input.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from logos_cli.errors import GrammarError, Span
from logos_cli.grammar.spec import RESIDUES, SMILES, TAGS, Block, Form, Kind, Operator, Pocket, Sentence

_TAG = re.compile("|".join(map(re.escape, TAGS)))
_NOT_RESIDUE = re.compile(f"[^{''.join(sorted(RESIDUES))}]")
_NOT_SMILES = re.compile(f"[^{re.escape(''.join(sorted(SMILES)))}]")
_STARTS = {kind.start: kind for kind in Kind}
_OPERATORS = {operator.value: operator for operator in Operator}
_OPERATOR_FORMS = {
    Operator.TRANS: Form.TRANSFORMATION,
    Operator.SEARCH: Form.SEARCH,
    Operator.REACT: Form.REACTION,
    Operator.REVERSE_REACT: Form.RETROSYNTHESIS,
}
# Most sentences are one block: one match reads them, five times faster than the parser. The alphabet lacks `<`,
# so that the parser decides about everything that could be a tag.
_ONE_BLOCK = re.compile(
    "|".join(
        f"{kind.start}(?P<{kind.value}>{alphabet}+){kind.end}"
        for kind, alphabet in (
            (Kind.MOLECULE, f"[{re.escape(''.join(sorted(SMILES - set('<'))))}]"),
            (Kind.PROTEIN, f"[{''.join(sorted(RESIDUES))}]"),
            (Kind.ANTIBODY, f"[{''.join(sorted(RESIDUES))}]"),
        )
    )
)
_ONE_BLOCK_FORMS = {Kind.MOLECULE: Form.MOLECULE, Kind.PROTEIN: Form.PROTEIN, Kind.ANTIBODY: Form.ANTIBODY}
_TOP = (Kind.PROTEIN, Kind.ANTIBODY, Kind.MOLECULE, Kind.MATERIAL)
_TOP_STARTS = tuple(kind.start for kind in _TOP)
_END = "end of sentence"


def parse(text: str, form: Form | str | None = None) -> Sentence:
    """Parse one sentence.

    Parameters
    ----------
    text : str
        The sentence, without surrounding white space.
    form : Form or str, optional
        Accept this form only.

    Raises
    ------
    GrammarError
        With the position of the first wrong character, and what the grammar allows there.

    Examples
    --------
    >>> parse("<ProteinS>MK<PocketS>V<PocketE><ProteinE>").form
    <Form.SITE: 'site'>
    """
    match = _ONE_BLOCK.fullmatch(text)
    sentence = _one_block(match, text) if match else _Parser(text).sentence()
    if form is not None and sentence.form != form:
        raise GrammarError(
            f"this is a sentence of the form {sentence.form}, not {form}",
            text=text,
            span=Span(0, len(text)),
            hint=f"logos grammar show {form} prints an example",
        )
    return sentence


def one_block_form(text: str) -> Form | None:
    """Return the form of a protein, antibody or molecule of one block, or None where one match does not decide."""
    match = _ONE_BLOCK.fullmatch(text)
    return _ONE_BLOCK_FORMS[Kind(str(match.lastgroup))] if match else None


def _one_block(match: re.Match[str], text: str) -> Sentence:
    kind = Kind(str(match.lastgroup))
    return Sentence(_ONE_BLOCK_FORMS[kind], (Block(kind, (match[kind.value],), Span(0, len(text))),))


def parse_prefix(text: str) -> None:
    """Check that ``text`` is the beginning of a sentence, or a whole one.

    Raises
    ------
    GrammarError
        At the first character after which no sentence can follow.
    """
    try:
        parse(text)
    except GrammarError as error:
        if error.span.start < len(text):
            raise


class _Token(NamedTuple):
    """A tag, or a stretch of text between tags."""

    text: str
    start: int
    is_tag: bool

    @property
    def span(self) -> Span:
        return Span(self.start, self.start + len(self.text))


def _tokenize(text: str) -> list[_Token]:
    """Cut the text at its tags; the last token is empty and stands for the end."""
    tokens, position = [], 0
    for match in _TAG.finditer(text):
        if match.start() > position:
            tokens.append(_Token(text[position : match.start()], position, is_tag=False))
        tokens.append(_Token(match.group(), match.start(), is_tag=True))
        position = match.end()
    if position < len(text):
        tokens.append(_Token(text[position:], position, is_tag=False))
    tokens.append(_Token("", len(text), is_tag=True))
    return tokens


class _Parser:
    """Recursive descent over the tokens; the depth is bounded by the grammar (three)."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = _tokenize(text)
        self.index = 0
        self.operator: Operator | None = None
        self.level = 1  # of the side being read: 1 no pocket yet, 2 pockets of letters, 3 of SMILES

    # -- the tokens ------------------------------------------------------------------------------

    @property
    def token(self) -> _Token:
        return self.tokens[self.index]

    def fail(self, message: str, span: Span, *expected: str, hint: str | None = None) -> GrammarError:
        return GrammarError(message, text=self.text, span=span, expected=expected, hint=hint)

    def unexpected(self, *expected: str) -> GrammarError:
        token = self.token
        if token.is_tag:
            what = f"unexpected {token.text}" if token.text else "the sentence ends too early"
            return self.fail(what, token.span, *expected)
        if near := _misspelt(token.text):
            return self.fail(f"{near[0]} is not a tag", Span(token.start, token.start + len(near[0])), near[1])
        if token.text[0].isspace():
            return self.fail(
                "white space between blocks",
                Span(token.start, token.start + 1),
                *expected,
                hint="nothing stands between the blocks of a sentence",
            )
        return self.fail("text outside a block", Span(token.start, token.start + 1), *expected)

    def expect(self, tag: str) -> _Token:
        token = self.token
        if not token.is_tag or token.text != tag:
            raise self.unexpected(tag)
        self.index += 1
        return token

    def take(self, alphabet: re.Pattern[str], what: str, end: str) -> str:
        """Take one non-empty payload whose characters are all of the alphabet."""
        token = self.token
        if token.is_tag:
            raise self.unexpected(what)
        self.check(token.text, token.start, alphabet, what, end)
        self.index += 1
        return token.text

    def check(self, text: str, start: int, alphabet: re.Pattern[str], what: str, end: str) -> None:
        if wrong := alphabet.search(text):
            if near := _misspelt(text[wrong.start() :]):
                span = Span(start + wrong.start(), start + wrong.start() + len(near[0]))
                raise self.fail(f"{near[0]} is not a tag", span, near[1])
            place = start + wrong.start()
            raise self.fail(f"{wrong.group()!r} is not a {what}", Span(place, place + 1), what, end)

    # -- the grammar -----------------------------------------------------------------------------

    def sentence(self) -> Sentence:
        """``sentence = blocks [ operator blocks ]``, and the form of these blocks."""
        left, left_level = self.blocks(), self.level
        token = self.token
        operator = _OPERATORS.get(token.text) if token.is_tag else None
        right: tuple[Block, ...] = ()
        if operator is not None:
            self.check_left(operator, left, token)
            self.index, self.operator, self.level = self.index + 1, operator, 1
            right = self.blocks(only=Kind.MOLECULE if "React" in operator else Kind.PROTEIN)
        if self.token.text:
            if operator is Operator.REACT and self.token.text == Kind.MOLECULE.start:
                raise self.fail("a reaction has one product block", self.token.span, _END)
            raise self.unexpected(*self.may_follow(left, operator, right))
        if operator is not None:
            return self.classify_operator(left, operator, right)
        return self.classify(left, left_level)

    def blocks(self, only: Kind | None = None) -> tuple[Block, ...]:
        """``block+``, as long as the next block may follow."""
        starts = (only.start,) if only else _TOP_STARTS
        blocks: list[Block] = []
        while self.token.is_tag and self.token.text in starts:
            blocks.append(self.block(_STARTS[self.token.text]))
            starts = self.next_starts(blocks, only)
        if not blocks:
            raise self.unexpected(*starts)
        return tuple(blocks)

    def next_starts(self, blocks: list[Block], only: Kind | None) -> tuple[str, ...]:
        """Return the tags that can open a further block on this side of the sentence."""
        if only:
            return () if self.operator is Operator.REACT else (only.start,)
        kind, count = blocks[-1].kind, len(blocks)
        if kind is Kind.PROTEIN:
            return (Kind.PROTEIN.start, Kind.MOLECULE.start)
        if kind is Kind.ANTIBODY:
            return (Kind.ANTIBODY.start,) if count == 1 else ()
        if kind is Kind.MOLECULE:  # a ligand ends a complex; reactants may go on
            return () if blocks[0].kind is Kind.PROTEIN else (Kind.MOLECULE.start,)
        return ()

    def may_follow(
        self, left: tuple[Block, ...], operator: Operator | None, right: tuple[Block, ...]
    ) -> tuple[str, ...]:
        if operator is not None:
            more = operator is not Operator.REACT
            return (right[-1].kind.start, _END) if more else (_END,)
        starts = self.next_starts(list(left), None)
        if left[0].kind is Kind.MOLECULE:
            operators: tuple[str, ...] = (
                (Operator.REACT,) if len(left) > 1 else (Operator.REACT, Operator.REVERSE_REACT)
            )
        elif left[-1].kind is Kind.PROTEIN:
            operators = (Operator.TRANS,) if any(block.pockets for block in left) else (Operator.SEARCH,)
        else:
            operators = ()
        return (*starts, *operators, _END)

    def block(self, kind: Kind) -> Block:
        """One block of a top-level kind, at its opening tag."""
        if kind is Kind.MATERIAL:
            return self.material()
        if kind is Kind.PROTEIN:
            return self.protein()
        if kind is Kind.ANTIBODY:
            return self.simple(kind, _NOT_RESIDUE, "residue")
        return self.simple(kind, _NOT_SMILES, "SMILES character")

    def simple(self, kind: Kind, alphabet: re.Pattern[str], what: str) -> Block:
        """``kind = START payload END``."""
        start = self.expect(kind.start).start
        payload = self.take(alphabet, what, kind.end)
        end = self.expect(kind.end)
        return Block(kind, (payload,), Span(start, end.span.end))

    def protein(self) -> Block:
        """``tagged = "<ProteinS>" ( RESIDUE | pocket )+ "<ProteinE>"``."""
        start = self.expect(Kind.PROTEIN.start).start
        parts: list[str | Pocket | Block] = []
        while not ((token := self.token).is_tag and token.text == Kind.PROTEIN.end and parts):
            if token.is_tag:
                if token.text != Kind.POCKET.start:
                    raise self.unexpected("residue", Kind.POCKET.start, *((Kind.PROTEIN.end,) if parts else ()))
                parts.append(self.pocket())
            else:
                parts.append(self.take(_NOT_RESIDUE, "residue", Kind.PROTEIN.end))
        end = self.expect(Kind.PROTEIN.end)
        return Block(Kind.PROTEIN, tuple(parts), Span(start, end.span.end))

    def pocket(self) -> Pocket:
        """``pocket = "<PocketS>" ( RESIDUE+ | SMILES ) "<PocketE>"``."""
        start = self.expect(Kind.POCKET.start).start
        token = self.token
        payload = self.take(_NOT_SMILES, "residue or SMILES character", Kind.POCKET.end)
        expanded = not RESIDUES.issuperset(payload)
        if expanded or self.token.text:  # letters at the end of the text may become a SMILES yet
            self.check_level(3 if expanded else 2, token.span)
        end = self.expect(Kind.POCKET.end)
        return Pocket(payload, Span(start, end.start + len(end.text)))

    def check_level(self, level: int, span: Span) -> None:
        """Refuse a pocket that differs in level from those before it, or from what the operator requires."""
        want = {Operator.TRANS: 3, Operator.SEARCH: 2}.get(self.operator) if self.operator else None
        expected = "a SMILES" if 3 in (want, self.level) else "residue letters"
        if want not in (None, level):
            raise self.fail(f"after {self.operator} a tagged residue is {expected}", span, expected)
        if self.level not in (1, level):
            raise self.fail("a sentence tags its site either by letters or by SMILES", span, expected)
        self.level = level

    def material(self) -> Block:
        """``material = "<MaterialS>" metal_block molecule_block+ "<MaterialE>"``."""
        start = self.expect(Kind.MATERIAL.start).start
        parts = [self.simple(Kind.METAL, _NOT_SMILES, "SMILES character")]
        parts.append(self.simple(Kind.MOLECULE, _NOT_SMILES, "SMILES character"))
        while self.token.is_tag and self.token.text == Kind.MOLECULE.start:
            parts.append(self.simple(Kind.MOLECULE, _NOT_SMILES, "SMILES character"))
        if self.token.text != Kind.MATERIAL.end or not self.token.is_tag:
            raise self.unexpected(Kind.MOLECULE.start, Kind.MATERIAL.end)
        end = self.expect(Kind.MATERIAL.end)
        return Block(Kind.MATERIAL, tuple(parts), Span(start, end.span.end))

    # -- forms -----------------------------------------------------------------------------------

    def check_left(self, operator: Operator, left: tuple[Block, ...], token: _Token) -> None:
        """Refuse an operator that cannot follow the blocks before it."""
        kinds = {block.kind for block in left}
        if operator in (Operator.REACT, Operator.REVERSE_REACT):
            fits = kinds == {Kind.MOLECULE} and (operator is Operator.REACT or len(left) == 1)
        elif operator is Operator.SEARCH:
            fits = kinds == {Kind.PROTEIN} and not any(block.pockets for block in left)
        else:
            fits = kinds == {Kind.PROTEIN} and self.level == 2
        if not fits:
            raise self.fail(f"{operator} cannot follow these blocks", token.span, *self.may_follow(left, None, ()))

    def classify(self, left: tuple[Block, ...], level: int) -> Sentence:
        """Return the sentence without an operator."""
        first, last = left[0].kind, left[-1].kind
        if first is Kind.MATERIAL:
            return Sentence(Form.MATERIAL, left)
        if first is Kind.ANTIBODY:
            return Sentence(Form.ANTIBODY, left)
        if first is Kind.MOLECULE:
            if len(left) > 1:
                raise self.unexpected(Kind.MOLECULE.start, Operator.REACT)
            return Sentence(Form.MOLECULE, left)
        if last is Kind.MOLECULE:
            return Sentence(Form.COMPLEX, left, level=level)
        if level > 1:
            return Sentence(Form.SITE if level == 2 else Form.EXPANDED, left)
        if len(left) > 1:
            raise self.unexpected(Kind.PROTEIN.start, Kind.MOLECULE.start, Operator.SEARCH)
        return Sentence(Form.PROTEIN, left)

    def classify_operator(self, left: tuple[Block, ...], operator: Operator, right: tuple[Block, ...]) -> Sentence:
        """Return the sentence with an operator; the kinds of its blocks are checked already."""
        if operator is Operator.TRANS and self.level == 1:
            raise self.unexpected(Kind.PROTEIN.start)
        return Sentence(_OPERATOR_FORMS[operator], left, operator, right)


def _misspelt(text: str) -> tuple[str, str] | None:
    """Return the misspelt tag that the text begins with and the tag nearest to it, or None."""
    match = re.match(r"<[A-Za-z]{2,14}>?", text)
    if not match:
        return None
    from difflib import get_close_matches

    near = get_close_matches(match.group(), TAGS, n=1, cutoff=0.75)
    return (match.group(), near[0]) if near else None
