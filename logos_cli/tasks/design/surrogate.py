"""A regression on measured values, with its uncertainty: an oracle that is arrays and numbers, not code.

``oracle.json`` describes it, and ``oracle.safetensors`` beside it holds its arrays. Features are one-hot rows of
proteins of one length, or counts of Morgan fingerprints (radius 2, 2,048 bits) of molecules. Two models have the same form
of prediction, a mean and a covariance of the values without noise: Bayesian ridge regression, and a Gaussian process
with a squared-exponential kernel (``training/assay/regression.py`` trains both with scikit-learn).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from numpy.typing import NDArray

from logos_cli.errors import InputError, MoleculeError, UsageError
from logos_cli.records.json_text import parse_json
from logos_cli.tasks.design.oracle import Oracle, OracleInput, one_hot, open_oracle

if TYPE_CHECKING:
    from collections.abc import Mapping

Floats = NDArray[np.float64]
Acquisition = Literal["ucb", "ei"]

DESCRIPTION: Final = "oracle.json"
ARRAYS: Final = "oracle.safetensors"
_FORMAT: Final = 1
_BETA: Final = 2.0
"""Weight of the standard deviation in the upper confidence bound."""


def features(kind: str, payloads: Sequence[str]) -> NDArray[np.float32]:
    """Return a row for each protein or molecule.

    Raises
    ------
    InputError
        If proteins differ in length, or a SMILES is not valid.
    """
    if kind == "protein":
        return one_hot(payloads)
    from rdkit import Chem
    from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator

    generator = GetMorganGenerator(radius=2, fpSize=2048)
    rows = np.zeros((len(payloads), 2048), np.float32)
    for place, smiles in enumerate(payloads):
        molecule = Chem.MolFromSmiles(smiles)
        if molecule is None:
            raise MoleculeError("RDKit does not read the SMILES", text=smiles)
        rows[place] = generator.GetCountFingerprintAsNumPy(molecule)
    return rows


@dataclass
class Surrogate(Oracle):
    """A trained regression.

    Attributes
    ----------
    name : str
        The folder that it was read from.
    kind : {"protein", "molecule"}
    method : {"ridge", "gp"}
    numbers : mapping
        ``mean``, ``noise`` (variance of a measurement), ``best`` (highest measured value), ``sign`` (-1 where lower is
        better; predictions have the unit of the table), ``length`` of the proteins; of a Gaussian process also
        ``scale`` (of the kernel), ``length_scale`` and ``deviation``.
    arrays : mapping
        ``columns`` (features in use), ``offset``; ``weights`` and ``covariance`` of a ridge, ``rows``, ``dual`` and
        ``cholesky`` of a Gaussian process. Of proteins also ``profile``: the frequencies of residues in the table, shape
        (length, 20), with one pseudocount each.
    """

    name: str
    kind: str
    method: str
    numbers: dict[str, float]
    arrays: dict[str, Floats]

    @classmethod
    def read(cls, folder: Path) -> Surrogate:
        """Read an oracle.

        Raises
        ------
        InputError
            If a file is damaged.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            described = parse_json((folder / DESCRIPTION).read_text(encoding="utf-8"))
            if described["format"] != _FORMAT:
                raise InputError(
                    f"the oracle has the format {described['format']}", source=str(folder), hint="update logos"
                )
            arrays = {name: array.astype(np.float64) for name, array in load_file(folder / ARRAYS).items()}
            return cls(str(folder), described["kind"], described["method"], described["numbers"], arrays)
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise InputError(f"the oracle cannot be read: {error}", source=str(folder)) from error

    def write(self, folder: Path, about: Mapping[str, object]) -> None:
        """Write the oracle, with facts about it for the reader."""
        from safetensors.numpy import save_file

        described = {
            "format": _FORMAT, "kind": self.kind, "method": self.method, "numbers": self.numbers, "about": dict(about)
        }  # fmt: skip
        (folder / DESCRIPTION).write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
        # safetensors writes the memory of an array, whatever its order: a Cholesky factor of LAPACK is in columns
        halved = {
            name: array.astype(np.float32 if name == "covariance" else np.float64)
            for name, array in self.arrays.items()
        }
        save_file({name: np.ascontiguousarray(array) for name, array in halved.items()}, folder / ARRAYS)

    @property
    def lower_is_better(self) -> bool:  # type: ignore[override]  # a constant of other oracles
        """Whether low values of the table are the good ones."""
        return self.numbers["sign"] < 0

    def why_not(self, sequence: str) -> str | None:
        """Return why the oracle cannot predict a sequence: proteins need the length of those that it was trained on."""
        length = self.numbers.get("length")
        if not length or len(sequence) == length:
            return None
        return f"a sequence has {len(sequence):,} residues, those that the oracle was trained on have {length:,.0f}"

    def _rows(self, payloads: Sequence[str]) -> Floats:
        for payload in payloads:
            if reason := self.why_not(payload):
                raise InputError(reason, source=self.name, hint="it supports substitutions only")
        rows = features(self.kind, payloads).astype(np.float64)
        return rows[:, self.arrays["columns"].astype(np.int64)] - self.arrays["offset"]

    def posterior(self, payloads: Sequence[str]) -> tuple[Floats, Floats]:
        """Return the means, shape (n,), and covariances, shape (n, n), of the values; higher is better.

        Raises
        ------
        InputError
            If a sequence has another length, or a SMILES is not valid.
        """
        rows, arrays = self._rows(payloads), self.arrays
        if self.method == "ridge":
            return self._means(rows), rows @ arrays["covariance"] @ rows.T
        solved = self._solved(rows)
        return self._means(rows), (self._kernel(rows, rows) - solved.T @ solved) * self.numbers["deviation"] ** 2

    def _means(self, rows: Floats) -> Floats:
        arrays, numbers = self.arrays, self.numbers
        if self.method == "ridge":
            found: Floats = rows @ arrays["weights"] + numbers["mean"]
        else:
            found = self._kernel(rows, arrays["rows"]) @ arrays["dual"] * numbers["deviation"] + numbers["mean"]
        return found

    def _solved(self, rows: Floats) -> Floats:
        from scipy.linalg import solve_triangular

        found: Floats = solve_triangular(self.arrays["cholesky"], self._kernel(rows, self.arrays["rows"]).T, lower=True)
        return found

    def _kernel(self, first: Floats, second: Floats) -> Floats:
        squares = (first**2).sum(1)[:, None] + (second**2).sum(1)[None] - 2 * first @ second.T
        found: Floats = self.numbers["scale"] * np.exp(
            -np.maximum(squares, 0) / (2 * self.numbers["length_scale"] ** 2)
        )
        return found

    def predict(self, sequences: Sequence[str]) -> list[float | None]:
        """Return the mean of each, in the unit of the table."""
        if not sequences:
            return []
        values: list[float | None] = (self._means(self._rows(sequences)) * self.numbers["sign"]).tolist()
        return values

    def deviations(self, sequences: Sequence[str]) -> list[float | None]:
        """Return the standard deviation of each value, without the noise of a measurement."""
        if not sequences:
            return []
        rows = self._rows(sequences)
        if self.method == "ridge":
            variances = ((rows @ self.arrays["covariance"]) * rows).sum(1)
        else:
            variances = (self.numbers["scale"] - (self._solved(rows) ** 2).sum(0)) * self.numbers["deviation"] ** 2
        values: list[float | None] = np.sqrt(np.maximum(variances, 0)).tolist()
        return values

    def table_logps(self, sequences: Sequence[str]) -> list[float] | None:
        """Return the log-likelihood of each under the frequencies of residues in the table; None without them."""
        profile = self.arrays.get("profile")
        if profile is None or not sequences:
            return None
        logs = np.log(profile).reshape(-1)
        found: list[float] = (one_hot(sequences).astype(np.float64) @ logs).round(4).tolist()
        return found

    def acquire(self, payloads: Sequence[str], n: int, how: Acquisition = "ucb") -> list[tuple[int, float]]:
        """Choose a batch to measure next.

        After each choice the covariance is that after a measurement there (GP-BUCB, Desautels et al. 2014): what resembles
        a chosen one is no longer uncertain, so that the batch is diverse.

        Parameters
        ----------
        how : {"ucb", "ei"}
            Upper confidence bound (two standard deviations), or expected improvement over the best measured value.

        Returns
        -------
        list of (int, float)
            Places in ``payloads`` in the order of choice, with the acquisition value at that time.
        """
        from scipy.stats import norm

        mean, covariance = self.posterior(payloads)
        left, chosen = np.ones(len(payloads), dtype=bool), []
        for _ in range(min(n, len(payloads))):
            deviation = np.sqrt(np.maximum(np.diag(covariance), 1e-12))
            if how == "ei":
                gain = mean - self.numbers["best"]
                value = gain * norm.cdf(gain / deviation) + deviation * norm.pdf(gain / deviation)
            else:
                value = mean + _BETA * deviation
            place = int(np.argmax(np.where(left, value, -np.inf)))
            chosen.append((place, float(value[place])))
            left[place] = False
            column = covariance[:, place]
            covariance = covariance - np.outer(column, column) / (column[place] + self.numbers["noise"] + 1e-12)
        return chosen


def open_any_oracle(text: str, input: OracleInput = "auto", *, trust_pickle: bool = False) -> Oracle:
    """Return the oracle of an adapted model's folder, or that of :func:`~.oracle.open_oracle`.

    Raises
    ------
    UsageError, InputError
        If it cannot be used for proteins, or read.
    """
    folder = Path(text)
    if not (folder / DESCRIPTION).is_file():
        if folder.is_dir():
            raise UsageError(
                f"the folder has no {DESCRIPTION}",
                source=text,
                hint="logos train --assay writes a model with an oracle",
            )
        return open_oracle(text, input, trust_pickle=trust_pickle)
    surrogate = Surrogate.read(folder)
    if surrogate.kind != "protein":
        raise UsageError(f"the oracle was trained on {surrogate.kind}s", source=text, hint="it cannot rank proteins")
    return surrogate
