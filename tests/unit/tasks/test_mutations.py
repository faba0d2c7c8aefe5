"""Edits between sequences: substitutions, insertions and deletions, listed and made."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logos_cli.errors import InputError
from logos_cli.tasks.design.mutations import edits, mutant, mutations

_WILD_TYPE = "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQ"
_LETTERS = "ACDEFGHIKLMNPQRSTVWY"


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        ("MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQ", ()),
        ("MRTAYIAKQRQISFVKSHFSRQLEERLGLIEVA", ("K2R", "Q33A")),
        ("MKTAYIAKQQISFVKSHFSRQLEERLGLIEVQ", ("R10del",)),
        ("MKTAYIAISFVKSHFSRQLEERLGLIEVQ", ("K8_Q11del",)),
        ("MKTAYIAKQRQISFVKSHGSGSFSRQLEERLGLIEVQ", ("H18_F19insGSGS",)),
        ("MKTAYIAKQRQISFVWWWSHFSRQLEERLGLIEVQ", ("K16delinsWWW",)),
        ("MKTAYIAKQRQISFVKSHFSRQLERLGLIEVQ", ("E25del",)),  # of EE the last one
        ("MKTAYIAKQRQISFVKSHFSRQLEEERLGLIEVQ", ("E25_R26insE",)),
        ("GSMKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQ", ("M1delinsGSM",)),
        ("MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQHH", ("Q33delinsQHH",)),
        ("TAYIAKQRQISFVKSHFSRQLEERLGLIEVQ", ("M1_K2del",)),
        ("MKTAYIAKQRQISFVKSHFSRQLEERLGLIE", ("V32_Q33del",)),
        ("MRTAYIAKQRISFVKSHFSRQLEERLGLGGIEVQ", ("K2R", "Q11del", "L29_I30insGG")),
    ],
)
def test_edits_are_listed_and_made(variant: str, expected: tuple[str, ...]) -> None:
    assert mutations(_WILD_TYPE, variant) == expected
    assert mutant(_WILD_TYPE, ":".join(expected)) == variant
    numbered = mutations(_WILD_TYPE, variant, 100)
    assert mutant(_WILD_TYPE, ",".join(numbered), 100) == variant


def test_a_shift_of_the_same_length_is_no_row_of_substitutions() -> None:
    """One residue less here and one more there: two edits, not twenty."""
    variant = _WILD_TYPE[:5] + _WILD_TYPE[6:25] + "W" + _WILD_TYPE[25:]
    assert len(variant) == len(_WILD_TYPE)
    assert mutations(_WILD_TYPE, variant) == ("I6del", "E25_R26insW")


@given(
    wild_type=st.text(_LETTERS, min_size=12, max_size=40),
    places=st.lists(st.tuples(st.integers(0, 39), st.integers(0, 2), st.text(_LETTERS, max_size=2)), max_size=3),
)
def test_what_is_listed_makes_the_variant(wild_type: str, places: list[tuple[int, int, str]]) -> None:
    variant = wild_type
    for place, length, text in places:
        variant = variant[:place] + text + variant[place + length :]
    try:
        listed = mutations(wild_type, variant)
    except InputError as error:
        assert "another protein" in error.message
        return
    assert mutant(wild_type, ":".join(listed)) == variant
    assert listed == () or variant != wild_type
    found = edits(wild_type, variant)
    assert all(one.end <= other.start for one, other in itertools.pairwise(found))


def test_duplications_and_neighbours() -> None:
    assert mutant("MKVLA", "K2dup") == "MKKVLA"
    assert mutant("MKVLA", "K2_V3dup") == "MKVKVLA"
    assert mutant("MKVLA", "K2_V3insG:K2R:V3del") == "MRGLA"
    assert mutant("MKVLA", "K2_L4delinsW") == "MWA"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("V2del", "position 2 is K, not V"),
        ("K2_A4del", "position 4 is L, not A"),
        ("K2_L9del", "positions are 1 to 5"),
        ("L4_K2del", "ends before it begins"),
        ("K2_L4insG", "does not name the two neighbours"),
        ("K2insG", "does not name the two neighbours"),
        ("K2_V3del:V3A", "changes position 3 twice"),
        ("K2_V3insG:K2_V3insA", "twice"),
        ("K2fs", "is not a substitution, insertion or deletion"),
        ("K2_V3", "is not a substitution, insertion or deletion"),
    ],
)
def test_an_edit_that_does_not_fit_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        mutant("MKVLA", text)
    assert caught.value.span is not None


def test_another_protein_is_refused() -> None:
    with pytest.raises(InputError, match="it is another protein"):
        mutations(_WILD_TYPE, "GDVEKGKKIFIMKCSQCHTVEK")
    with pytest.raises(InputError, match="it is another protein"):
        mutations(_WILD_TYPE, "")
