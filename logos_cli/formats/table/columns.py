"""Find the columns of a table that make objects, and read the objects from their cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from logos_cli.chemistry.notes import NOT_CARRIED
from logos_cli.errors import FormatError, UsageError
from logos_cli.formats.base import Entry, ReadOptions
from logos_cli.formats.table.cells import SEQUENCES, absent_words, is_written, remarks_on_chains, smiles_of, text_of
from logos_cli.formats.table.chains import (
    LEAST_LETTERS,
    chain_role,
    check_left_out,
    check_numbers,
    columns_of_chains,
    find_chain,
    mentions_chain,
    other_chains,
)
from logos_cli.formats.table.identifiers import key_of
from logos_cli.formats.table.reactions import ReagentColumns, reaction_of
from logos_cli.grammar import Form, parse
from logos_cli.io.missing import is_missing
from logos_cli.objects.antibody import Antibody
from logos_cli.objects.base import from_sentence
from logos_cli.objects.material import Material, material_from_blocks
from logos_cli.objects.protein import Protein
from logos_cli.records import Source
from logos_cli.structure.residues.nucleotides import READ_AS_RESIDUES, TRANSLATED, may_be_nucleotides, translate
from logos_cli.structure.sequences import (
    check_labels,
    clean_sequence,
    is_nucleotide,
    looks_like_sequence,
    nucleotide_error,
)

# fmt: off
_NAMES: dict[str, tuple[str, ...]] = {
    "sentence": ("text", "sentence"),
    "heavy": (
        "sequence_alignment_aa_heavy", "sequence_aa_heavy", "heavy", "heavy_chain", "vh", "heavy_sequence",
        "sequence_heavy", "h",
    ),
    "light": (
        "sequence_alignment_aa_light", "sequence_aa_light", "light", "light_chain", "vl", "light_sequence",
        "sequence_light", "l",
    ),
    "product": ("product", "products", "prod_smiles", "product_smiles", "target"),
    "reactants": ("reactants", "reactant", "precursors", "reactants_smiles", "reactant_smiles", "source"),
    "rxn": (
        "rxn", "rxn_smiles", "reaction_smiles", "reaction", "mapped_rxn", "rxnsmiles", "reactionsmiles",
        "reactions",
        "reactants_reagents_production",
    ),
    "mofid": ("mofid", "mofid_v1"),
    "metal": ("metal", "metal_node", "metal_nodes", "node", "nodes"),
    "linkers": ("linkers", "linker"),
    "smiles": (
        "isomeric_smiles", "isomericsmiles", "isosmiles", "cxsmiles", "smiles", "canonical_smiles", "smi",
        "structure", "mol", "canonicalsmiles", "connectivitysmiles", "ligand_smiles", "inchi", "standard_inchi", "inchi_string",
    ),
    "selfies": ("selfies", "selfies_string"),
    "helm": ("helm", "helm_notation", "helm_string"),
    "sequence": (
        "sequence_alignment_aa", "sequence_aa", "sequence_vdj_aa", "vdj_aa",
        "aa_sequence", "protein_sequence", "sequence", "seq", "protein", "primary",
    ),
}
# fmt: on
"""Names of the columns by what they hold, as :func:`~.identifiers.key_of` writes them; the first one found is used.

Amino acids come before possible nucleotides: in the tables of AIRR ``sequence`` is DNA. SMILES with stereo come before
those that may lack it: of PubChem's two columns, ``CanonicalSMILES`` has none. ``reactants>reagents>production``
is a column of USPTO.
"""

REPEATED: Final = " (column "
"""Separates the name of a column from its place if several columns have this name."""
_T_CELL: Final = "TR"

_DISTINCT = (
    *("product", "rxn", "smiles", "sequence", "heavy", "metal", "linkers", "sentence", "reactants", "light"),
    *("selfies", "helm", "mofid"),
)
_AMBIGUOUS = frozenset(
    ("h", "l", "target", "source", "entry", "mol", "node", "structure", "primary", "protein", "text")
)

KNOWN_COLUMNS = frozenset(name for role in _DISTINCT for name in _NAMES[role]) - (_AMBIGUOUS - {"text"})
"""Names that show that logos can read a table."""


def is_known(name: str) -> bool:
    """Return whether the name of a column shows that logos can read the table."""
    key = key_of(name)
    return key in KNOWN_COLUMNS or chain_role(key) is not None


_ROLES: dict[Form, tuple[tuple[str, ...], ...]] = {
    Form.PROTEIN: (("sequence",),),
    Form.ANTIBODY: (("heavy", "light"), ("heavy",), ("light",), ("sequence",)),
    Form.REACTION: (("product", "reactants"), ("rxn",)),
    Form.RETROSYNTHESIS: (("product", "reactants"), ("rxn",)),
    Form.MATERIAL: (("metal", "linkers"), ("mofid",)),
    Form.MOLECULE: (("smiles",), ("selfies",), ("helm",)),
}
"""Roles of the columns that make an object of each form, preferred ones first."""

_GUESSES = (Form.ANTIBODY, Form.REACTION, Form.MATERIAL, Form.MOLECULE, Form.PROTEIN)


@dataclass(frozen=True, slots=True)
class _Header:
    """The names of the columns of a table by their keys, the last first, and those whose cells show that they hold chains."""

    names: Mapping[str, str]
    of_chains: frozenset[str]
    source: str

    def find(self, role: str) -> str | None:
        """Return the column with a role, by its whole name or, if it is a chain's, by the words of it."""
        found = next((self.names[key] for key in _NAMES[role] if key in self.names), None)
        return found or (find_chain(role, self.names, self.of_chains, self.source) if role in _PAIR else None)

    def without_ambiguous(self) -> _Header:
        return _Header(
            {key: name for key, name in self.names.items() if key not in _AMBIGUOUS}, self.of_chains, self.source
        )


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a table that make an object.

    Attributes
    ----------
    form : Form or None
        The form of the objects; None if a column has sentences.
    by_role : dict
        Column name by what it holds: ``heavy``, ``product``, ``smiles`` …
    locus : str, optional
        Column with the locus or V gene of a receptor chain, in a table of AIRR.
    nucleotides : frozenset of str
        Roles of columns with only nucleotides in the first rows.
    reagents : ReagentColumns
        Columns with the molecules over the arrow of a reaction.
    """

    form: Form | None
    by_role: dict[str, str] = field(default_factory=dict)
    locus: str | None = None
    nucleotides: frozenset[str] = frozenset()
    reagents: ReagentColumns = field(default_factory=ReagentColumns)

    @property
    def used(self) -> frozenset[str]:
        """Names of the columns that make the object."""
        return frozenset(self.by_role.values())

    @classmethod
    def choose(cls, rows: Sequence[Mapping[str, object]], options: ReadOptions, source: str) -> Columns:
        """Choose the columns of a table by the names in the first of some rows, and the options.

        Raises
        ------
        UsageError
            If the column in the options does not exist, none is known, or several fit equally.
        FormatError
            If several columns have the name of the one that is used.
        """
        cells = rows[0]
        header = _Header({_key(name): name for name in reversed(list(cells))}, columns_of_chains(rows), source)
        found: Columns | None
        if options.column is not None:
            found = cls._named(options.column, cells, header.names, options.form, source)
        elif options.form in _ROLES:
            found = cls._of_form(options.form, header)
            if found is None and options.form is Form.ANTIBODY:
                found = cls._of_form(Form.PROTEIN, header)
            if found is None and options.form in _SEQUENCE_FORMS and (name := header.find("helm")):
                found = cls(options.form, {"helm": name})
        else:
            found = cls._guess(header)
        if found is None:
            what = f"of the form {options.form}" if options.form else "with a sequence, SMILES or reaction"
            may_be_chains = options.form is Form.ANTIBODY or (options.form is None and mentions_chain(cells))
            raise UsageError(
                f"no column {what} is known among: {', '.join(cells) or '(none)'}",
                source=source,
                hint=_NAME_CHAINS if may_be_chains else "name it: --column NAME",
            )
        for used in sorted(found.used):
            same = [name for name in cells if _key(name) == _key(used)]
            if len(same) > 1 and options.column != used:
                raise FormatError(
                    f"{len(same)} columns have the name {used.partition(REPEATED)[0]!r}",
                    source=f"{source}:1",
                    hint=f"choose one: --column '{used}'",
                )
        if found.by_role.keys() >= _PAIR:
            check_numbers(found.by_role["heavy"], found.by_role["light"], source)
        return found._of_receptors(header.names, options)

    def check_chains(self, rows: Sequence[Mapping[str, object]], options: ReadOptions, source: str) -> None:
        """Refuse a table of antibodies if a chain that these rows have is in a column of unknown name.

        Raises
        ------
        UsageError
            If there is such a column, and the options do not name one.
        """
        if self.form is Form.ANTIBODY and self.locus is None and options.column is None:
            for role in ("heavy", "light"):
                if role not in self.by_role:
                    check_left_out(role, rows, self.used, source)

    def looking_at(self, rows: Sequence[Mapping[str, object]], reagents: ReagentColumns | None = None) -> Columns:
        """Return the columns with note of those that hold only nucleotides in these rows, and of those with reagents.

        Parameters
        ----------
        reagents : ReagentColumns, optional
            Those of the table; those of these rows, if absent.
        """
        found = []
        for role in SEQUENCES.intersection(self.by_role):
            cells = (row.get(self.by_role[role]) for row in rows)
            letters = "".join(str(cell) for cell in cells if not is_missing(cell)).upper()
            text = letters.translate(_NO_LETTERS)
            has_proteins = any(_key(name).endswith("_aa") for row in rows[:1] for name in row)
            if is_nucleotide(text) or (has_proteins and may_be_nucleotides(text)):
                found.append(role)
        if reagents is None:
            is_reaction = not {"rxn", "product"}.isdisjoint(self.by_role)
            reagents = ReagentColumns.of(rows) if is_reaction else self.reagents
        nucleotides = frozenset(found)
        if (nucleotides, reagents) == (self.nucleotides, self.reagents):
            return self
        return replace(self, nucleotides=nucleotides, reagents=reagents)

    @classmethod
    def _named(
        cls, column: str, cells: Mapping[str, object], names: Mapping[str, str], stated: Form | None, source: str
    ) -> Columns:
        name = column if column in cells else names.get(_key(column))
        if name is None:
            raise UsageError(
                f"the table has no column {column!r}", source=source, hint=f"it has {', '.join(cells) or 'none'}"
            )
        value = str(cells[name] or "")
        form = stated
        if form is None:
            is_reaction = value.replace("->", "").count(">") == 2
            form = Form.PROTEIN if looks_like_sequence([value]) else Form.REACTION if is_reaction else Form.MOLECULE
        if value.startswith(_POLYMERS) and "{" in value:
            return cls(stated or Form.MOLECULE, {"helm": name})
        if form is Form.MOLECULE:
            return cls(form, {"selfies" if _key(name) in _NAMES["selfies"] else "smiles": name})
        roles = _ROLES.get(form, (("smiles",),))
        return cls(form, {next((way[0] for way in reversed(roles) if len(way) == 1), "smiles"): name})

    @classmethod
    def _of_form(cls, form: Form, header: _Header) -> Columns | None:
        for way in _ROLES[form]:
            by_role = {role: header.find(role) for role in way}
            if all(by_role.values()):
                return cls(form, {role: name for role, name in by_role.items() if name})
        return None

    @classmethod
    def _guess(cls, header: _Header) -> Columns | None:
        if name := header.find("sentence"):
            return cls(None, {"sentence": name})
        for known in (header.without_ambiguous(), header):
            found = [columns for form in _GUESSES if (columns := cls._of_form(form, known)) is not None]
            # `sequence` names an antibody's chain only if `options.form` is antibody; here it is a protein
            found = [each for each in found if each.form is not Form.ANTIBODY or "sequence" not in each.by_role]
            distinct = [columns for columns in found if not _is_part(columns, found)]
            if len(distinct) > 1:
                choices = " or ".join(f"--as {columns.form}" for columns in distinct)
                raise UsageError(
                    "the table has columns of several kinds", source=header.source, hint=f"choose: {choices}"
                )
            if distinct:
                return distinct[0]
        return None

    def _of_receptors(self, names: Mapping[str, str], options: ReadOptions) -> Columns:
        """Return the columns of a table of AIRR as those of antibodies; other columns are unchanged."""
        locus = next((names[key] for key in ("locus", "v_call") if key in names), None)
        if locus is None or "sequence" not in self.by_role:
            return self
        return replace(self, form=Form.ANTIBODY if options.form is None else self.form, locus=locus)

    def entry(self, cells: Mapping[str, object], entry_id: str, source: Source, options: ReadOptions) -> Entry:
        """Return the entry of one row.

        Raises
        ------
        LogosError
            If a cell is empty, or its content is not of its column's kind.
        """
        values = {role: cells.get(name) for role, name in self.by_role.items()}
        if "sentence" in values:
            sentence = parse(text_of(values, "sentence"))
            return Entry(entry_id, from_sentence(sentence), source, form=sentence.form)
        if "mofid" in values:
            from logos_cli.formats.mofid_text import split_mofid
            from logos_cli.formats.smiles_entries import mofid_entry

            mofid = split_mofid(text_of(values, "mofid"))
            if mofid is None:
                raise FormatError("the cell is no MOFid", hint="e.g. '[O-]C(=O)C(=O)[O-].[Zn] MOFid-v1.sql.cat0'")
            return mofid_entry(mofid[0], entry_id, source)
        if "smiles" in values:
            from logos_cli.formats.smiles_entries import molecule_entry

            return molecule_entry(text_of(values, "smiles"), entry_id, source, options)
        if "selfies" in values:
            from logos_cli.formats.smiles_entries import selfies_entry

            return selfies_entry(text_of(values, "selfies"), entry_id, source)
        if "helm" in values:
            from logos_cli.formats.helm_entries import helm_entry

            return helm_entry(text_of(values, "helm"), entry_id, source, options)
        if "metal" in values:
            metal, linkers = _blocks(values, "metal"), _blocks(values, "linkers")
            material = material_from_blocks(metal, linkers)
            if cells.get("kind") == Form.MATERIAL and not options.canonical:
                # `decode` wrote the blocks in order; RDKit would change the canonical SMILES of a few cages again
                material = Material(".".join(metal), tuple(linkers))
            return Entry(entry_id, material, source)
        if "rxn" in values or "product" in values:
            return reaction_of(values, self.reagents.molecules(cells, options), entry_id, source, options)
        return Entry(entry_id, self._sequences(cells, values, source, options), source)

    def _sequences(
        self, cells: Mapping[str, object], values: Mapping[str, object], source: Source, options: ReadOptions
    ) -> Protein | Antibody:
        written = is_written(cells)
        remarks = {} if written else remarks_on_chains(values)
        texts = {
            role: text_of(values, role) for role in _CHAINS if not is_missing(values.get(role)) and role not in remarks
        }
        absent = [*absent_words(values), *remarks.items()]
        if absent and not texts and written:  # its object cannot be missing: `NA` is Asn-Ala
            texts, absent = dict(absent), []
        if not texts:
            text_of(values, next(iter(remarks or values)), remarks)
        present = list(texts)
        notes = [f"the {role} {word!r} read as a missing value" for role, word in absent]
        if self.form is Form.ANTIBODY:
            notes += [
                f"{NOT_CARRIED}the column {name!r}, which seems to hold another {role} chain"
                for role in present
                if role in _PAIR
                for name in other_chains(role, cells, self.used, texts[role])
            ]
        if notes:
            source["notes"] = [*source.get("notes", ()), *notes]
        chains = [self._chain(role, text, source, options, written=written) for role, text in texts.items()]
        locus = str(cells.get(self.locus) or "") if self.locus else ""
        if self.form is not Form.ANTIBODY:
            return Protein(chains[0])
        if not locus.upper().startswith(_T_CELL):
            named = dict(zip(present, chains, strict=True))
            place = f"{source['path']}:{source['line']}"
            if notes := check_labels(named.get("heavy"), named.get("light"), place):
                source["notes"] = [*source.get("notes", ()), *notes]
            return Antibody(tuple(chains))
        if options.form is Form.ANTIBODY:
            raise FormatError(
                f"a chain of a T-cell receptor ({locus}), not of an antibody", hint="read it --as protein"
            )
        source["notes"] = [*source.get("notes", ()), f"a chain of a T-cell receptor ({locus}), read as a protein"]
        return Protein(chains[0])

    def _chain(self, role: str, text: str, source: Source, options: ReadOptions, *, written: bool) -> str:
        """Return the residues of one cell; notes go to ``source``.

        Raises
        ------
        FormatError
            If they are no residues, or nucleotides that the options neither translate nor read as a protein.
        """
        sequence, notes = clean_sequence([(source["line"], text)], str(source["path"]))
        if options.translate and may_be_nucleotides(sequence):
            sequence = translate(sequence)
            notes.append(TRANSLATED)
        elif role in self.nucleotides or is_nucleotide(sequence):
            if options.form is not Form.PROTEIN or self.locus is not None:
                raise nucleotide_error(sequence, f"{source['path']}:{source['line']}")
            notes.append(READ_AS_RESIDUES)
        least = _LEAST_CHAIN if text.isupper() else LEAST_LETTERS  # `scFv` is a word
        if self.form is Form.ANTIBODY and len(sequence) < least and not written:
            raise FormatError(
                f"the {role} chain has {len(sequence)} residues: {text}",
                hint="leave the cell empty if there is no such chain; letters of chains in a PDB file are no sequence",
            )
        if notes:
            source["notes"] = [*source.get("notes", ()), *notes]
        return sequence


_SEQUENCE_FORMS: Final = frozenset((Form.PROTEIN, Form.ANTIBODY))
_CHAINS: Final = ("heavy", "light", "sequence")
_PAIR: Final = frozenset(("heavy", "light"))
_LEAST_CHAIN: Final = 3
_NAME_CHAINS: Final = "rename the columns of the chains to heavy and light; --column NAME reads one column alone"
_NO_LETTERS: Final = str.maketrans("", "", " -.*")
_POLYMERS: Final = ("PEPTIDE", "RNA", "CHEM", "BLOB")
"""Beginnings of a HELM."""


def _key(name: str) -> str:
    """Return the key of a column without the place that distinguishes columns of one name."""
    return key_of(name.partition(REPEATED)[0])


def _is_part(columns: Columns, found: list[Columns]) -> bool:
    """Return whether all columns of one way to read a table belong to another way that needs more of them."""
    return any(columns.used < other.used for other in found)


def _blocks(values: Mapping[str, object], role: str) -> list[str]:
    """Return the building blocks of a framework: JSON's list, or one text split at dots."""
    return smiles_of(values, role) if isinstance(values.get(role), list) else text_of(values, role).split(".")
