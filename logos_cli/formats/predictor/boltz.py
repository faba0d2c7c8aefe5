"""Read the YAML of Boltz."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

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

_POLYMERS = frozenset(("protein", "rna", "dna"))


def read_boltz(text: str, name: str) -> Iterator[Job]:
    """Yield the job of a file.

    Raises
    ------
    FormatError
        If the file is no YAML.
    """
    import yaml

    try:
        # every scalar is text: NO is nitric oxide rather than false, 017 a component rather than 15
        value = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - it makes nothing but text, lists and mappings
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        source = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        reason = getattr(error, "problem", None) or "it cannot be parsed"
        raise FormatError(f"not YAML: {reason}", source=source, hint="check indentation and quotes") from error
    job = Job("")
    try:
        _fill(job, mapping(value, "the file"))
        check_ids(job)
    except FormatError as error:
        error.at(name)
        job.error = error
    yield job


def _fill(job: Job, data: Mapping[str, object]) -> None:
    entities = sequence_of(data.get("sequences"), "sequences")
    if not entities:
        raise FormatError("the job has no sequences", hint="add proteins and ligands under the key sequences")
    for number, entity in enumerate(entities):
        place = f"sequences[{number}]"
        parts = mapping(entity, place)
        if len(parts) != 1:
            raise FormatError(f"{place} must have one key: {', '.join(map(str, parts)) or 'it has none'}")
        ((kind, value),) = parts.items()
        _add(job, kind.lower(), mapping(value, f"{place}.{kind}"), f"{place}.{kind}")
    for number, each in enumerate(sequence_of(data.get("constraints"), "constraints")):
        _constrain(job, mapping(each, f"constraints[{number}]"), f"constraints[{number}]")
    if data.get("templates"):
        job.leave_out("templates")
    if data.get("properties"):
        job.leave_out("properties to predict (affinity)")


def _add(job: Job, kind: str, data: Mapping[str, object], place: str) -> None:
    ids = ids_of(data.get("id"), f"{place}.id")
    if kind in _POLYMERS:
        sequence = text_of(data.get("sequence"), f"{place}.sequence")
        modifications = []
        for number, each in enumerate(sequence_of(data.get("modifications"), f"{place}.modifications")):
            where = f"{place}.modifications[{number}]"
            one = mapping(each, where)
            position = position_of(one.get("position"), f"{where}.position")
            modifications.append((position, text_of(one.get("ccd"), f"{where}.ccd")))
        job.polymers.append(Polymer(kind, ids, sequence, tuple(modifications)))
        if data.get("msa") not in (None, "empty"):
            job.leave_out("alignments")
        if str(data.get("cyclic", "")).lower() == "true":
            job.leave_out(f"the bond that makes {', '.join(ids)} a cycle")
    elif kind == "ligand":
        if ("smiles" in data) == ("ccd" in data):
            raise FormatError(f"{place} needs either smiles or ccd")
        if "smiles" in data:
            job.ligands.append(JobLigand(ids, text_of(data["smiles"], f"{place}.smiles")))
        else:
            job.ligands.append(JobLigand(ids, components=ids_of(data["ccd"], f"{place}.ccd")))
    else:
        raise FormatError(f"{place} has an unknown kind", hint="kinds are protein, rna, dna and ligand")


def _constrain(job: Job, constraint: Mapping[str, object], place: str) -> None:
    """Use the residues of a pocket as the site of its ligand; note other constraints."""
    if "bond" in constraint:
        job.leave_out("covalent bonds between chains and ligands")
    if "contact" in constraint:
        job.leave_out("contacts as constraints")
    if "pocket" not in constraint:
        return
    pocket = mapping(constraint["pocket"], f"{place}.pocket")
    binder = text_of(pocket.get("binder"), f"{place}.pocket.binder")
    if job.binder or binder not in {id for ligand in job.ligands for id in ligand.ids}:
        job.leave_out(f"the pocket of {binder}")
        return
    proteins = {id for polymer in job.polymers if polymer.kind == "protein" for id in polymer.ids}
    for number, contact in enumerate(sequence_of(pocket.get("contacts"), f"{place}.pocket.contacts")):
        where = f"{place}.pocket.contacts[{number}]"
        if not isinstance(contact, list) or len(contact) != 2:
            raise FormatError(f"{where} is not a chain and a residue")
        chain = text_of(contact[0], where)
        if chain in proteins:
            job.pocket.setdefault(chain, set()).add(position_of(contact[1], where))
        else:
            job.leave_out(f"contacts of the pocket in {chain}")
    job.binder = binder
