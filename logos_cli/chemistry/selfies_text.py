"""Read and write SELFIES by the library ``selfies``; written SELFIES are read again as a check."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from logos_cli.errors import MoleculeError

_SYMBOL: Final = r"\[[^\[\]\s]+\]"
_SYMBOLS: Final = re.compile(rf"{_SYMBOL}(?:\.?{_SYMBOL})*")
_NO_ATOM: Final = re.compile(r"\[(?:[=#/\\]|(?:Ring|Branch|nop\]))")
_BARE_ATOM: Final = re.compile(r"\[(?:[BCNOPSFI]|Cl|Br)\]")
_UNBOUNDED: Final = 100
_SHOWN: Final = 80
_LEFT_OUT: Final = "the SELFIES asks for more bonds than the default valences of selfies allow: they are left out"
_OTHER_VALENCES: Final = (
    "the SELFIES was written with other valences than the default ones of selfies, and is read with them"
)


def is_symbols(text: str) -> bool:
    """Return whether a text has only symbols in brackets, as every SELFIES and a few SMILES."""
    return text.startswith("[") and text.endswith("]") and _SYMBOLS.fullmatch(text) is not None


def is_selfies(text: str) -> bool:
    """Return whether a text is certainly SELFIES: one of its symbols is no atom of a SMILES."""
    return is_symbols(text) and _NO_ATOM.search(text) is not None


def may_be_selfies(text: str) -> bool:
    """Return whether a text is a SMILES of atoms without hydrogens, and SELFIES of a common molecule: ``[C][C][O]``."""
    return is_symbols(text) and _NO_ATOM.search(text) is None and _BARE_ATOM.search(text) is not None


def ambiguous_error(text: str) -> MoleculeError:
    """Return the error for a text that can be SELFIES or SMILES."""
    return MoleculeError(
        f"{text[:_SHOWN]} is SELFIES of a molecule, or SMILES of atoms without hydrogens",
        hint="for SELFIES name the file .selfies, or the column selfies; for SMILES write the hydrogens",
        text=text,
    )


def smiles_of_selfies(text: str) -> tuple[str, list[str]]:
    """Return the canonical SMILES of a SELFIES, and notes.

    The default valences of the library apply. If the SELFIES has more bonds, and the library writes it for the molecule
    with all of them (perchloric acid), that molecule is returned.

    Raises
    ------
    MoleculeError
        If it is not SELFIES, has symbols of an older version, or RDKit rejects the molecule.
    """
    import selfies

    from logos_cli.chemistry.smiles import canonical_smiles

    if not is_symbols(text):
        raise MoleculeError(f"{text[:_SHOWN]} is no SELFIES", hint="SELFIES is symbols in brackets", text=text)
    try:
        smiles = str(selfies.decoder(text))
    except selfies.DecoderError as error:
        reason = str(error).split("\n")[0]
        hint = "SELFIES of versions before 2 must be translated by that version"
        raise MoleculeError(f"selfies rejects {text[:_SHOWN]}: {reason}", hint=hint, text=text) from error
    if not smiles:
        raise MoleculeError(f"the SELFIES {text[:_SHOWN]} has no atoms", text=text)
    if _is_written_as(smiles, text):  # what most are: nothing was left out
        return canonical_smiles(smiles), []
    try:
        with _unbounded_valences():
            whole = str(selfies.decoder(text))
    except selfies.DecoderError:  # a symbol that only bounded valences let be skipped
        whole = smiles
    if whole == smiles:
        return canonical_smiles(smiles), []
    if _is_written_as(whole, text):
        try:
            return canonical_smiles(whole), [_OTHER_VALENCES]
        except MoleculeError:
            pass  # no molecule that RDKit accepts
    return canonical_smiles(smiles), [_LEFT_OUT]


def _is_written_as(smiles: str, text: str) -> bool:
    """Whether the library writes this text for a molecule, whatever its valences."""
    import selfies

    try:
        return bool(selfies.encoder(smiles, strict=False) == text)
    except selfies.EncoderError:
        return False


def selfies_of_smiles(smiles: str) -> str:
    """Return the SELFIES of a molecule, after a check that it gives the same molecule.

    Raises
    ------
    MoleculeError
        If the library has no symbols for it: hypervalent halogens, dative bonds, atoms of any element.
    """
    import selfies
    from rdkit import Chem

    from logos_cli.chemistry.rare_stereo import check_geometries
    from logos_cli.chemistry.smiles import canonical_smiles, parse_smiles

    molecule = parse_smiles(smiles)
    check_geometries(smiles, molecule, "the SELFIES", "write it --to smi")
    Chem.Kekulize(molecule, clearAromaticFlags=True)
    try:
        text = str(selfies.encoder(Chem.MolToSmiles(molecule, kekuleSmiles=True)))
    except selfies.EncoderError as error:
        reason = " ".join(str(error).split("\n\t")[-1].split())
        raise MoleculeError(f"selfies cannot write {smiles[:_SHOWN]}: {reason}", hint="write it --to smi") from error
    again, _ = smiles_of_selfies(text)
    if again != canonical_smiles(smiles):
        raise MoleculeError(
            f"the SELFIES of {smiles[:_SHOWN]} gives another molecule back: {again[:_SHOWN]}", hint="write it --to smi"
        )
    return text


@contextmanager
def _unbounded_valences() -> Iterator[None]:
    """Let the library form every bond of a SELFIES."""
    import selfies

    known = selfies.get_semantic_constraints()
    selfies.set_semantic_constraints(dict.fromkeys(known, _UNBOUNDED))
    try:
        yield
    finally:
        selfies.set_semantic_constraints(known)
