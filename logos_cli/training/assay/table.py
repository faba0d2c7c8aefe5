"""A table of measured values: proteins with their fitness, or molecules with their activity."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from logos_cli.chemistry.smiles import canonical_smiles
from logos_cli.errors import InputError, UsageError
from logos_cli.formats.base import Entry, ReadOptions
from logos_cli.formats.detect import detect
from logos_cli.io.input import Input
from logos_cli.io.missing import is_missing
from logos_cli.objects.base import ScienceObject, to_text
from logos_cli.objects.molecule import Molecule
from logos_cli.objects.protein import Protein
from logos_cli.tasks.design.baselines import n_mutations

Split = Literal["random", "mutations"]

VALUE_COLUMNS: Final = (
    "fitness", "dms_score", "score", "log_fitness", "activity", "pic50", "pki", "pchembl_value", "affinity", "value",
    "effect", "measurement",
)  # fmt: skip
"""Usual names of the measured column, in lower case; the first one found is used."""
_FEWEST, _FEWEST_TRAINED = 30, 20


@dataclass(frozen=True, slots=True)
class Assay:
    """A table of measured values.

    Attributes
    ----------
    path, sha256 : str
    kind : {"protein", "molecule"}
    column : str
        The measured column.
    payloads, texts : tuple of str
        Residues or SMILES, and their sentences.
    values : ndarray
        Measured values; the mean of rows with the same protein or molecule, however its SMILES is written.
    n_unmeasured, n_refused, n_repeated : int
        Rows without a value, with an object that cannot be read, and with the protein or molecule of an earlier row.
    """

    path: str
    sha256: str
    kind: str
    column: str
    payloads: tuple[str, ...]
    texts: tuple[str, ...]
    values: NDArray[np.float64]
    n_unmeasured: int = 0
    n_refused: int = 0
    n_repeated: int = 0


def read_assay(path: str, column: str | None = None, value: str | None = None) -> Assay:
    """Read a table (CSV, TSV, Parquet … as every table).

    Parameters
    ----------
    column : str, optional
        The column with the sequence or SMILES; by default it is found by its name.
    value : str, optional
        The column with the measured value; by default the first with a usual name.

    Raises
    ------
    UsageError
        If no column is found, or the named one does not exist.
    InputError
        If a value is no number, the rows are few, all of one value, or neither proteins nor molecules.
    """
    with closing(Input(path)) as source:
        entries = list(detect(source).read(source, ReadOptions(column=column)))
        sha256 = str(source.provenance.get("sha256", ""))
    value = _value_column(entries, value, path)
    found: dict[str, list[float]] = {}
    items: dict[str, ScienceObject] = {}
    n_unmeasured = n_refused = 0
    for entry in entries:
        measured = _number(entry, value, path)
        if measured is None:
            n_unmeasured += 1
        elif entry.item is None:
            n_refused += 1
        else:
            key = _key(entry.item)
            items.setdefault(key, entry.item)
            found.setdefault(key, []).append(measured)
    kinds = {type(item) for item in items.values()}
    if len(kinds) != 1 or not kinds <= {Protein, Molecule}:
        raise InputError(
            "the rows are neither all proteins nor all molecules", source=path, hint="--column names theirs"
        )
    if len(found) < _FEWEST:
        raise InputError(
            f"{len(found)} different {'proteins' if kinds == {Protein} else 'molecules'} have a value; {_FEWEST} are needed",
            source=path,
            hint="--column names the column with the measured ones, if the table has several",
        )
    values = np.array([float(np.mean(each)) for each in found.values()])
    if values.min() == values.max():
        raise InputError("all measured values are equal: there is nothing to learn", source=path)
    payloads = tuple(item.sequence if isinstance(item, Protein) else _smiles(item) for item in items.values())
    texts = tuple(map(to_text, items.values()))
    n_rows = sum(len(each) for each in found.values())
    kind = "protein" if kinds == {Protein} else "molecule"
    return Assay(path, sha256, kind, value, payloads, texts, values, n_unmeasured, n_refused, n_rows - len(found))


def _key(item: ScienceObject) -> str:
    """Return what two rows of one protein or molecule share; a molecule has many SMILES."""
    return canonical_smiles(item.smiles) if isinstance(item, Molecule) else to_text(item)


def _smiles(item: ScienceObject) -> str:
    return item.smiles if isinstance(item, Molecule) else ""


def _value_column(entries: Sequence[Entry], value: str | None, path: str) -> str:
    names = list(dict.fromkeys(name for entry in entries for name in entry.source.get("columns", {})))
    if value is not None:
        if value not in names:
            known = f"it has {', '.join(names)}" if names else "its other cells are empty"
            raise UsageError(f"the table has no column {value!r} with values", source=path, hint=known)
        return value
    if not names:
        raise UsageError("no row has a measured value", source=path, hint="the cells beside the sequences are empty")
    lower = {name.lower(): name for name in reversed(names)}
    found = next((lower[name] for name in VALUE_COLUMNS if name in lower), None)
    if found is None:
        raise UsageError(
            f"no column with measured values is known among: {', '.join(names) or '(none)'}",
            source=path,
            hint="name it: --fitness NAME",
        )
    return found


def _number(entry: Entry, value: str, path: str) -> float | None:
    cell = entry.source.get("columns", {}).get(value)
    if is_missing(cell):
        return None
    text = str(cell).strip()
    number = _float(text)
    if number is None:
        raise InputError(
            f"the cell {text[:40]!r} in column {value!r} is not a number",
            source=f"{path}:{entry.source.get('line', '?')}",
            hint="write numbers with a decimal point and without a unit, and leave out rows with a limit of detection (>10)",
        )
    if not math.isfinite(number):
        raise InputError(f"a value in column {value!r} is not finite", source=f"{path}:{entry.source.get('line', '?')}")
    return number


def _float(text: str) -> float | None:
    """Return the number of a cell; Python reads 1_000 as one, and tables do not."""
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def reference_of(payloads: Sequence[str], given: str | None = None) -> str | None:
    """Return the sequence that mutations are counted from: the given one, or the consensus of one length."""
    if given is not None:
        return given
    if len({len(payload) for payload in payloads}) != 1:
        return None
    letters = np.array([list(payload) for payload in payloads])
    columns = (np.unique(column, return_counts=True) for column in letters.T)
    return "".join(str(names[counts.argmax()]) for names, counts in columns)


def held_out(assay: Assay, share: float, split: Split, seed: int, reference: str | None) -> list[int]:
    """Return the rows that are not trained on: random ones, or those with the most mutations.

    Raises
    ------
    UsageError
        If mutations cannot be counted, or hardly a row is left to train on.
    """
    n = max(10, round(share * len(assay.values)))
    if (left := len(assay.values) - n) < _FEWEST_TRAINED:
        raise UsageError(
            f"--held-out {share:g} leaves {max(0, left)} of {len(assay.values)} rows; {_FEWEST_TRAINED} are needed to train",
            hint="hold fewer out",
        )
    order = np.random.default_rng(seed).permutation(len(assay.values))
    if split == "mutations":
        if assay.kind != "protein" or reference is None:
            raise UsageError(
                "a split by mutations needs proteins of one length, or a wild type",
                hint="--split random, or --wild-type",
            )
        counts = np.array([n_mutations(reference, assay.payloads[row]) for row in order])
        order = order[np.argsort(-counts, kind="stable")]
    rows: list[int] = order[:n].tolist()
    return rows
