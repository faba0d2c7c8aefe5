"""Conditions over scores: what they allow, and what a null means."""

from __future__ import annotations

import pytest

from logos_cli.errors import UsageError
from logos_cli.workflows.score.filter import Filter

VALUES = {"qed": 0.6, "sa": 3.5, "valid": True, "scaffold": "c1ccccc1", "vina": None}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("qed>0.5 and sa<4", True),
        ("qed>0.5 and sa<3", False),
        ("0.2 < qed <= 0.6", True),
        ("valid", True),
        ("not valid or qed == 0.6", True),
        ("qed - sa / 10 > 0.2", True),
        ("-sa < -3", True),
        ("scaffold == 'c1ccccc1'", True),
        ("scaffold != 'C'", True),
        ("vina < -7", None),
        ("not vina < -7", None),
        ("vina < -7 or qed > 0.5", True),
        ("vina < -7 and qed > 0.9", False),
        ("vina < -7 and qed > 0.5", None),
        ("absent > 1", None),
        ("qed / (sa - 3.5) > 0", None),
        ("-scaffold == 'x'", None),
    ],
)
def test_conditions(text: str, holds: bool | None) -> None:
    assert Filter.parse(text).holds(VALUES) is holds


def test_a_text_is_compared_with_a_text() -> None:
    with pytest.raises(UsageError, match="compares a score that is a text"):
        Filter.parse("scaffold > 1").holds(VALUES)


def test_names_are_told_once_in_order() -> None:
    assert Filter.parse("sa<4 and qed>0.5 or sa<2").names == ("sa", "qed")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "qed>",
        "qed = 0.5",
        "1 < 2",
        "__import__('os')",
        "qed.real > 0",
        "qed[0] > 0",
        "(lambda: 1)() < qed",
        "qed in (1, 2)",
        "qed ** 99 > 1",
        "f'{qed}' == 'x'",
        "[qed for qed in 'a']",
        "qed is None",
        "qed > 1j",
        "qed if valid else sa",
        "(x := qed) > 0",
        "qed > 0; sa > 0",
        "qed" + " or qed" * 400,
        "(" * 300 + "qed",
        "qed > 0\x00",
    ],
)
def test_all_else_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        Filter.parse(text)


def test_a_single_equal_sign_is_explained() -> None:
    with pytest.raises(UsageError) as caught:
        Filter.parse("qed = 0.5")
    assert caught.value.hint == "equality is written =="
