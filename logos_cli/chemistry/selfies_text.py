"""SELFIES: read and written by the library ``selfies``, checked by reading what was written."""

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
    """Whether a text is nothing but symbols in brackets, as every SELFIES is, and a few SMILES."""
    return text.startswith("[") and text.endswith("]") and _SYMBOLS.fullmatch(text) is not None


def is_selfies(text: str) -> bool:
    """Whether a text is SELFIES beyond doubt: some symbol is no atom of a SMILES."""
    return is_symbols(text) and _NO_ATOM.search(text) is not None


def may_be_selfies(text: str) -> bool:
    """Whether a text is a SMILES of atoms without hydrogens, and a SELFIES of a common molecule: ``[C][C][O]``."""
    return is_symbols(text) and _NO_ATOM.search(text) is None and _BARE_ATOM.search(text) is not None


def ambiguous_error(text: str) -> MoleculeError:
    """Return the error for a text that can be read in both ways."""
    return MoleculeError(
        f"{text[:_SHOWN]} is SELFIES of a molecule, or SMILES of atoms without hydrogens",
        hint="for SELFIES name the file .selfies, or the column selfies; for SMILES write the hydrogens",
        text=text,
    )


def smiles_of_selfies(text: str) -> tuple[str, list[str]]:
    """Return the canonical SMILES of a SELFIES, and notes.

    The default valences of the library hold. If the SELFIES asks for more bonds, and is what the library writes for the
    molecule with all of them (perchloric acid), that molecule is meant.

    Raises
    ------
    MoleculeError
        If it is no SELFIES, has symbols of an older version, or RDKit rejects the molecule.
    """
    import selfies

    from logos_cli.chemistry.smiles import canonical_smiles

    if not is_symbols(text):
        raise MoleculeError(f"{text[:_SHOWN]} is no SELFIES", hint="SELFIES is symbols in brackets", text=text)
    try:
        smiles = selfies.decoder(text)
        with _unbounded_valences():
            whole = selfies.decoder(text)
    except selfies.DecoderError as error:
        reason = str(error).split("\n")[0]
        hint = "SELFIES of versions before 2 must be translated by that version"
        raise MoleculeError(f"selfies rejects {text[:_SHOWN]}: {reason}", hint=hint, text=text) from error
    if not smiles:
        raise MoleculeError(f"the SELFIES {text[:_SHOWN]} has no atoms", text=text)
    if whole == smiles:
        return canonical_smiles(smiles), []
    try:
        if selfies.encoder(whole, strict=False) == text:
            return canonical_smiles(whole), [_OTHER_VALENCES]
    except (selfies.EncoderError, MoleculeError):
        pass  # a text that no molecule was written as
    return canonical_smiles(smiles), [_LEFT_OUT]


def selfies_of_smiles(smiles: str) -> str:
    """Return the SELFIES of a molecule, which gives the same molecule back.

    Raises
    ------
    MoleculeError
        If the library has no symbols for it: hypervalent halogens, dative bonds, atoms of any element.
    """
    import selfies
    from rdkit import Chem

    from logos_cli.chemistry.smiles import canonical_smiles, parse_smiles

    molecule = parse_smiles(smiles)
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
    """Let the library form every bond that a SELFIES asks for."""
    import selfies

    known = selfies.get_semantic_constraints()
    selfies.set_semantic_constraints(dict.fromkeys(known, _UNBOUNDED))
    try:
        yield
    finally:
        selfies.set_semantic_constraints(known)
