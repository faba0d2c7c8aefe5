"""Read the JSON of AlphaFold 3, and that of its server."""

from __future__ import annotations

import json
import string
from collections.abc import Iterator, Mapping
from pathlib import Path

from logos_cli.errors import FormatError
from logos_cli.formats.predictor.job import (
    Job,
    JobLigand,
    Polymer,
    check_ids,
    ids_of,
    mapping,
    position_of,
    sequence_of,
    text_of,
)

_POLYMERS = {"protein": "protein", "rna": "rna", "dna": "dna"}
_SERVER_POLYMERS = {"proteinChain": "protein", "rnaSequence": "rna", "dnaSequence": "dna"}
_ALIGNMENTS = ("unpairedMsa", "unpairedMsaPath", "pairedMsa", "pairedMsaPath")
_CCD = "CCD_"


def read_alphafold3(text: str, name: str) -> Iterator[Job]:
    """Yield the jobs of a file: one of AlphaFold 3, or a list of its server.

    Raises
    ------
    FormatError
        If the file is no JSON.
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"not JSON: {error}", source=name, hint="the file may be cut off") from error
    is_list = isinstance(values, list)
    for number, value in enumerate(values if is_list else [values], 1):
        job = Job("")
        try:
            data = mapping(value, "the job")
            job.name = str(data.get("name") or "")
            dialect = data.get("dialect", "alphafoldserver" if is_list else "alphafold3")
            _fill(job, data, name, is_server=dialect == "alphafoldserver")
            check_ids(job)
        except FormatError as error:
            error.at(f"{name}: job {number}" if is_list else name)
            job.error = error
        yield job


def _fill(job: Job, data: Mapping[str, object], file: str, *, is_server: bool) -> None:
    entities = sequence_of(data.get("sequences"), "sequences")
    if not entities:
        raise FormatError("the job has no sequences", hint="add proteins and ligands under the key sequences")
    names = _reverse_spreadsheet() if is_server else None
    for number, entity in enumerate(entities):
        place = f"sequences[{number}]"
        parts = mapping(entity, place)
        if len(parts) != 1:
            raise FormatError(f"{place} must have one key: {', '.join(map(str, parts)) or 'it has none'}")
        ((kind, value),) = parts.items()
        content = mapping(value, f"{place}.{kind}")
        if names is not None:
            _add_of_server(job, kind, content, f"{place}.{kind}", names)
        else:
            _add(job, kind, content, f"{place}.{kind}")
    if data.get("bondedAtomPairs"):
        job.leave_out("covalent bonds between chains and ligands")
    if data.get("userCCDPath") and data.get("userCCD"):
        raise FormatError("the job has userCCD and userCCDPath", hint="AlphaFold 3 takes one of them: remove the other")
    if data.get("userCCDPath"):
        job.definitions_path = str(Path(file).parent / text_of(data["userCCDPath"], "userCCDPath"))
    if data.get("userCCD"):
        job.definitions = text_of(data["userCCD"], "userCCD")


def _add(job: Job, kind: str, data: Mapping[str, object], place: str) -> None:
    """Add an entity of the dialect alphafold3."""
    ids = ids_of(data.get("id"), f"{place}.id")
    if kind in _POLYMERS:
        sequence = text_of(data.get("sequence"), f"{place}.sequence")
        keys = ("ptmType", "ptmPosition") if kind == "protein" else ("modificationType", "basePosition")
        job.polymers.append(Polymer(kind, ids, sequence, _modifications(data, keys, place)))
        if any(data.get(key) for key in _ALIGNMENTS):
            job.leave_out("alignments")
        if data.get("templates"):
            job.leave_out("templates")
    elif kind == "ligand":
        has_smiles, codes = data.get("smiles") is not None, data.get("ccdCodes")
        if has_smiles == (codes is not None):
            raise FormatError(f"{place} needs either smiles or ccdCodes")
        if has_smiles:
            job.ligands.append(JobLigand(ids, text_of(data["smiles"], f"{place}.smiles")))
        else:
            job.ligands.append(JobLigand(ids, components=ids_of(codes, f"{place}.ccdCodes")))
    else:
        raise FormatError(f"{place} has an unknown kind", hint="kinds are protein, rna, dna and ligand")


def _add_of_server(job: Job, kind: str, data: Mapping[str, object], place: str, names: Iterator[str]) -> None:
    """Add an entity of the dialect alphafoldserver, which has a number of copies instead of ids."""
    count = position_of(data.get("count", 1), f"{place}.count")
    ids = tuple(next(names) for _ in range(count))
    if kind in _SERVER_POLYMERS:
        sequence = text_of(data.get("sequence"), f"{place}.sequence")
        is_protein = kind == "proteinChain"
        keys = ("ptmType", "ptmPosition") if is_protein else ("modificationType", "basePosition")
        job.polymers.append(Polymer(_SERVER_POLYMERS[kind], ids, sequence, _modifications(data, keys, place)))
        if data.get("glycans"):
            job.leave_out("glycans bound to residues")
    elif kind in ("ligand", "ion"):
        code = text_of(data.get(kind), f"{place}.{kind}").removeprefix(_CCD)
        job.ligands.append(JobLigand(ids, components=(code,)))
    else:
        known = ", ".join((*_SERVER_POLYMERS, "ligand", "ion"))
        raise FormatError(f"{place} has an unknown kind", hint=f"kinds of the server are {known}")


def _modifications(data: Mapping[str, object], keys: tuple[str, str], place: str) -> tuple[tuple[int, str], ...]:
    found = []
    for number, each in enumerate(sequence_of(data.get("modifications"), f"{place}.modifications")):
        where = f"{place}.modifications[{number}]"
        one = mapping(each, where)
        code = text_of(one.get(keys[0]), f"{where}.{keys[0]}").removeprefix(_CCD)
        found.append((position_of(one.get(keys[1]), f"{where}.{keys[1]}"), code))
    return tuple(found)


def _reverse_spreadsheet() -> Iterator[str]:
    """Yield A … Z, AA, BA … ZA, AB …: the names that AlphaFold 3 gives the chains of a server's job."""
    yield from string.ascii_uppercase
    for last in _reverse_spreadsheet():
        for first in string.ascii_uppercase:
            yield first + last
