"""Tree to text: the inverse of :func:`logos_cli.grammar.parse.parse`."""

from __future__ import annotations

from logos_cli.errors import GrammarError, Span
from logos_cli.grammar.parse import one_block_form, parse
from logos_cli.grammar.spec import Block, Kind, Pocket, Sentence


def emit_block(block: Block) -> str:
    """Return the text of one block."""
    pieces = [block.kind.start]
    for part in block.parts:
        if isinstance(part, str):
            pieces.append(part)
        elif isinstance(part, Pocket):
            pieces += (Kind.POCKET.start, part.payload, Kind.POCKET.end)
        else:
            pieces.append(emit_block(part))
    pieces.append(block.kind.end)
    return "".join(pieces)


def emit(sentence: Sentence, *, check: bool = True) -> str:
    """Return the text of a sentence.

    Parameters
    ----------
    check : bool
        Parse the text and compare the trees, so that a payload with characters outside its alphabet, or one
        that spells a tag, is an error here and not when the text is read. Switch it off only for payloads that
        are known to be good.

    Raises
    ------
    GrammarError
        If the tree is none of the grammar's sentences.
    """
    text = "".join(map(emit_block, sentence.left))
    if sentence.operator is not None:
        text += sentence.operator.value + "".join(map(emit_block, sentence.right))
    if check and one_block_form(text) is not sentence.form and parse(text, sentence.form) != sentence:
        raise GrammarError(
            "the text of this tree reads as another tree",
            text=text,
            span=Span(0, len(text)),
            hint="a payload spells a tag, or a stretch of text is cut in two",
        )
    return text
