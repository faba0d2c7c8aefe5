"""Clean sequences of files: case, gaps, stops; recognise nucleotides, and names of heavy and light chains."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from logos_cli.errors import FormatError, Span
from logos_cli.grammar.spec import RESIDUES
from logos_cli.io.missing import is_missing, may_be_residues
from logos_cli.structure.end_groups import end_group

_NOT_A_RESIDUE = re.compile(f"[^{''.join(sorted(RESIDUES))}]")
_NUCLEOTIDES = frozenset("ACGTUN")
_MIN_NUCLEOTIDES = 12
_MIN_CODES = 3
_LONGEST_WORD = 20
"""Fewest letters that are no word of a language."""
_BLOCK = 10
"""Letters of a block between spaces, as databases print sequences; fewer, if all are capitals."""
_CODES = frozenset(
    (
        *("ALA", "ARG", "ASN", "ASP", "CYS", "GLN", "GLU", "GLY", "HIS", "ILE", "LEU", "LYS", "MET", "PHE", "PRO"),
        *("SER", "THR", "TRP", "TYR", "VAL", "SEC", "PYL", "ASX", "GLX", "XAA", "MSE"),
    )
)
_AMBIGUOUS_NUCLEOTIDES = frozenset("RYSWKMBDHVN")
_MIN_AMBIGUOUS = 60
_MOST_AMBIGUOUS = 0.1
"""Largest share of letters for several nucleotides."""
_CHAIN = re.compile(
    r"^(?P<stem>.+?)[|_:.\-/ ]"
    r"(?:(?P<heavy>heavy(?:[ _]?chain)?|VHH?|HC|H)|(?P<light>light(?:[ _]?chain)?|kappa|lambda|VL|LC|VK|L|K))$",
    re.IGNORECASE,
)

_RECORDS = frozenset(("ATOM", "HETATM", "TER", "END", "ENDMDL", "MODEL", "ANISOU", "HEADER", "TITLE", "REMARK"))
_HEAVY_END = re.compile(r"WG[A-Z]G[A-Z]{2}VTV[SA]")
_LIGHT_END = re.compile(r"FG[A-Z]GT[KRQE][LVI][TED]")


def clean_sequence(lines: Sequence[tuple[int, str]], source: str, *, is_row: bool = False) -> tuple[str, list[str]]:
    """Return the residues of one record, and notes on the changes.

    Lower case (soft masking) becomes upper case. White space is removed, and so are the gaps ``-`` and ``.`` of an
    alignment and stops ``*`` at the end, with a note each.

    Parameters
    ----------
    lines : sequence of (int, str)
        The record's lines with their one-based numbers in the file.
    source : str
        Name of the file, for errors.
    is_row : bool
        Whether it is a row of an alignment, so that every ``-`` is a gap.

    Raises
    ------
    FormatError
        If a character is not a residue (the error has its line and column), the residues are three-letter codes, words of a
        language or a word for a missing value, or have end groups (``Ac-DEVD-AMC``), or no residue is left.
    """
    text = "".join(line for _, line in lines)
    if is_missing(text):
        _refuse_missing(text, lines, source)
    if text.isascii() and text.isalpha():
        _refuse_codes(text.upper(), lines, source)
        if text.isupper():
            return text, []
        _refuse_end_groups(text, lines, source, is_row=is_row)
        return text.upper(), ["lower-case residues read as upper case"]
    _refuse_end_groups(text, lines, source, is_row=is_row)
    _refuse_words(lines, source)
    notes: list[str] = []
    text = "".join(text.split())
    if text.endswith("*"):
        text = text.rstrip("*")
        notes.append("stop (*) at the end removed")
    gaps = text.count("-") + text.count(".")
    if gaps:
        text = text.replace("-", "").replace(".", "")
        notes.append(f"{gaps} gap{'s' if gaps > 1 else ''} (- or .) removed")
    upper = text.upper() if text.isascii() else text
    if upper != text:
        notes.append("lower-case residues read as upper case")
    if not upper:
        raise FormatError(
            "the record has no residues",
            source=f"{source}:{lines[0][0]}" if lines else source,
            hint="remove it, or put its sequence under its header",
        )
    if _NOT_A_RESIDUE.search(upper):
        raise _not_a_residue(lines, source)
    _refuse_codes(upper, lines, source)
    return upper, notes


def _refuse_missing(text: str, lines: Sequence[tuple[int, str]], source: str) -> None:
    """Refuse a word that stands for no sequence (``nan``, ``None``, ``n.d.``); capitals of the 20 amino acids are a peptide."""
    if any(map(str.isalpha, text)) and not (text.isupper() and may_be_residues(text)):
        raise FormatError(
            f"{text.strip()!r} stands for a missing sequence",
            source=f"{source}:{lines[0][0]}",
            hint="leave the record out, or write its residues in capitals",
        )


def _refuse_words(lines: Sequence[tuple[int, str]], source: str) -> None:
    """Refuse words in the place of residues, such as ``see patent``; sequences have spaces between blocks of one length."""
    for number, line in lines:
        words = line.rstrip("* \t").split()
        if len(words) > 1 and all(map(str.isalpha, words)) and not _are_blocks(words):
            raise FormatError(
                f"{' '.join(words)[:60]!r} is no sequence, but words",
                source=f"{source}:{number}",
                hint="leave it out, or write the residues without spaces",
            )


def _are_blocks(words: Sequence[str]) -> bool:
    """Return whether the parts of a line are those of a sequence: one is too long for a word, or all have one length.

    The last one may be shorter, and so may the first of a line that a program wrapped.
    """
    if any(len(word) >= _LONGEST_WORD for word in words):
        return True
    first, *others, last = map(len, words)
    length = max(first, *others, last)
    is_regular = set(others) <= {length} and (first == length or length >= _BLOCK)
    return is_regular and (length >= _BLOCK or all(map(str.isupper, words)))


def _refuse_end_groups(text: str, lines: Sequence[tuple[int, str]], source: str, *, is_row: bool) -> None:
    """Refuse a peptide with end groups or other words beside hyphens, which are no gaps then."""
    if not is_row and (group := end_group(text)):
        _refuse_codes("".join(filter(str.isalpha, text.upper())), lines, source)
        raise FormatError(
            f"{group!r} in {text.strip()[:60]!r} is a group of a peptide and no residue",
            source=f"{source}:{lines[0][0]}",
            hint="if its hyphens are gaps, remove them, or name the alignment .afa; "
            "else write the residues alone, or the molecule as SMILES or HELM",
        )


def _refuse_codes(text: str, lines: Sequence[tuple[int, str]], source: str) -> None:
    """Refuse a sequence in three-letter codes: three or more of them and nothing else are no residues by chance."""
    if len(text) < _MIN_CODES * 3 or len(text) % 3 or text[:3] not in _CODES:
        return
    if _CODES.issuperset(text[at : at + 3] for at in range(0, len(text), 3)):
        raise FormatError(
            f"the sequence has {len(text) // 3} three-letter codes ({text[:3].title()} {text[3:6].title()} …)",
            source=f"{source}:{lines[0][0]}",
            hint="write one letter for each residue",
        )


def _not_a_residue(lines: Sequence[tuple[int, str]], source: str) -> FormatError:
    """Return the error for the first character that is not a residue."""
    last = lines[-1][0]
    for number, line in lines:
        text = line.rstrip()
        body = text.rstrip("*") if number == last else text
        for column, letter in enumerate(body):
            if letter.isspace() or letter in "-." or (letter.isascii() and letter.isalpha()):
                continue
            what = {"*": "a stop (*) inside the sequence"}.get(letter, f"{letter!r}")
            hint = "cut the sequence at the stop" if letter == "*" else "residues are written with the letters A to Z"
            if letter == ":":
                hint = "':' separates chains: write each chain as a record of its own"
            return FormatError(
                f"line {number}, column {column + 1}: {what} is not a residue",
                source=f"{source}:{number}:{column + 1}",
                hint=hint,
                text=line[:200] if column < 200 else None,
                span=Span(column, column + 1) if column < 200 else None,
            )
    return FormatError("a character is not a residue", source=f"{source}:{lines[0][0]}")


def is_nucleotide(sequence: str) -> bool:
    """Return whether a sequence is certainly DNA or RNA: not short, and of A C G T U N only, at least three of them.

    A long one may have a few letters for several nucleotides (R, Y, K …).
    """
    letters = set(sequence)
    if len(sequence) < _MIN_NUCLEOTIDES or len(letters & _NUCLEOTIDES - {"N"}) < 3:
        return False
    if letters <= _NUCLEOTIDES:
        return True
    if len(sequence) < _MIN_AMBIGUOUS or not letters <= _NUCLEOTIDES | _AMBIGUOUS_NUCLEOTIDES:
        return False
    return sum(sequence.count(letter) for letter in letters - _NUCLEOTIDES) <= _MOST_AMBIGUOUS * len(sequence)


def nucleotide_error(sequence: str, place: str) -> FormatError:
    """Return the error for a nucleotide sequence in the place of a protein."""
    return FormatError(
        f"{len(sequence)} letters of A, C, G, T, U and N: this is a nucleotide sequence",
        source=place,
        hint="--translate translates it; --as protein reads the letters as residues nevertheless",
    )


def antibody_chain(name: str) -> tuple[str, str] | None:
    """Split an identifier of a heavy or light chain: ``ab1|heavy`` is ``("ab1", "heavy")``.

    The chain is the last part after ``| _ : . - /`` or a space, in any case: heavy, H, VH, VHH or HC;
    light, L, VL, LC, K, VK, kappa or lambda.
    """
    match = _CHAIN.match(name)
    if match is None:
        return None
    return match["stem"], "heavy" if match["heavy"] else "light"


def check_labels(heavy: str | None, light: str | None, place: str) -> list[str]:
    """Return notes on chains of an antibody whose last strand is not that of their label.

    A heavy chain has ``WGxGxxVTVS`` at the end of its variable domain, a light one ``FGxGTKVEI`` or the like.

    Raises
    ------
    FormatError
        If both chains have the other's, so that their labels are exchanged.
    """
    wrong = [
        f"the chain labelled {label} ends like a {other} chain ({match[0]})"
        for sequence, label, other, own, foreign in (
            (heavy, "heavy", "light", _HEAVY_END, _LIGHT_END),
            (light, "light", "heavy", _LIGHT_END, _HEAVY_END),
        )
        if sequence and (match := foreign.search(sequence)) and not own.search(sequence)
    ]
    if len(wrong) > 1:
        raise FormatError(f"{wrong[0]}, and the other one like a heavy chain", source=place, hint="exchange the labels")
    return wrong


def looks_like_sequence(lines: Iterable[str]) -> bool:
    """Return whether every line has capital letters only, and one of them cannot occur in a SMILES.

    Lines that are all names of records of a PDB file are its remains.
    """
    seen: set[str] = set()
    n_lines = n_records = 0
    for line in lines:
        text = line.strip().rstrip("*")
        if not (text.isascii() and text.isalpha() and text.isupper()):
            return False
        seen.update(text)
        n_records += text in _RECORDS
        n_lines += 1
    return bool(seen - _SMILES_CAPITALS) and n_records < max(n_lines, 1)


_SMILES_CAPITALS = frozenset("BCNOPSFI")
