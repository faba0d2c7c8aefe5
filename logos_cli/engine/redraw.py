"""What is drawn again of a sample, in a module without numerical libraries."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Redraw:
    """What is drawn again of a finished sample, each residue given all others of its block: see :mod:`.gibbs`.

    Attributes
    ----------
    pattern : str
        Regular expression of the answer with what is given before it; its groups are the parts that are drawn again. A
        residue that it does not permit is not drawn.
    n_sweeps : int
        How often each residue is drawn again.
    """

    pattern: str
    n_sweeps: int
