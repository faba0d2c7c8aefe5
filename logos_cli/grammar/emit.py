"""Tree to text: the inverse of :func:`logos_cli.grammar.parse.parse`."""

from __future__ import annotations

from logos_cli.grammar.parse import parse
from logos_cli.grammar.spec import Block, Kind, Pocket, Sentence


def emit_block(block: Block) -> str:
    """Return the text of one block."""
    inner = "".join(
        part
        if isinstance(part, str)
        else f"{Kind.POCKET.start}{part.payload}{Kind.POCKET.end}"
        if isinstance(part, Pocket)
        else emit_block(part)
        for part in block.parts
    )
    return f"{block.kind.start}{inner}{block.kind.end}"


def emit(sentence: Sentence, *, check: bool = True) -> str:
    """Return the text of a sentence.

    Parameters
    ----------
    check : bool
        Parse the result, so that a payload which is not of its alphabet, or which spells a tag, is an error
        here and not at the reader. Switch it off only where the payloads are known to be good.

    Raises
    ------
    GrammarError
        If the tree is none of the grammar's sentences.
    """
    left = "".join(map(emit_block, sentence.left))
    right = "".join(map(emit_block, sentence.right))
    text = f"{left}{sentence.operator or ''}{right}"
    if check:
        parse(text, sentence.form)
    return text
