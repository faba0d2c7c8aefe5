"""What the library logs reaches the terminal as a warning, but for what another library writes, and under ``--quiet``."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from logos_cli.cli.terminal import Terminal, set_terminal


@pytest.fixture(autouse=True)
def _loggers() -> Iterator[None]:
    logger = logging.getLogger("logos_cli")
    handlers, level = list(logger.handlers), logger.level
    yield
    logger.handlers[:] = handlers
    logger.setLevel(level)
    set_terminal(Terminal())


@pytest.mark.parametrize(
    ("how", "shown"),
    [
        ({}, "warning: of ours\n"),
        ({"quiet": True}, ""),
        ({"verbose": True}, "warning: of ours\nllamacpp: of another\nllamacpp: a fact\n"),
    ],
    ids=["plain", "quiet", "verbose"],
)
def test_warnings_of_the_library_are_shown(
    capsys: pytest.CaptureFixture[str], how: dict[str, bool], shown: str
) -> None:
    from logos_cli.backends.llamacpp import library

    set_terminal(Terminal(**how))
    logging.getLogger("logos_cli.engine.workers").warning("of %s", "ours")
    library.LOG.warning("of another")
    library.LOG.info("a fact")
    assert capsys.readouterr().err == shown
