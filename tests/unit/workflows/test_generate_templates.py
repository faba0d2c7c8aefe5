"""Templates and edits: what they permit, and where they are refused."""

from __future__ import annotations

import random
import re

import numpy as np
import pytest

from logos_cli.backends.base import CharacterTokenizer
from logos_cli.engine.constraint import Constraint
from logos_cli.errors import GrammarError
from logos_cli.grammar import parse
from logos_cli.grammar.constrain import mutant_grammar, parse_positions, template_grammar
from logos_cli.grammar.spec import Kind
from logos_cli.workflows.generate.templates import DrawnEdit

TOKENIZER = CharacterTokenizer()
CONSTRAINT = Constraint(TOKENIZER)


def _sampled(grammar: str, seed: int, given: str = "") -> str:
    generator = random.Random(seed)
    matcher = CONSTRAINT.matcher(grammar, given)
    text = given
    while not matcher.done:
        allowed = np.flatnonzero(CONSTRAINT.masks([matcher])[0]).tolist()
        ends = [token for token in allowed if token in TOKENIZER.special_ids]
        token = ends[0] if ends and generator.random() < 0.2 else generator.choice(allowed)
        matcher.accept(token)
        text += TOKENIZER.decode([token])
    return text


@pytest.mark.parametrize(
    ("kind", "text", "pattern"),
    [
        (Kind.ANTIBODY, "EVQLCAR{X:8,20}WGQG", r"EVQLCAR[A-Y]{8,20}WGQG"),
        (Kind.PROTEIN, "{X}", r"[ACDEFGHIKLMNPQRSTVWY]+"),
        (Kind.PROTEIN, "MX{X:3}UB", r"MX[ACDEFGHIKLMNPQRSTVWY]{3}UB"),
        (Kind.PROTEIN, "M{[ILV]:2}{X:0,2}K", r"M[ILV]{2}[A-Y]{0,2}K"),
        (Kind.PROTEIN, "M{X:4,}", r"M[A-Y]{4,}"),
        (Kind.MOLECULE, "c1ccc(C(=O)N{X:1,4})cc1", r"c1ccc\(C\(=O\)N.{1,4}\)cc1"),
        (Kind.MOLECULE, "C{[NO]:1}[C@@H](/C=C\\{X:1})", r"C[NO]\[C@@H\]\(/C=C\\.\)"),
    ],
)
def test_answers_follow_the_template(kind: Kind, text: str, pattern: str) -> None:
    seen = {_sampled(template_grammar(kind, text), seed) for seed in range(25)}
    for answer in seen:
        payload = answer.removeprefix(kind.start).removesuffix(kind.end)
        assert re.fullmatch(pattern, payload)
        assert parse(answer).left[0].payload == payload
    assert len(seen) > 1


def test_what_is_given_must_fit_the_template() -> None:
    text = template_grammar(Kind.PROTEIN, "MK{X:2}W")
    assert _sampled(text, 1, "<ProteinS>MKA").startswith("<ProteinS>MKA")
    with pytest.raises(GrammarError) as caught:
        CONSTRAINT.matcher(text, "<ProteinS>MA")
    assert caught.value.span is not None
    assert caught.value.span.start == len("<ProteinS>M")


@pytest.mark.parametrize(
    ("kind", "text", "start", "message"),
    [
        (Kind.PROTEIN, "", 0, "empty"),
        (Kind.PROTEIN, "MK{X:8", 2, "not closed"),
        (Kind.PROTEIN, "MK}", 2, "closes nothing"),
        (Kind.PROTEIN, "MKa", 2, "'a' is not a residue"),
        (Kind.MOLECULE, "CC é", 2, "' ' is not a SMILES character"),
        (Kind.PROTEIN, "MK{Y:2}", 2, "not a free part"),
        (Kind.PROTEIN, "MK{X:5,2}", 2, "smaller to the larger"),
        (Kind.PROTEIN, "MK{X:0}", 2, "smaller to the larger"),
        (Kind.PROTEIN, "MK{X:1,99999}", 2, "10,000 at most"),
        (Kind.PROTEIN, "MK{[]:2}", 2, "no letters"),
        (Kind.PROTEIN, "MK{[ab]}", 2, "no letters"),
        (Kind.PROTEIN, "{{X}}", 0, "not a free part"),
    ],
)
def test_a_bad_template_is_refused_at_its_place(kind: Kind, text: str, start: int, message: str) -> None:
    with pytest.raises(GrammarError, match=message) as caught:
        template_grammar(kind, text)
    assert caught.value.span is not None
    assert caught.value.span.start == start
    assert "^" in caught.value.pretty()


@pytest.mark.parametrize("max_mutations", [1, 2, 5, 40])
@pytest.mark.parametrize("positions", [None, (0, 3, 4, 21), (10,)])
def test_edits_keep_the_length_the_budget_and_the_positions(
    max_mutations: int, positions: tuple[int, ...] | None
) -> None:
    wild_type = "MKTAYIAKQRQISFVKSHFSRQ"
    grammar = mutant_grammar(Kind.PROTEIN, wild_type, max_mutations, positions)
    found = set()
    for seed in range(20):
        answer = parse(_sampled(grammar, seed)).left[0].payload
        assert len(answer) == len(wild_type)
        changed = [i for i, (old, new) in enumerate(zip(wild_type, answer, strict=True)) if old != new]
        assert len(changed) <= max_mutations
        assert positions is None or set(changed) <= set(positions)
        found.add(answer)
    assert len(found) > 5


def test_positions_are_drawn_by_their_weights() -> None:
    wild_type = "MKTAYIAKQR"
    drawn = DrawnEdit(Kind.PROTEIN, wild_type, 2, (1, 4, 7), (1.0, 1e-4, 1.0))
    found = [drawn(np.random.default_rng(seed)) for seed in range(30)]
    assert found.count(mutant_grammar(Kind.PROTEIN, wild_type, 2, (1, 7))) > 25
    plain = DrawnEdit(Kind.PROTEIN, wild_type, 2, (1, 4, 7))
    assert len({plain(np.random.default_rng(seed)) for seed in range(30)}) == 3
    row = tuple(float(letter == "W") for letter in "ACDEFGHIKLMNPQRSTVWY")
    written = DrawnEdit(Kind.PROTEIN, wild_type, 2, (1, 4, 7), (1.0, 1e-9, 1.0), (row,) * 3)
    assert written(np.random.default_rng(0)) == mutant_grammar(Kind.PROTEIN, "MWTAYIAWQR", 0, ())


def test_every_single_mutant_and_the_wild_type_can_be_written() -> None:
    grammar = mutant_grammar(Kind.ANTIBODY, "EVQ", 1)
    for text in ("EVQ", "AVQ", "EWQ", "EVY"):
        assert CONSTRAINT.matcher(grammar, f"<AntibodyS>{text}<AntibodyE>").done
    with pytest.raises(GrammarError):
        CONSTRAINT.matcher(grammar, "<AntibodyS>AWQ<AntibodyE>")


def test_an_edit_of_a_long_protein_compiles() -> None:
    wild_type = "".join(random.Random(0).choices("ACDEFGHIKLMNPQRSTVWY", k=1500))
    matcher = CONSTRAINT.matcher(mutant_grammar(Kind.PROTEIN, wild_type, 3), "<ProteinS>" + wild_type[:700])
    assert CONSTRAINT.masks([matcher])[0].sum() == 20


def test_positions_count_from_one() -> None:
    assert parse_positions("1-3,7, 3", 9) == (0, 1, 2, 6)


@pytest.mark.parametrize(("text", "start"), [("", 0), ("1,x", 2), ("3-1", 0), ("2,0", 2), ("1,10", 2), ("1-", 0)])
def test_bad_positions_are_refused_at_their_place(text: str, start: int) -> None:
    with pytest.raises(GrammarError) as caught:
        parse_positions(text, 9)
    assert caught.value.span is not None
    assert caught.value.span.start == start
