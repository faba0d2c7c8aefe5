"""Words by which tables write that a value is missing."""

from __future__ import annotations

import math
from typing import Final

_MARKS: Final = "- -- --- – — . .. ... … ? ?? ??? _ __ / // \\n (null) [null] {} []"
_SHORT: Final = (
    "na n/a n.a. n.a n\\a <na> #na #n/a #n/a! @na nan -nan nd n/d n.d. n.d nr n/r n.r. nil null <null> #null! none <none> "
    "void undef undefined unk unknown unspecified unavailable missing absent empty blank tba tbd t.b.a. t.b.d. "
    "redacted withheld undisclosed undetermined #value! #ref! #name? #div/0! #num! #error! #getting_data"
)
_PHRASES: Final = (
    *("not available", "not applicable", "not assigned", "not determined", "not disclosed", "not found", "not given"),
    *("not known", "not provided", "not published", "not reported", "not specified", "no data", "no sequence"),
    *("not sequenced", "not tested", "none available", "sequence unavailable", "sequence not available"),
    *("pending", "proprietary", "confidential"),
    *("no value", "to be announced", "to be determined"),
)
_WORDS: Final = frozenset((*_MARKS.split(), *_SHORT.split(), *_PHRASES))
_LONGEST: Final = 2 * max(map(len, _WORDS))
"""Most characters of such a cell, with spaces."""
_MOST_WORDS: Final = 3
_AMINO_ACIDS: Final = frozenset("ACDEFGHIKLMNPQRSTVWY")


def is_missing(value: object) -> bool:
    """Return whether a cell holds no value: it is empty, NaN, or one of the words that stand for that, in any case.

    ``NA``, ``N/A``, ``NaN``, ``NULL``, ``None``, ``n.d.``, ``TBD``, ``unknown``, ``-``, ``?`` … are written by pandas, R, SQL,
    spreadsheets and curators. No one is a SMILES.
    """
    if isinstance(value, str):
        words = value.split(None, _MOST_WORDS)
        return not words or (len(value) <= _LONGEST and " ".join(words).lower() in _WORDS)
    return value is None or (isinstance(value, float) and math.isnan(value))


def may_be_residues(word: str) -> bool:
    """Return whether a word for a missing value is a peptide of the 20 amino acids as well: Asn-Ala is ``NA``."""
    return bool(word) and _AMINO_ACIDS.issuperset(word.strip().upper())
