"""The LOGOS grammar: what a sentence is, text to tree and back.

``tokenizers/grammar.lark`` is the definition; this package reads and writes the same language by hand, in
linear time and with positions in every error.
"""

from logos_cli.grammar.emit import emit
from logos_cli.grammar.parse import parse, parse_prefix
from logos_cli.grammar.spec import FORMS, TAGS, Block, Form, Pocket, Sentence

__all__ = ["FORMS", "TAGS", "Block", "Form", "Pocket", "Sentence", "emit", "parse", "parse_prefix"]
