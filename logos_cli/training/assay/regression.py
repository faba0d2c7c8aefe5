"""Train the regression of an adapted model: Bayesian ridge, or a Gaussian process of a small table."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from logos_cli.errors import MissingError
from logos_cli.tasks.design.oracle import RESIDUES
from logos_cli.tasks.design.surrogate import Surrogate, features

Floats = NDArray[np.float64]
Method = Literal["auto", "gp", "ridge"]

_MOST_ROWS_OF_GP: Final = 600


def train_regression(
    kind: str, payloads: Sequence[str], values: Floats, *, method: Method = "auto", sign: float = 1.0
) -> Surrogate:
    """Return a regression of values, higher being better.

    Parameters
    ----------
    kind : {"protein", "molecule"}
    method : {"auto", "gp", "ridge"}
        ``auto`` is a Gaussian process up to 600 rows.
    sign : float
        -1 if the values are those of the table with the sign changed.

    Raises
    ------
    MissingError
        If scikit-learn is not installed.
    InputError
        If proteins differ in length.
    """
    try:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
        from sklearn.linear_model import BayesianRidge
    except ImportError as error:
        raise MissingError(
            "the regression on a table needs scikit-learn", hint="pip install 'logos-cli[oracle]'"
        ) from error
    rows = features(kind, payloads).astype(np.float64)
    profile = (
        (rows.sum(0).reshape(-1, len(RESIDUES)) + 1.0) / (len(rows) + len(RESIDUES)) if kind == "protein" else rows
    )
    columns = np.flatnonzero(rows.std(0) > 0)
    offset = rows[:, columns].mean(0)
    rows = rows[:, columns] - offset
    numbers = {"sign": sign, "best": float(values.max()), "mean": float(values.mean())}
    if kind == "protein":
        numbers["length"] = float(len(payloads[0]))
    arrays = {"columns": columns.astype(np.float64), "offset": offset}
    if kind == "protein":
        arrays["profile"] = profile
    method = ("gp" if len(rows) <= _MOST_ROWS_OF_GP else "ridge") if method == "auto" else method
    if method == "ridge":
        ridge = BayesianRidge(fit_intercept=False).fit(rows, values - numbers["mean"])
        numbers["noise"] = float(1 / ridge.alpha_)
        arrays |= {"weights": ridge.coef_, "covariance": ridge.sigma_}
        return Surrogate("", kind, "ridge", numbers, arrays)
    deviation = float(values.std()) or 1.0
    kernel = ConstantKernel(1.0) * RBF(float(np.sqrt((rows**2).sum(1).mean() * 2)) or 1.0) + WhiteKernel(0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a bound of the noise is a good answer
        process = GaussianProcessRegressor(kernel, random_state=0).fit(rows, (values - numbers["mean"]) / deviation)
    signal, noise = process.kernel_.k1, process.kernel_.k2.noise_level
    numbers |= {
        "noise": float(noise * deviation**2), "deviation": deviation,
        "scale": float(signal.k1.constant_value), "length_scale": float(signal.k2.length_scale),
    }  # fmt: skip
    arrays |= {"rows": rows, "dual": process.alpha_, "cholesky": process.L_}
    return Surrogate("", kind, "gp", numbers, arrays)
