"""The parser against generated and spoilt sentences, and against the definition in ``grammar.lark``."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import lark
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from logos_cli.errors import GrammarError
from logos_cli.grammar import FORMS, emit, parse, parse_prefix
from logos_cli.grammar.definition import EXAMPLES, lark_text
from logos_cli.grammar.spec import TAGS, Block, Form, Pocket, Sentence
from logos_cli.resources import data_path
from tests.property.sentences import BY_FORM, TAG, mutated, sentences

texts = sentences.map(emit)
_slow = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def _accepts(text: str) -> bool:
    try:
        parse(text)
    except GrammarError:
        return False
    return True


# -- text and tree -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@given(data=st.data())
@settings(_slow, max_examples=40)
def test_parse_is_the_inverse_of_emit(form: str, data: st.DataObject) -> None:
    sentence = data.draw(BY_FORM[Form(form)])
    text = emit(sentence)
    assert parse(text) == sentence
    assert parse(text, form) == sentence
    assert emit(parse(text)) == text


@given(sentence=sentences)
@_slow
def test_spans_cover_the_text_they_name(sentence: Sentence) -> None:
    text = emit(sentence)
    found = parse(text)
    position = 0
    for block in (*found.left, *found.right):
        if found.operator is not None and block is found.right[0]:
            assert text.startswith(found.operator, position)
            position += len(found.operator)
        assert block.span.start == position, "blocks follow each other without a gap"
        position = block.span.end
        _check_block(block, text)
    assert position == len(text)


def _check_block(block: Block, text: str) -> None:
    inside = text[slice(*block.span)]
    assert inside.startswith(block.kind.start)
    assert inside.endswith(block.kind.end)
    for part in block.parts:
        if isinstance(part, Pocket):
            assert TAG.sub("", text[slice(*part.span)]) == part.payload
        elif isinstance(part, Block):
            _check_block(part, text)


@given(text=mutated(texts))
@settings(_slow, max_examples=120)
def test_a_spoilt_sentence_parses_or_names_the_place(text: str) -> None:
    try:
        sentence = parse(text)
    except GrammarError as error:
        assert error.span is not None
        assert 0 <= error.span.start <= error.span.end <= len(text)
        assert error.span.start < error.span.end or error.span.start == len(text), "empty only at the end"
        assert error.message
        assert "\n" not in error.message
        assert error.pretty()
    else:
        assert emit(sentence) == text


@given(text=mutated(texts))
@settings(_slow, max_examples=120)
@example("<ProteinS><PocketS>A<PocketE><PocketS>c<PocketE><PocketE><ProteinE>")  # two errors: the first one counts
@example("<MoleculeS>C<MoleculeE><React><MoleculeS>C<MoleculeE><MoleculeS><MoleculeE>")
def test_before_the_place_of_an_error_all_was_well(text: str) -> None:
    """What stands before the place that an error names can begin a sentence."""
    try:
        parse(text)
    except GrammarError as error:
        assert error.span is not None
        parse_prefix(text[: error.span.start])


@given(text=texts, data=st.data())
@settings(_slow, max_examples=120)
def test_every_beginning_of_a_sentence_is_a_prefix(text: str, data: st.DataObject) -> None:
    cuts = [0, *(match.start() for match in TAG.finditer(text)), *(match.end() for match in TAG.finditer(text))]
    parse_prefix(text[: data.draw(st.sampled_from(cuts))])


@given(text=st.text(max_size=200))
@_slow
def test_any_text_at_all(text: str) -> None:
    assert not _accepts(text) or text.startswith("<")


# -- one language, three readers -----------------------------------------------------------------------------

_PRIVATE = {tag: chr(0xE000 + number) for number, tag in enumerate(TAGS)}


@cache
def _earley() -> lark.Lark:
    """Return lark's reading of grammar.lark, with each tag as one private character.

    The text is cut at its tags first, as the tokenizer does it, which also makes ``~SPELT_TAG`` idle.
    """
    text = re.sub(r"^//.*$| & ~SPELT_TAG$|^SPELT_TAG:.*$", "", lark_text(), flags=re.MULTILINE)
    text = TAG.sub(lambda match: f'"{_PRIVATE[match.group()]}"', text)
    return lark.Lark(text, parser="earley", lexer="dynamic", ambiguity="resolve")


def _lark_accepts(text: str) -> bool:
    try:
        _earley().parse(TAG.sub(lambda match: _PRIVATE[match.group()], text))
    except lark.exceptions.LarkError:
        return False
    return True


@cache
def _matcher() -> tuple[Any, Any]:
    import llguidance
    from llguidance.hf import from_tokenizer
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(data_path("tokenizers", "logos-nano")))
    grammar = llguidance.LLMatcher.grammar_from_lark(lark_text())
    assert not llguidance.LLMatcher.validate_grammar(grammar)
    return llguidance.LLMatcher(from_tokenizer(tokenizer), grammar, log_level=0), tokenizer


def _constraint_accepts(tokens: list[int]) -> bool:
    matcher = _matcher()[0].deep_copy()
    return bool(matcher.try_consume_tokens(tokens) == len(tokens) and matcher.is_accepting())


def _ids(text: str) -> list[int]:
    return list(_matcher()[1].encode(text, add_special_tokens=False))


@pytest.mark.parametrize("form", FORMS)
def test_all_readers_accept_the_examples(form: str) -> None:
    text = EXAMPLES[Form(form)]
    assert parse(text).form == form
    assert _lark_accepts(text)
    assert _constraint_accepts(_ids(text))


@given(text=texts)
@settings(_slow, max_examples=120)
def test_lark_accepts_what_the_parser_emits(text: str) -> None:
    assert _lark_accepts(text)


@given(text=mutated(texts))
@settings(_slow, max_examples=120)
@example(text="")
@example(text="<ProteinS><ProteinE>")
@example(text="<AntibodyS>E<AntibodyE>" * 3)
@example(text="<ProteinS>M<ProteinE><ProteinS>M<ProteinE>")
@example(text="<MoleculeS>C<MoleculeE><MoleculeS>C<MoleculeE>")
@example(text="<ProteinS>A<PocketS>K<PocketE><PocketS>c<PocketE><ProteinE>")
@example(text="<ProteinS>A<ProteinE><Search><ProteinS><PocketS>c<PocketE><ProteinE>")
@example(text="<ProteinS><PocketS>A<PocketE><ProteinE><Search><ProteinS>A<ProteinE>")
@example(text="<ProteinS><PocketS>A<PocketE><ProteinE><Trans><ProteinS>A<ProteinE>")
def test_lark_and_the_parser_agree_on_spoilt_sentences(text: str) -> None:
    assert _lark_accepts(text) == _accepts(text)


@given(text=st.one_of(texts, mutated(texts)))
@settings(_slow, max_examples=120)
def test_the_constraint_and_the_parser_agree(text: str) -> None:
    assert _constraint_accepts(_ids(text)) == _accepts(text)


@given(text=st.one_of(texts, mutated(texts)))
@settings(_slow, max_examples=150)
def test_the_constraint_accepts_no_tag_spelt_letter_by_letter(text: str) -> None:
    """A model may try to write ``<``, ``M``, ``o`` … as letters: what it writes must read as it was meant."""
    tokenizer = _matcher()[1]
    ids = [token for character in text for token in _ids(character)]
    if _constraint_accepts(ids):
        assert tokenizer.decode(ids) == text
        assert _accepts(text)


@given(text=st.one_of(texts, mutated(texts)), data=st.data())
@settings(_slow, max_examples=120)
def test_the_constraint_and_the_parser_agree_on_prefixes(text: str, data: st.DataObject) -> None:
    """Cut a text anywhere: what may still become a sentence, both accept."""
    prefix = text[: data.draw(st.integers(0, len(text)))]
    ids = _ids(prefix)
    possible = _matcher()[0].deep_copy().try_consume_tokens(ids) == len(ids)
    try:
        parse_prefix(prefix)
    except GrammarError:
        assert not possible
    else:
        assert possible


@pytest.mark.parametrize("tag", TAGS)
def test_a_tag_in_letters_never_passes_as_smiles(tag: str) -> None:
    start, end = _ids("<MoleculeS>"), _ids("<MoleculeE>")
    letters = [token for character in f"C{tag}C" for token in _ids(character)]
    assert not _constraint_accepts([*start, *letters, *end])
    assert _constraint_accepts([*start, *[token for character in "C<-C" for token in _ids(character)], *end])
