"""Constraints: what they permit, what they force, and where they refuse a prompt."""

from __future__ import annotations

import random

import numpy as np
import pytest

from logos_cli.backends.base import CharacterTokenizer
from logos_cli.engine.constraint import Constraint, check_prompt
from logos_cli.errors import GrammarError
from logos_cli.grammar import Form, parse
from logos_cli.grammar.constrain import grammar, tagged_copy_grammar

TOKENIZER = CharacterTokenizer()


def _sampled(constraint: Constraint, text: str, given: str, seed: int, limit: int = 400) -> str | None:
    """Walk the grammar at random, ends preferred so that the walk comes to one; None if it does not."""
    generator = random.Random(seed)
    matcher = constraint.matcher(text, given)
    ids: list[int] = []
    while not matcher.done:
        if len(ids) == limit:
            return None
        allowed = np.flatnonzero(constraint.masks([matcher])[0]).tolist()
        special = [token for token in allowed if token in TOKENIZER.special_ids]
        token = generator.choice(special if special and generator.random() < 0.3 else allowed)
        matcher.accept(token)
        ids.append(token)
    return given + TOKENIZER.decode(ids)


@pytest.mark.parametrize("form", Form)
def test_whatever_is_sampled_is_a_sentence_of_the_form(form: Form) -> None:
    constraint = Constraint(TOKENIZER)
    texts = [_sampled(constraint, grammar(form.value), "", seed) for seed in range(30)]
    finished = [text for text in texts if text is not None]
    assert len(finished) >= 10
    for text in finished:
        assert parse(text).form is form


def test_a_copied_site_repeats_every_residue() -> None:
    chains = ("MKTAYIAKQRQISFVKSHFSRQ", "XUOBZJ")
    constraint = Constraint(TOKENIZER)
    before = "".join(f"<ProteinS>{chain}<ProteinE>" for chain in chains) + "<Search>"
    seen = set()
    for seed in range(20):
        answer = _sampled(constraint, tagged_copy_grammar(chains), "", seed)
        assert answer is not None
        sentence = parse(before + answer, Form.SEARCH)
        bare = ["".join(p if isinstance(p, str) else p.payload for p in block.parts) for block in sentence.right]
        assert tuple(bare) == chains
        assert all(len(pocket.payload) == 1 for block in sentence.right for pocket in block.pockets)
        seen.add(answer)
    assert len(seen) == 20


def test_a_copied_site_of_a_long_protein_compiles_quickly() -> None:
    chain = "".join(random.Random(0).choices("ACDEFGHIKLMNPQRSTVWY", k=5000))
    constraint = Constraint(TOKENIZER)
    matcher = constraint.matcher(tagged_copy_grammar((chain,)), "<ProteinS>" + chain[:4999])
    allowed = np.flatnonzero(constraint.masks([matcher])[0]).tolist()
    assert sorted(map(TOKENIZER.vocabulary.__getitem__, allowed)) == sorted([b"<PocketS>", chain[-1].encode()])


def test_no_payload_spells_a_tag() -> None:
    constraint = Constraint(TOKENIZER)
    given = "<MoleculeS>C<MoleculeE"
    allowed = constraint.masks([constraint.matcher(grammar("molecule"), given)])[0]
    assert not allowed[TOKENIZER.encode(">", whole=False)[0]]
    assert allowed[TOKENIZER.encode("C", whole=False)[0]]


def test_several_grammars_are_masked_together_as_alone() -> None:
    constraint = Constraint(TOKENIZER)
    cases = [("molecule", "<MoleculeS>CC"), ("protein", "<ProteinS>"), ("material", "<MaterialS>")]
    matchers = [constraint.matcher(grammar(form), given) for form, given in cases]
    together = constraint.masks(matchers)
    for row, matcher in enumerate(matchers):
        assert (constraint.masks([matcher])[0] == together[row]).all()
    assert TOKENIZER.decode(np.flatnonzero(together[2]).tolist()) == "<MetalS>"


def test_matchers_of_one_prompt_are_independent() -> None:
    constraint = Constraint(TOKENIZER)
    one, other = (constraint.matcher(grammar("molecule"), "<MoleculeS>C") for _ in range(2))
    one.accept(TOKENIZER.tag_ids["<MoleculeE>"])
    assert one.done
    assert not other.done


@pytest.mark.parametrize(
    ("form", "given", "place"),
    [
        ("protein", "<MoleculeS>", 0),
        ("protein", "<ProteinS>MK1", 12),
        ("molecule", "<MoleculeS>C C", 12),
        ("material", "<MaterialS><MoleculeS>", 11),
        ("retrosynthesis", "<MoleculeS>C<MoleculeE><React>", 23),
        ("antibody", "<AntibodyS>QVé", 13),
    ],
)
def test_a_prompt_that_cannot_begin_the_form_is_refused_at_its_place(form: str, given: str, place: int) -> None:
    with pytest.raises(GrammarError) as caught:
        check_prompt(grammar(form), given)
    assert caught.value.span is not None
    assert caught.value.span.start == place


def test_a_complete_text_is_told_from_one_that_can_go_on() -> None:
    assert not check_prompt(grammar("molecule"), "<MoleculeS>C<MoleculeE>")
    assert check_prompt(grammar("molecule"), "<MoleculeS>C")
    assert check_prompt(grammar("antibody"), "<AntibodyS>QV<AntibodyE>")
