"""Read the FASTA of Chai."""

from __future__ import annotations

import re
from collections.abc import Iterator

from logos_cli.errors import FormatError
from logos_cli.formats.predictor.job import Job, JobLigand, Polymer

_POLYMERS = frozenset(("protein", "rna", "dna", "glycan"))
_RESIDUE = re.compile(r"\((?P<round>[A-Za-z0-9]{2,})\)|\[(?P<square>[A-Za-z0-9]{2,})\]|(?P<letter>[A-Za-z])")


def read_chai(text: str, name: str) -> Iterator[Job]:
    """Yield the job of a file."""
    job = Job("")
    try:
        for line, header, content in _records(text):
            try:
                _add(job, header, content)
            except FormatError as error:
                error.at(f"{name}:{line}")
                raise
    except FormatError as error:
        error.at(name)
        job.error = error
    yield job


def _records(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield line, header and content of each record."""
    line, header = 0, ""
    parts: list[str] = []
    for number, row in enumerate(text.splitlines(), 1):
        if row.startswith(">"):
            if header:
                yield line, header, "".join(parts)
            line, header, parts = number, row[1:].strip(), []
        else:
            parts.append("".join(row.split()))
    if header:
        yield line, header, "".join(parts)


def _add(job: Job, header: str, content: str) -> None:
    kind, *labels = (part.strip() for part in header.split("|"))
    kind = kind.lower()
    if len(labels) != 1 or not labels[0]:
        raise FormatError(
            f"the header {header[:60]!r} is not KIND|NAME", hint="write >protein|name=A or >ligand|name=L"
        )
    key, has_key, value = labels[0].partition("=")
    if has_key and key != "name":
        raise FormatError(f"the header {header[:60]!r} has the unknown key {key!r}", hint="write name=…")
    name = value if has_key else key
    if not content:
        raise FormatError(f"the record {name!r} is empty")
    if kind == "ligand":
        job.ligands.append(JobLigand((name,), content))
    elif kind in _POLYMERS:
        sequence, modifications = (content, ()) if kind == "glycan" else _residues(content, name)
        job.polymers.append(Polymer(kind, (name,), sequence, modifications))
    else:
        raise FormatError(f"{kind!r} is not a kind of Chai", hint="kinds are protein, ligand, rna, dna and glycan")


def _residues(text: str, name: str) -> tuple[str, tuple[tuple[int, str], ...]]:
    """Return letters and modified residues of ``AS(SEP)K``; a modified one has the letter of its parent, or X."""
    from logos_cli.structure.residues.residue_names import letter

    letters: list[str] = []
    modifications: list[tuple[int, str]] = []
    place = 0
    while place < len(text):
        match = _RESIDUE.match(text, place)
        if match is None:
            raise FormatError(f"{name}: character {place + 1} is no residue: {text[place]!r}")
        place = match.end()
        if match["letter"]:
            letters.append(match["letter"].upper())
            continue
        code = (match["round"] or match["square"]).upper()
        letters.append(letter(code) or "X")
        modifications.append((len(letters), code))
    return "".join(letters), tuple(modifications)
