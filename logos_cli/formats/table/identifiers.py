"""Find the column of a table that identifies its rows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from logos_cli.io.missing import is_missing

_IDS: Final = (
    "id identifier record_id entry_id sequence_id compound_id molecule_id mol_id comp_id ligand_id reaction_id rxn_id "
    "catalog_id catalog_number idnumber accession primary_accession entry refcode csd_refcode"
)
_DATABASES: Final = (
    "chembl_id molecule_chembl_id compound_chembl_id chembl pubchem_cid pubchem_compound_cid cid pubchem_id pubchem_sid "
    "sid zinc_id zinc drugbank_id drugbank chebi_id chebi kegg_id kegg hmdb_id bindingdb_monomerid bindingdb_id "
    "monomerid dsstox_substance_id dtxsid unii cas cas_number cas_no cas_rn casrn cas_registry_number pdb_id pdb "
    "pdb_code het_id ligand_het_id uniprot_id uniprot surechembl_id molport_id mcule_id enamine_id cod_id mofid_id "
    "qmof_id icsd_id mp_id material_id mof_id ccdc_number"
)
_NAMED: Final = "name compound_name molecule_name preferred_name pref_name title"
"""Columns of names; ``label`` is none of them: it is what models are trained to predict."""
_RANK: Final = {name: rank for rank, name in enumerate(f"{_IDS} {_DATABASES} {_NAMED}".split())}
_NOT_A_WORD: Final = re.compile(r"[^a-z0-9]+")


@lru_cache(maxsize=4096)
def key_of(name: str) -> str:
    """Return the name of a column in lower case, words joined by underscores: ``ChEMBL ID`` is ``chembl_id``."""
    return _NOT_A_WORD.sub("_", name.lower()).strip("_")


def is_identifier(key: str) -> bool:
    """Return whether a column with this key can identify the rows of a table."""
    return key in _RANK


def classes(rows: Sequence[Mapping[str, object]]) -> frozenset[str]:
    """Return the columns of names that are classes in these rows: two rows have the same name."""
    named = {name for row in rows for name in row if key_of(name) in _NAMED.split()}
    filled = {name: [str(row[name]) for row in rows if not is_missing(row.get(name))] for name in named}
    return frozenset(name for name, values in filled.items() if len(set(values)) < len(values))


def identifying(cells: Mapping[str, object], others: frozenset[str]) -> str | None:
    """Return the column that identifies a row: its own id, the id of a database, or a name, in this order.

    A column that is empty in this row or has a word for that (``NA``), that makes the object, or that holds classes (both are
    ``others``) does not count.
    """
    ranked = [
        (rank, name)
        for name, value in cells.items()
        if (rank := _RANK.get(key_of(name))) is not None and not is_missing(value) and name not in others
    ]
    return min(ranked)[1] if ranked else None
