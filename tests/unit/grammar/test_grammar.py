"""The grammar by hand-picked sentences: forms, payloads, and what errors say."""

from __future__ import annotations

import gc
import os
import time

import pytest

from logos_cli.errors import GrammarError, Span
from logos_cli.grammar import FORMS, TAGS, Block, Form, Pocket, Sentence, emit, parse, parse_prefix
from logos_cli.grammar.definition import EXAMPLES
from logos_cli.grammar.spec import Kind, Operator

P, M = Kind.PROTEIN, Kind.MOLECULE


def test_sixteen_tags_as_published() -> None:
    published = (
        "<ProteinS> <ProteinE> <AntibodyS> <AntibodyE> <MoleculeS> <MoleculeE> <PocketS> <PocketE> "
        "<MaterialS> <MaterialE> <MetalS> <MetalE> <Trans> <Search> <React> <ReverseReact>"
    )
    assert sorted(TAGS) == sorted(published.split())
    assert len(set(TAGS)) == 16


def test_eleven_forms_each_with_an_example() -> None:
    assert len(FORMS) == 11
    assert set(EXAMPLES) == set(Form)
    for form, text in EXAMPLES.items():
        assert parse(text).form is form
        assert emit(parse(text)) == text


PUBLISHED = [
    ("<ProteinS>JFDSSKJEFKKSD<ProteinE>", Form.PROTEIN, None),
    ("<AntibodyS>EVQLVESGG<AntibodyE>", Form.ANTIBODY, None),
    ("<MoleculeS>CC(=O)N<MoleculeE>", Form.MOLECULE, None),
    ("<ProteinS>JFDS<PocketS>S<PocketE>KJEF<PocketS>K<PocketE>KSD<ProteinE>", Form.SITE, None),
    ("<ProteinS>JF<PocketS>N[C@@H](CO)C(=O)O<PocketE>KJ<ProteinE>", Form.EXPANDED, None),
    (
        "<ProteinS>J<PocketS>S<PocketE>K<ProteinE><Trans><ProteinS>J<PocketS>N[C@@H](CO)C(=O)O<PocketE>K<ProteinE>",
        Form.TRANSFORMATION,
        None,
    ),
    ("<ProteinS>JSK<ProteinE><Search><ProteinS>J<PocketS>S<PocketE>K<ProteinE>", Form.SEARCH, None),
    ("<ProteinS>JSK<ProteinE><MoleculeS>CCO<MoleculeE>", Form.COMPLEX, 1),
    ("<ProteinS>J<PocketS>S<PocketE>K<ProteinE><MoleculeS>CCO<MoleculeE>", Form.COMPLEX, 2),
    ("<ProteinS>J<PocketS>N[C@@H](CO)C(=O)O<PocketE>K<ProteinE><MoleculeS>CCO<MoleculeE>", Form.COMPLEX, 3),
    (
        (
            "<MaterialS><MetalS>[Zn][O]([Zn])([Zn])[Zn]<MetalE><MoleculeS>O=C([O-])c1ccc(cc1)C(=O)[O-]<MoleculeE>"
            "<MoleculeS>CC<MoleculeE><MaterialE>"
        ),
        Form.MATERIAL,
        None,
    ),
    ("<MoleculeS>CC<MoleculeE><MoleculeS>O<MoleculeE><React><MoleculeS>CCO<MoleculeE>", Form.REACTION, None),
    (
        "<MoleculeS>CCO<MoleculeE><ReverseReact><MoleculeS>CC<MoleculeE><MoleculeS>O<MoleculeE>",
        Form.RETROSYNTHESIS,
        None,
    ),
]


@pytest.mark.parametrize(("text", "form", "level"), PUBLISHED)
def test_forms_as_published(text: str, form: Form, level: int | None) -> None:
    sentence = parse(text)
    assert (sentence.form, sentence.level) == (form, level)
    assert emit(sentence) == text


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("<ProteinS>A<ProteinE><ProteinS>K<PocketS>S<PocketE><ProteinE>", Form.SITE),
        ("<ProteinS><PocketS>SKD<PocketE><PocketS>E<PocketE><ProteinE>", Form.SITE),
        ("<ProteinS>A<ProteinE><Search><ProteinS>A<ProteinE>", Form.SEARCH),
        ("<ProteinS>A<ProteinE><ProteinS>K<ProteinE><MoleculeS>C<MoleculeE>", Form.COMPLEX),
        ("<AntibodyS>EVQ<AntibodyE><AntibodyS>DIQ<AntibodyE>", Form.ANTIBODY),
        ("<MoleculeS>C<MoleculeE><React><MoleculeS>C<MoleculeE>", Form.REACTION),
    ],
)
def test_own_choices_are_sentences(text: str, form: Form) -> None:
    """Several chains, runs of residues in one tag pair, a search that finds nothing, antibody pairs."""
    assert parse(text).form is form


@pytest.mark.parametrize(
    "smiles",
    [
        "[NH3]->[Pt](<-[NH3])(Cl)Cl",  # dative bonds as RDKit writes them
        "C>>O",
        "C<C",
        "C>",
        "<",
        ">",
        "<MoleculeS",
        "MoleculeE>",
        "<Protein>",
        "[13CH4]",
        "C/C=C\\C",
        "[O-][N+](=O)C%12CC%12",
        "*C$C:C~C",
        "[Na+].[Cl-]",
        "N[C@@](F)(Cl)Br",
        "[#6]",
    ],
)
def test_smiles_payloads_hold_what_chemistry_writes(smiles: str) -> None:
    """Only the sixteen declared tags are tags: ``<`` and ``>`` are ordinary characters of a SMILES."""
    text = f"<MoleculeS>{smiles}<MoleculeE>"
    assert parse(text) == Sentence(Form.MOLECULE, (Block(M, (smiles,)),))
    assert emit(parse(text)) == text


def test_every_capital_letter_is_a_residue() -> None:
    letters = "ACDEFGHIKLMNPQRSTVWY" + "UO" + "BJZX"
    assert parse(f"<ProteinS>{letters}<ProteinE>").left[0].payload == letters


ERRORS = [
    # text, the part that the span marks, a piece of the message, what was expected among other things
    ("", "", "ends too early", "<ProteinS>"),
    ("MKV", "M", "outside a block", "<ProteinS>"),
    ("<ProteinS>MK<ProteinE", "<ProteinE", "not a tag", "<ProteinE>"),
    ("<ProteinS>MKV", "", "ends too early", "<ProteinE>"),
    ("<ProteinS><ProteinE>", "<ProteinE>", "unexpected", "residue"),
    ("<ProteinS>MK1V<ProteinE>", "1", "not a residue", "residue"),
    ("<ProteinS>mk<ProteinE>", "m", "not a residue", "residue"),
    ("<ProteinS>MK V<ProteinE>", " ", "not a residue", "residue"),
    ("<Proteins>MKV<ProteinE>", "<Proteins>", "not a tag", "<ProteinS>"),
    ("<ProteinS>MKV<ProteinE> ", " ", "white space", "end of sentence"),
    (" <ProteinS>MKV<ProteinE>", " ", "white space", "<ProteinS>"),
    ("<ProteinS>MKV<ProteinE>\n", "\n", "white space", "end of sentence"),
    ("<ProteinS>MKV<ProteinE><ProteinS>AA<ProteinE>", "", "ends too early", "<MoleculeS>"),
    ("<MoleculeS>C C<MoleculeE>", " ", "not a SMILES character", "SMILES character"),
    ("<MoleculeS>C<MoleculeE><MoleculeS>C<MoleculeE>", "", "ends too early", "<React>"),
    ("<MoleculeS>C<ProteinE>", "<ProteinE>", "unexpected", "<MoleculeE>"),
    ("<MoleculeS>C<MoleculeE><ProteinS>A<ProteinE>", "<ProteinS>", "unexpected", "<React>"),
    ("<AntibodyS>E<AntibodyE>" * 3, "<AntibodyS>", "unexpected", "end of sentence"),
    ("<ProteinS>A<PocketS><PocketE><ProteinE>", "<PocketE>", "unexpected", "residue or SMILES character"),
    ("<ProteinS>A<PocketS>S<ProteinE>", "<ProteinE>", "unexpected", "<PocketE>"),
    ("<ProteinS>A<PocketS>S<PocketE><PocketS>CO<PocketE><PocketS>Nc<PocketE><ProteinE>", "Nc", "either", "residue"),
    ("<ProteinS>A<ProteinE><Search>", "", "ends too early", "<ProteinS>"),
    ("<ProteinS>A<ProteinE><Search><MoleculeS>C<MoleculeE>", "<MoleculeS>", "unexpected", "<ProteinS>"),
    ("<ProteinS><PocketS>A<PocketE><ProteinE><Search><ProteinS>A<ProteinE>", "<Search>", "cannot follow", "<Trans>"),
    ("<ProteinS>A<ProteinE><Trans><ProteinS>A<ProteinE>", "<Trans>", "cannot follow", "<Search>"),
    ("<ProteinS>A<ProteinE><Search><ProteinS><PocketS>Cc<PocketE><ProteinE>", "Cc", "tagged residue", "letters"),
    (
        "<ProteinS><PocketS>A<PocketE><ProteinE><Trans><ProteinS><PocketS>A<PocketE><ProteinE>",
        "A",
        "tagged residue",
        "a SMILES",
    ),
    (
        "<MoleculeS>C<MoleculeE><React><MoleculeS>C<MoleculeE><MoleculeS>O<MoleculeE>",
        "<MoleculeS>",
        "one product",
        "end of sentence",
    ),
    ("<MoleculeS>C<MoleculeE><MoleculeS>C<MoleculeE><ReverseReact>", "<ReverseReact>", "cannot follow", "<React>"),
    ("<MaterialS><MoleculeS>C<MoleculeE><MaterialE>", "<MoleculeS>", "unexpected", "<MetalS>"),
    ("<MaterialS><MetalS>[Zn]<MetalE><MaterialE>", "<MaterialE>", "unexpected", "<MoleculeS>"),
    ("<MaterialS><MetalS>[Zn]<MetalE><MoleculeS>C<MoleculeE>", "", "ends too early", "<MaterialE>"),
]


@pytest.mark.parametrize(("text", "marked", "message", "expected"), ERRORS)
def test_errors_say_where_and_what_was_expected(text: str, marked: str, message: str, expected: str) -> None:
    with pytest.raises(GrammarError) as caught:
        parse(text)
    error = caught.value
    assert error.span is not None
    assert text[slice(*error.span)] == marked
    assert message in error.message
    assert any(expected in choice for choice in error.expected), error.expected
    lines = error.pretty().splitlines()
    place = lines[2].index("^")
    assert lines[1][place : place + len(marked.strip())] == marked.strip()


def test_the_caret_stands_under_the_place_in_a_long_sentence() -> None:
    text = f"<ProteinS>{'A' * 5000}?{'A' * 5000}<ProteinE>"
    with pytest.raises(GrammarError) as caught:
        parse(text)
    _, window, caret, expected = caught.value.pretty().splitlines()
    assert len(window) < 200
    assert window[caret.index("^")] == "?"
    assert expected.startswith("expected: ")
    assert caught.value.span == Span(5010, 5011)


def test_a_form_may_be_demanded() -> None:
    assert parse("<MoleculeS>C<MoleculeE>", "molecule").form is Form.MOLECULE
    with pytest.raises(GrammarError, match="the form molecule, not protein"):
        parse("<MoleculeS>C<MoleculeE>", Form.PROTEIN)


@pytest.mark.parametrize(
    "text",
    ["", "<ProteinS>", "<ProteinS>MK", "<MaterialS>", "<MoleculeS>CC(", "<ProteinS>A<ProteinE><Search><ProteinS>"],
)
def test_prompts_are_prefixes(text: str) -> None:
    parse_prefix(text)


@pytest.mark.parametrize("text", ["M", "<ProteinS>1", "<ProteinE>", "<MoleculeS>C<React>", "<MaterialS><MoleculeS>"])
def test_what_cannot_become_a_sentence_is_no_prefix(text: str) -> None:
    with pytest.raises(GrammarError):
        parse_prefix(text)


# -- trees that are no sentences -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sentence",
    [
        Sentence(Form.PROTEIN, (Block(P, ("",)),)),
        Sentence(Form.PROTEIN, (Block(P, ("mk",)),)),
        Sentence(Form.PROTEIN, (Block(M, ("C",)),)),
        Sentence(Form.MOLECULE, (Block(M, ("C<MoleculeE><MoleculeS>C",)),)),
        Sentence(Form.SITE, (Block(P, ("A", "K", Pocket("S"))),)),
        Sentence(Form.COMPLEX, (Block(P, ("A",)), Block(M, ("C",))), level=2),
        Sentence(Form.REACTION, (Block(M, ("C<MoleculeE><MoleculeS>C",)),), Operator.REACT, (Block(M, ("C",)),)),
        Sentence(Form.EXPANDED, (Block(P, (Pocket("S"),)),)),
    ],
)
def test_emit_refuses_what_would_read_as_something_else(sentence: Sentence) -> None:
    with pytest.raises(GrammarError):
        emit(sentence)


# -- size ----------------------------------------------------------------------------------------------------


def _elapsed_s(text: str) -> float:
    gc.disable()  # it looks at all that the tests before have left, again and again while the tree grows
    try:
        start = time.process_time()  # what others do on the machine does not count
        parse(text)
        return time.process_time() - start
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("head", "unit", "tail"),
    [
        ("<ProteinS>", "MKTAYIAKQR", "<ProteinE>"),
        ("<MoleculeS>", "CC(=O)N<-[Fe]", "<MoleculeE>"),
        ("<ProteinS>", "AK<PocketS>S<PocketE>", "<ProteinE>"),
        ("<ProteinS>", "A<PocketS>N[C@@H](CO)C(=O)O<PocketE>", "<ProteinE>"),
        ("", "<MoleculeS>C<MoleculeE>", "<React><MoleculeS>C<MoleculeE>"),
        ("<MaterialS><MetalS>[Zn]<MetalE>", "<MoleculeS>CC<MoleculeE>", "<MaterialE>"),
        ("<ProteinS>A<ProteinE><Search>", "<ProteinS>A<PocketS>S<PocketE><ProteinE>", ""),
    ],
)
def test_time_grows_with_length_and_no_deeper_than_the_grammar(head: str, unit: str, tail: str) -> None:
    """No recursion; ten times the text takes far less than a hundred times as long."""
    short, long = (f"{head}{unit * (size // len(unit))}{tail}" for size in (4_000, 40_000))
    short_s = min(_elapsed_s(short) for _ in range(3))
    assert min(_elapsed_s(long) for _ in range(2)) < 40 * max(short_s, 1e-3)


@pytest.mark.fuzz
def test_ten_megabytes() -> None:
    """By ``make fuzz``; one megabyte in the default run."""
    n_pockets = (10_000_000 if "LOGOS_FUZZ_SECONDS" in os.environ else 1_000_000) // 21
    text = "<ProteinS>" + "AK<PocketS>S<PocketE>" * n_pockets + "<ProteinE>"
    assert len(parse(text).left[0].pockets) == n_pockets


@pytest.mark.parametrize(
    "text", ["<" * 300_000, "<ProteinS>" * 100_000, "<P" * 200_000, "<ProteinS>A<PocketS>" * 50_000]
)
def test_hostile_repetition_fails_at_once(text: str) -> None:
    with pytest.raises(GrammarError):
        parse(text)
    with pytest.raises(GrammarError):
        parse(f"<MoleculeS>{text} <MoleculeE>")
