"""Sentences to token ids and back, with any checkpoint's own tokenizer."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from logos_cli.errors import MissingError, ModelError
from logos_cli.grammar.spec import TAGS
from logos_cli.resources import EMBEDDED, data_path


class GrammarTokenizer:
    """A ``tokenizer.json`` that knows the sixteen tags, each as one token.

    Parameters
    ----------
    path : Path
        The ``tokenizer.json``.

    Raises
    ------
    ModelError
        If the file is damaged, or a tag is not one token of it.
    """

    def __init__(self, path: Path) -> None:
        from tokenizers import Tokenizer

        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the Rust library raises bare Exception
            raise ModelError(f"not a tokenizer: {error}", source=str(path)) from error
        self.name = path.parent.name
        self.tag_ids = {tag: self._tokenizer.token_to_id(tag) for tag in TAGS}
        lacking = [tag for tag, number in self.tag_ids.items() if number is None]
        if lacking:
            raise ModelError(
                f"the tokenizer lacks {len(lacking)} of the grammar's {len(TAGS)} tags ({', '.join(lacking[:3])}, …)",
                source=str(path),
                hint="this is not a LOGOS checkpoint; its vocabulary does not speak the grammar",
            )

    def encode(self, text: str) -> list[int]:
        """Return the ids of a sentence, with what the model expects before and after it."""
        return list(self._tokenizer.encode(text).ids)

    def decode(self, ids: Iterable[int]) -> str:
        """Return the sentence of ids; what stands around it (begin, end, padding) is left out."""
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=False)
        for token in self._tokenizer.get_added_tokens_decoder().values():
            if token.content not in self.tag_ids:
                text = text.replace(token.content, "")
        return text


@cache
def load_tokenizer(name: str = EMBEDDED) -> GrammarTokenizer:
    """Return a tokenizer by the name of an embedded one, or from a directory with a ``tokenizer.json``.

    Raises
    ------
    MissingError
        If there is neither.
    ModelError
        If it does not speak the grammar.
    """
    directory = data_path("tokenizers", name) if name == EMBEDDED else Path(name)
    path = directory / "tokenizer.json"
    if not path.is_file():
        raise MissingError(
            f"no tokenizer {name!r}", hint=f"give {EMBEDDED}, or a directory that holds a tokenizer.json"
        )
    return GrammarTokenizer(path)
