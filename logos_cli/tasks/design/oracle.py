"""Fitness of sequences from the user's oracle: a model in a joblib file, or a command."""

from __future__ import annotations

import math
import shlex
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from logos_cli.errors import InputError, LogosError, MissingError, UsageError
from logos_cli.io import places
from logos_cli.processes.failure import describe_end

RESIDUES: Final = "ACDEFGHIKLMNPQRSTVWY"
"""Order of the twenty columns of each residue in a one-hot row."""

_LEAST_ODDS, _MOST_ODDS = 1e-4, 1e4

OracleInput = Literal["auto", "one-hot", "sequence", "fasta"]
_SUFFIXES = (".joblib", ".pkl", ".pickle")
_SHOWN = 500
"""Most characters of a command's standard error that a message quotes."""


def exchange_odds(own: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weights by which positions of an edit are drawn, from the frequencies of their present residues in a table."""
    return np.clip((1 - own) / own, _LEAST_ODDS, _MOST_ODDS)


class Oracle(ABC):
    """Predicts a number for each sequence."""

    name: str
    lower_is_better = False

    @abstractmethod
    def predict(self, sequences: Sequence[str]) -> list[float | None]:
        """Return a number for each sequence; None where the oracle returns no finite number.

        Raises
        ------
        LogosError
            If the oracle fails, or returns too few or too many values.
        """

    def why_not(self, _sequence: str) -> str | None:
        """Return why the oracle cannot predict a sequence; None, as by default, where it may."""
        return None

    def deviations(self, sequences: Sequence[str]) -> list[float | None]:
        """Return the standard deviation of each prediction; None, as by default, where the oracle knows none."""
        return [None] * len(sequences)

    def table_logps(self, _sequences: Sequence[str]) -> list[float] | None:
        """Return the log-likelihood of each under the frequencies of residues in its table; None, as by default, without one."""
        return None


def open_oracle(text: str, input: OracleInput = "auto", *, trust_pickle: bool = False) -> Oracle:
    """Return the oracle that a text names: a joblib or pickle file, or else a command line.

    A joblib file is code, and loading it runs that code. The first prediction loads it.

    Parameters
    ----------
    trust_pickle : bool
        Whether the user has stated that the code of the file may run.

    Raises
    ------
    UsageError
        If the file or the program does not exist, or does not support the input, or a file is not trusted.
    """
    if input not in get_args(OracleInput):
        raise UsageError(f"there is no oracle input {input!r}", hint=f"choose {', '.join(get_args(OracleInput))}")
    if text.lower().endswith(_SUFFIXES):
        if not places.is_file(text):
            raise UsageError("there is no such model file", source=text, hint="check the path of --oracle")
        if not trust_pickle:
            raise UsageError(
                "a model file (joblib, pickle) is a program: loading it runs whatever its author put in",
                source=text,
                hint="if you trust its source, add --trust-pickle; a command as oracle needs no such trust",
            )
        if input == "fasta":
            raise UsageError(
                "a model file reads one-hot rows or sequences, not FASTA", source=text, hint="--oracle-input sequence"
            )
        return _ModelOracle(text, input)
    if input == "one-hot":
        raise UsageError("a command reads sequences or FASTA, not one-hot rows", hint="--oracle-input sequence")
    return _CommandOracle(text, fasta=input == "fasta")


class _CommandOracle(Oracle):
    """A program that reads sequences on standard input and writes one number a line."""

    def __init__(self, text: str, *, fasta: bool) -> None:
        from shutil import which

        try:
            words = shlex.split(text)
        except ValueError as error:
            raise UsageError(f"the oracle command cannot be parsed: {error}", text=text) from error
        if not words:
            raise UsageError("the oracle command is empty", hint="give a command, or a .joblib file")
        if which(words[0]) is None:
            raise UsageError(
                f"the oracle's program {words[0]!r} is not found",
                hint="give a command on PATH, a path to one, or a .joblib file",
            )
        self.name = text
        self._words = words
        self._fasta = fasta

    def predict(self, sequences: Sequence[str]) -> list[float | None]:
        """Run the command once for all sequences."""
        if self._fasta:
            stdin = "".join(f">{number}\n{sequence}\n" for number, sequence in enumerate(sequences, 1))
        else:
            stdin = "".join(f"{sequence}\n" for sequence in sequences)
        try:
            completed = subprocess.run(self._words, input=stdin, capture_output=True, encoding="utf-8", check=False)
        except OSError as error:
            raise LogosError(f"the oracle cannot be run: {error.strerror}", source=self.name) from error
        except UnicodeDecodeError as error:
            raise InputError("the oracle's output is not text", source=self.name) from error
        stderr = f": {_last(completed.stderr)}" if completed.stderr.strip() else ""
        if completed.returncode:
            raise LogosError(f"the oracle ended {describe_end(completed.returncode)}{stderr}", source=self.name)
        lines = [line.strip() for line in completed.stdout.splitlines() if line.strip()]
        if len(lines) != len(sequences):
            raise InputError(
                f"the oracle wrote {len(lines):,} lines for {len(sequences):,} sequences{stderr}",
                source=self.name,
                hint="it must write one number a line, in the order of the sequences",
            )
        return _finite(_number(line, place, self.name) for place, line in enumerate(lines, 1))


class _ModelOracle(Oracle):
    """An object with ``predict``, such as an estimator of scikit-learn."""

    def __init__(self, path: str, input: OracleInput) -> None:
        self.name = path
        self._input = input
        self._model: Any = None

    def predict(self, sequences: Sequence[str]) -> list[float | None]:
        """Predict all sequences in one call of the model."""
        if self._model is None:
            self._model = _load_model(self.name)
        rows: Any = list(sequences)
        if self._wants_one_hot(len(sequences[0]) if sequences else 0):
            rows = one_hot(sequences)
        try:
            values = np.asarray(self._model.predict(rows), dtype=np.float64)
        except Exception as error:  # foreign code may raise anything
            raise LogosError(
                f"the oracle fails: {type(error).__name__}: {_last(str(error))}",
                source=self.name,
                hint="--oracle-input one-hot or sequence sets the model's input",
            ) from error
        if values.size != len(sequences):
            raise InputError(
                f"the oracle returned {values.size:,} values for {len(sequences):,} sequences", source=self.name
            )
        return _finite(values.reshape(-1).tolist())

    def _wants_one_hot(self, length: int) -> bool:
        if self._input != "auto":
            return self._input == "one-hot"
        return getattr(self._model, "n_features_in_", None) == len(RESIDUES) * length


def one_hot(sequences: Sequence[str]) -> NDArray[np.float32]:
    """Return sequences of one length as rows with 20 columns for each residue, in the order of :data:`RESIDUES`.

    The columns of a residue other than the twenty are all zero.

    Returns
    -------
    ndarray of float32, shape (n, 20 * length)

    Raises
    ------
    InputError
        If the lengths differ.
    """
    lengths = {len(sequence) for sequence in sequences}
    if len(lengths) > 1:
        raise InputError("one-hot rows need sequences of one length", hint="use --oracle-input sequence")
    letters = np.array([list(sequence) for sequence in sequences])
    columns = letters[:, :, None] == np.array(list(RESIDUES))
    rows: NDArray[np.float32] = columns.reshape(len(sequences), -1).astype(np.float32)
    return rows


def _load_model(path: str) -> Any:
    try:
        import joblib
    except ImportError as error:
        raise MissingError("a model file as oracle needs joblib", hint="pip install 'logos-cli[oracle]'") from error
    try:
        model = joblib.load(path)
    except ModuleNotFoundError as error:
        raise MissingError(
            f"the oracle's model needs the package {error.name}", source=path, hint=f"pip install {error.name}"
        ) from error
    except Exception as error:  # unpickling runs foreign code
        raise InputError(
            f"the oracle's model cannot be loaded: {type(error).__name__}: {_last(str(error))}", source=path
        ) from error
    if not callable(getattr(model, "predict", None)):
        raise InputError(f"the file holds a {type(model).__name__}, which has no predict()", source=path)
    return model


def _number(line: str, place: int, source: str) -> float:
    try:
        return float(line)
    except ValueError as error:
        raise InputError(
            f"the oracle's line {place} is not a number: {line[:80]!r}",
            source=source,
            hint="it must write one number a line and nothing else",
        ) from error


def _finite(values: Iterable[float]) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values]


def _last(text: str) -> str:
    """Return the end of a program's message, which holds the reason, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"…{line[-_SHOWN:]}"
