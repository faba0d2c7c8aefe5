"""Parse SMILES by RDKit, and report its reason for a rejection."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable

from rdkit import Chem, rdBase

from logos_cli.chemistry.rare_stereo import check_cumulenes
from logos_cli.chemistry.smiles_check import is_surely_valid
from logos_cli.errors import MoleculeError, Span
from logos_cli.grammar.spec import SMILES

_FOREIGN = re.compile(f"[^{re.escape(''.join(sorted(SMILES)))}]")
_TIME = re.compile(r"^\[[0-9:]+\]\s*(?:SMILES Parse Error:\s*)?")
_POSITION = re.compile(r"around position (\d+)")
_MAP = re.compile(r":\d+\]")


def parse_smiles(smiles: str) -> Chem.Mol:
    """Return RDKit's molecule of a SMILES, sanitized.

    Raises
    ------
    MoleculeError
        If RDKit rejects the SMILES, with its reason and, if it is known, the position.
    """
    if wrong := _FOREIGN.search(smiles):
        raise MoleculeError(
            f"{wrong.group()!r} is not a SMILES character",
            text=smiles,
            span=Span(*wrong.span()),
            hint="write plain SMILES, without extensions",
        )
    molecule = attempt(lambda: Chem.MolFromSmiles(smiles))
    if molecule is None:
        reason, span = _why(smiles)
        raise MoleculeError(f"RDKit rejects the SMILES {_shorten(smiles)}: {reason}", text=smiles, span=span)
    if molecule.GetNumAtoms() == 0:
        raise MoleculeError("the SMILES has no atoms", text=smiles)
    return molecule


def canonical_smiles(smiles: str) -> str:
    """Return RDKit's canonical isomeric SMILES.

    Raises
    ------
    MoleculeError
        If RDKit rejects the SMILES.
    """
    return str(Chem.MolToSmiles(parse_smiles(smiles)))


def smiles_without_maps(smiles: str) -> str:
    """Return a SMILES without the numbers of mapped atoms: canonical if it has any, else as it is.

    Raises
    ------
    MoleculeError
        If RDKit rejects a mapped SMILES.
    """
    if not _MAP.search(smiles):
        return smiles
    molecule = parse_smiles(smiles)
    for atom in molecule.GetAtoms():
        atom.SetAtomMapNum(0)
    # reading it again removes the explicit hydrogens of `[CH3:1]`, which the map had kept
    return canonical_smiles(str(Chem.MolToSmiles(molecule)))


def _why(smiles: str) -> tuple[str, Span | None]:
    """Return RDKit's reason for rejecting a SMILES, and the position if RDKit reports it."""
    lines = rejection(lambda sanitize: Chem.MolFromSmiles(smiles, sanitize=sanitize))
    if place := _POSITION.search("\n".join(lines)):
        start = min(int(place[1]) - 1, len(smiles) - 1)
        return f"syntax error near character {start + 1}", Span(start, start + 1)
    return lines[0].split(" for input:")[0], None


def attempt(parse: Callable[[], Chem.Mol | None]) -> Chem.Mol | None:
    """Return the molecule that RDKit reads, without its log; None if it fails, also by an exception."""
    with rdBase.BlockLogs():
        try:
            return parse()
        except (RuntimeError, ValueError, OverflowError):
            return None


def rejection(parse: Callable[[bool], Chem.Mol | None]) -> list[str]:
    """Return RDKit's reasons for rejecting the molecule of ``parse(sanitize)``, at least one."""
    problems: list[str] = []

    def detect() -> None:
        if (parsed := parse(False)) is not None:
            problems.extend(problem.Message() for problem in Chem.DetectChemistryProblems(parsed))

    attempt(detect)
    return problems or _rdkit_log(lambda: parse(True)) or ["no reason given"]


class _Lines(logging.Handler):
    """Keeps messages."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(_TIME.sub("", record.getMessage()))


def _rdkit_log(parse: Callable[[], object]) -> list[str]:
    """Return the lines that RDKit logs during ``parse``: only its log explains errors of syntax."""
    logger = logging.getLogger("rdkit")
    handler, handlers, propagate = _Lines(), logger.handlers, logger.propagate
    logger.handlers, logger.propagate = [handler], False
    rdBase.LogToPythonLogger()
    try:
        parse()
    except (RuntimeError, ValueError, OverflowError) as error:
        handler.lines.append(" ".join(str(error).split())[:200])
    finally:
        rdBase.LogToCppStreams()
        logger.handlers, logger.propagate = handlers, propagate
    return handler.lines


def _shorten(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}…"


def checked_smiles(smiles: str, *, canonical: bool) -> str:
    """Return a SMILES that RDKit accepts, as given or canonical.

    Raises
    ------
    MoleculeError
        If RDKit rejects it, or its canonical form would lack the stereo of a cumulene.
    """
    if canonical:
        check_cumulenes(smiles, "the canonical SMILES")
        return canonical_smiles(smiles)
    if not is_surely_valid(smiles):
        parse_smiles(smiles)
    return smiles
