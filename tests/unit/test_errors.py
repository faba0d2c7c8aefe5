"""Errors: what they carry and which exit code they mean."""

from __future__ import annotations

import pytest

from logos_cli import errors
from logos_cli.errors import ExitCode, GrammarError, LogosError, Span


def test_exit_codes_are_those_of_the_manual() -> None:
    assert {code.name: int(code) for code in ExitCode} == {
        "OK": 0,
        "FAILED": 1,
        "USAGE": 2,
        "PARTIAL": 3,
        "MISSING": 4,
        "OUT_OF_MEMORY": 5,
        "INTERRUPTED": 130,
        "TERMINATED": 143,
    }


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("LogosError", ExitCode.FAILED),
        ("UsageError", ExitCode.USAGE),
        ("InputError", ExitCode.USAGE),
        ("FormatError", ExitCode.USAGE),
        ("MoleculeError", ExitCode.USAGE),
        ("StructureError", ExitCode.USAGE),
        ("OutputError", ExitCode.FAILED),
        ("MissingError", ExitCode.MISSING),
        ("ModelError", ExitCode.USAGE),
        ("DeviceMemoryError", ExitCode.OUT_OF_MEMORY),
    ],
)
def test_each_error_means_an_exit_code(name: str, code: ExitCode) -> None:
    error = getattr(errors, name)("what", hint="remedy", source="file:3")
    assert isinstance(error, LogosError)
    assert error.exit_code is code
    assert str(error) == "file:3: what (remedy)"


def test_the_first_place_that_is_filled_in_stays() -> None:
    error = LogosError("what")
    assert error.at("inner:1") is error
    assert error.at("outer").source == "inner:1"


def test_a_message_alone() -> None:
    assert str(LogosError("what")) == "what"


def test_a_control_character_does_not_move_the_caret() -> None:
    error = GrammarError("what", text="ab\tcd\x1b[31m", span=Span(3, 5), expected=("x", "y"))
    assert error.pretty() == "what\nab·cd·[31m\n   ^^\nexpected: x, y"
