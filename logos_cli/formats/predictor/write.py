"""Write the inputs of AlphaFold 3, Boltz and Chai."""

from __future__ import annotations

import json
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, groupby, product
from typing import ClassVar, Final

from logos_cli.errors import UsageError
from logos_cli.formats.base import SingleWriter
from logos_cli.objects.antibody import Antibody
from logos_cli.objects.base import ScienceObject
from logos_cli.objects.complex import Complex
from logos_cli.objects.molecule import Molecule
from logos_cli.objects.protein import Protein
from logos_cli.records import Record

_RESIDUES: Final = frozenset("ACDEFGHIKLMNPQRSTVWYX")
_CHAIN_ID: Final = re.compile(r"[A-Z]{1,4}")
_CHAI_LIGAND: Final = re.compile(r"[A-Za-z0-9.\-+=#$%:/\\\[\]()<>@]+")
_MOST_SEED: Final = 2**32 - 1
IONS: Final = {
    ("Li", 1): "LI",
    ("Na", 1): "NA",
    ("K", 1): "K",
    ("Mg", 2): "MG",
    ("Ca", 2): "CA",
    ("Mn", 2): "MN",
    ("Fe", 2): "FE2",
    ("Fe", 3): "FE",
    ("Co", 2): "CO",
    ("Ni", 2): "NI",
    ("Cu", 1): "CU1",
    ("Cu", 2): "CU",
    ("Zn", 2): "ZN",
    ("Cd", 2): "CD",
    ("F", -1): "F",
    ("Cl", -1): "CL",
    ("Br", -1): "BR",
    ("I", -1): "IOD",
}
"""Component of the dictionary for each ion of one atom; predictors cannot embed a conformer of one."""


@dataclass(frozen=True, slots=True)
class _Parts:
    """Chains with ids, adjacent copies together, and the ligand."""

    chains: list[tuple[list[str], str]]
    ligand_id: str = ""
    smiles: str = ""
    component: str = ""


def _parts(record: Record, item: ScienceObject) -> _Parts:
    """Return the chains and the ligand of a job.

    Raises
    ------
    UsageError
        If the object has neither chains nor a ligand, or a chain has a letter that predictors do not know.
    """
    ligand: str | None = None
    if isinstance(item, Protein):
        sequences = [item.sequence]
    elif isinstance(item, Antibody):
        sequences = list(item.chains)
    elif isinstance(item, Complex):
        sequences, ligand = [chain.sequence for chain in item.chains], item.ligand
    elif isinstance(item, Molecule):
        sequences, ligand = [], item.smiles
    else:
        kind = type(item).__name__.lower()
        raise UsageError(f"predictors do not take a {kind}", hint="write it --to smi, csv or json")
    ids = _chain_ids(record, len(sequences))
    for id, sequence in zip(ids, sequences, strict=True):
        if others := sorted(set(sequence) - _RESIDUES):
            place = sequence.index(others[0]) + 1
            raise UsageError(
                f"residue {place} of chain {id} is {others[0]}, which predictors read as unknown",
                hint="replace it by one of the 20 amino acids, or by X",
            )
    grouped = groupby(zip(ids, sequences, strict=True), key=lambda chain: chain[1])
    chains = [([id for id, _ in members], sequence) for sequence, members in grouped]
    if ligand is None:
        return _Parts(chains)
    free = next(name for name in _spreadsheet() if name not in ids)
    return _Parts(chains, free, ligand, _ion(ligand))


def _chain_ids(record: Record, n_chains: int) -> list[str]:
    """Return the names of the record's chains if predictors allow them, else A, B, C and so on."""
    source: object = record.source.get("chains")
    if isinstance(source, list) and len(source) == n_chains == len(set(source)):
        names = [str(name) for name in source]
        if all(map(_CHAIN_ID.fullmatch, names)):
            return names
    letters = _spreadsheet()
    return [next(letters) for _ in range(n_chains)]


def _spreadsheet() -> Iterator[str]:
    """Yield A to Z, AA, AB and so on."""
    for length in count(1):
        yield from map("".join, product(string.ascii_uppercase, repeat=length))


def _ion(smiles: str) -> str:
    """Return the component of an ion of one atom; empty for any other molecule."""
    from logos_cli.chemistry.smiles import parse_smiles

    molecule = parse_smiles(smiles)
    if molecule.GetNumAtoms() != 1:
        return ""
    atom = molecule.GetAtomWithIdx(0)
    return "" if atom.GetTotalNumHs() else IONS.get((atom.GetSymbol(), atom.GetFormalCharge()), "")


def _one_or_list(ids: list[str]) -> str | list[str]:
    return ids[0] if len(ids) == 1 else ids


class AlphaFold3Writer(SingleWriter):
    """JSON of AlphaFold 3, dialect alphafold3 in version 1; ``options.seed`` is the model's seed."""

    suffixes: ClassVar[tuple[str, ...]] = ()
    ending = ".json"
    what = "an input of AlphaFold 3 is one job"

    def text_of(self, record: Record, item: ScienceObject) -> str:
        """Return the job of one object."""
        parts = _parts(record, item)
        sequences: list[dict[str, object]] = [
            {"protein": {"id": _one_or_list(ids), "sequence": sequence}} for ids, sequence in parts.chains
        ]
        if parts.smiles:
            what: dict[str, object] = {"ccdCodes": [parts.component]} if parts.component else {"smiles": parts.smiles}
            sequences.append({"ligand": {"id": parts.ligand_id, **what}})
        seed = self.options.seed
        if not 0 <= seed <= _MOST_SEED:
            raise UsageError(f"AlphaFold 3 does not accept the seed {seed}", hint="seeds are from 0 to 4294967295")
        job = {
            "name": record.id if re.search(r"[A-Za-z0-9]", record.id) else "job",
            "modelSeeds": [seed],
            "sequences": sequences,
            "dialect": "alphafold3",
            "version": 1,
        }
        return json.dumps(job, indent=2) + "\n"


class BoltzWriter(SingleWriter):
    """YAML of Boltz, without alignments (``boltz predict --use_msa_server`` makes them)."""

    suffixes: ClassVar[tuple[str, ...]] = (".yaml", ".yml")
    what = "an input of Boltz is one job"

    def text_of(self, record: Record, item: ScienceObject) -> str:
        """Return the job of one object."""
        import yaml

        parts = _parts(record, item)
        sequences: list[dict[str, object]] = [
            {"protein": {"id": _one_or_list(ids), "sequence": sequence}} for ids, sequence in parts.chains
        ]
        if parts.smiles:
            what = {"ccd": parts.component} if parts.component else {"smiles": parts.smiles}
            sequences.append({"ligand": {"id": parts.ligand_id, **what}})
        data = {"version": 1, "sequences": sequences}
        text: str = yaml.safe_dump(data, sort_keys=False, width=float("inf"), default_flow_style=False)
        return text


class ChaiWriter(SingleWriter):
    """FASTA of Chai: records ``protein|name=A`` and ``ligand|name=B``."""

    suffixes: ClassVar[tuple[str, ...]] = ()
    ending = ".fasta"
    what = "an input of Chai is one job"

    def text_of(self, record: Record, item: ScienceObject) -> str:
        """Return the job of one object."""
        parts = _parts(record, item)
        if parts.smiles and not _CHAI_LIGAND.fullmatch(parts.smiles):
            raise UsageError(f"Chai does not accept the SMILES {parts.smiles[:80]}", hint="write it --to boltz")
        lines = [f">protein|name={id}\n{sequence}\n" for ids, sequence in parts.chains for id in ids]
        if parts.smiles:
            lines.append(f">ligand|name={parts.ligand_id}\n{parts.smiles}\n")
        return "".join(lines)
