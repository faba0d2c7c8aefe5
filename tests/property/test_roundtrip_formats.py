"""Objects survive the way through sentences and through native files."""

from __future__ import annotations

import io
import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logos_cli.chemistry.smiles import canonical_smiles, parse_smiles
from logos_cli.chemistry.smiles_check import is_surely_valid
from logos_cli.errors import LogosError
from logos_cli.formats.base import ReadOptions, WriteOptions
from logos_cli.formats.detect import detect
from logos_cli.formats.reaction_entries import split_components
from logos_cli.grammar import Form
from logos_cli.io.input import Input
from logos_cli.io.missing import is_missing, may_be_residues
from logos_cli.objects.antibody import Antibody
from logos_cli.objects.base import ScienceObject, to_text
from logos_cli.objects.material import Material
from logos_cli.objects.molecule import Molecule
from logos_cli.objects.protein import Protein
from logos_cli.objects.reaction import Reaction
from logos_cli.records import Record
from logos_cli.workflows.decode import decode, writer_for, writers
from tests.bench.bench_smiles import molecules, mutated
from tests.bench.figures_roundtrip import figures, measure

residues = st.text(string.ascii_uppercase, min_size=1, max_size=300).filter(
    lambda text: not is_missing(text) or may_be_residues(text)  # `NULL` is no sequence
)
smiles = st.sampled_from(
    [
        "C",
        "CCO",
        "c1ccccc1",
        "C[C@H](F)Cl",
        "F/C=C/F",
        "[Na+].[Cl-]",
        "CC(=O)[O-]",
        "c1ccc2[nH]ccc2c1",
        "C1CC12CC2",
        "N->[Pt]",
    ]
)
proteins = residues.map(Protein)
antibodies = (
    st.lists(residues, min_size=1, max_size=2)
    # one of two chains may be missing in a table that another program wrote again; tests/unit/formats/test_table.py
    .filter(lambda chains: len({is_missing(chain) for chain in chains}) == 1)
    .map(lambda chains: Antibody(tuple(chains)))
)
reactions = st.builds(
    lambda left, right: Reaction(tuple(part for one in left for part in split_components(one)), right),
    st.lists(smiles.filter(lambda one: ">" not in one), min_size=1, max_size=4),
    smiles.filter(lambda one: ">" not in one),
)


def through_file(to: str, items: list[ScienceObject], form: Form | None) -> list[ScienceObject | None]:
    stream = io.StringIO()
    writer = writer_for(to, None)(stream, WriteOptions())
    for number, item in enumerate(items):
        writer.write(Record(f"n{number}", item.forms[0].value, to_text(item)), item)
    writer.close()
    source = Input("-", io.BytesIO(stream.getvalue().encode()))
    return [entry.item for entry in detect(source).read(source, ReadOptions(form=form))]


@given(st.one_of(proteins, antibodies, reactions, smiles.map(Molecule)))
@settings(max_examples=150, deadline=None)
def test_sentences(item: ScienceObject) -> None:
    for form in item.forms:
        assert decode(to_text(item, form)) == item


@given(st.lists(proteins, min_size=1, max_size=4))
@settings(max_examples=30, deadline=None)
def test_proteins_through_fasta_csv_and_json(items: list[ScienceObject]) -> None:
    for to in ("fasta", "csv", "tsv", "json"):
        assert through_file(to, items, Form.PROTEIN) == items


@given(st.lists(antibodies, min_size=1, max_size=4))
@settings(max_examples=30, deadline=None)
def test_antibodies_through_fasta_csv_and_json(items: list[ScienceObject]) -> None:
    for to in ("csv", "json"):
        assert through_file(to, items, Form.ANTIBODY) == items
    fasta = through_file("fasta", items, Form.ANTIBODY)
    if all(len(set(chain)) > 5 for item in items if isinstance(item, Antibody) for chain in item.chains):
        assert fasta == items  # a long chain of few letters may be refused as nucleotides


@given(st.lists(st.one_of(reactions, smiles.map(Molecule)), min_size=1, max_size=4))
@settings(max_examples=30, deadline=None)
def test_molecules_and_reactions_through_smi_and_json(items: list[ScienceObject]) -> None:
    for to in ("smi", "json"):
        assert through_file(to, items, None) == items


materials = st.builds(
    lambda metal, linkers: Material(metal, tuple(linkers)),
    st.sampled_from(["[Zn]", "[Cu][Cu]", "[O]([Zn])([Zn])[Zn]"]),
    st.lists(st.sampled_from(["O=C([O-])c1ccc(C(=O)[O-])cc1", "c1cnccn1"]), min_size=1, max_size=2),
)
_ANY = (proteins, antibodies, smiles.map(Molecule), reactions, materials)
KEPT = {
    **dict.fromkeys(("csv", "tsv", "json", "parquet", "sqlite", "xlsx"), _ANY),
    **dict.fromkeys(("alphafold3", "boltz", "chai"), (proteins, smiles.map(Molecule))),
    **dict.fromkeys(("fasta", "embl", "genbank"), (proteins,)),
    "helm": (st.text("ACDEFGHIKLMNPQRSTVWY", min_size=1, max_size=60).map(Protein),),
    **dict.fromkeys(("sdf", "selfies", "inchi"), (smiles.map(Molecule),)),
    "smi": (smiles.map(Molecule), reactions),
}
"""What each format holds as a whole."""
ONE_WAY = {"cif", "cif-sites", "cxc", "p2rank", "p2rank-residues", "pml", "poscar", "svg", "table"}
"""Formats of pictures, scripts, coordinates or scores, which do not hold a sentence."""


def test_every_writer_is_tested() -> None:
    assert {*KEPT, *ONE_WAY} == {*writers()}
    assert not KEPT.keys() & ONE_WAY


@pytest.mark.parametrize("to", KEPT)
def test_what_is_written_encodes_to_the_same_sentence(to: str) -> None:
    n_written = 0

    @given(st.one_of(*KEPT[to]))
    @settings(max_examples=40, deadline=None, derandomize=True)
    def run(item: ScienceObject) -> None:
        nonlocal n_written
        once = _sentence_again(to, item)
        if once is None:
            return
        n_written += 1
        read = decode(once)
        if isinstance(item, Molecule) and to != "inchi":  # InChI has one form for all places of mobile hydrogens
            assert isinstance(read, Molecule)
            assert canonical_smiles(read.smiles) == canonical_smiles(item.smiles)
        elif not isinstance(item, Molecule):
            assert once == to_text(item)
        assert _sentence_again(to, read) == once

    run()
    assert n_written > 5


def _sentence_again(to: str, item: ScienceObject) -> str | None:
    """Write an object, read it, and return its sentence; None if the format refuses it."""
    kind = writer_for(to, None)
    stream = io.BytesIO() if kind.binary else io.StringIO()
    try:
        writer = kind(stream, WriteOptions())
        writer.write(Record("n0", item.forms[0].value, to_text(item)), item)
        writer.close()
    except LogosError as error:
        assert error.message
        return None
    content = stream.getvalue()
    source = Input("-", io.BytesIO(content if isinstance(content, bytes) else content.encode()))
    form = None if isinstance(item, Molecule) else item.forms[0]
    (entry,) = detect(source).read(source, ReadOptions(form=form))
    if entry.item is None:
        assert to == "selfies", entry.error  # a lone [C] reads as SMILES, too, and is refused
        return None
    return to_text(entry.item, entry.form)


@given(st.text("CNOcno()[]=#-+12.H@/\\%", max_size=25))
@settings(max_examples=350, deadline=None)
def test_what_is_surely_valid_is_valid(text: str) -> None:
    if is_surely_valid(text):
        parse_smiles(text)


# -- real data: small shares of what tests/bench measures ----------------------------------------------------


@pytest.mark.parametrize("name", figures(1))
def test_data_sets_come_back(shared_data: Path, name: str) -> None:
    figure = figures(75)[name]
    if figure.limit is None:
        from dataclasses import replace

        figure = replace(figure, limit=75)
    result = measure(shared_data, figure)
    assert result.n_read >= 68
    assert result.passed, result.reasons[:3]


def test_mutated_smiles_are_never_wrongly_accepted(shared_data: Path) -> None:
    sure = 0
    for text in mutated(molecules(shared_data, 6000, seed=11), seed=11):
        if is_surely_valid(text):
            sure += 1
            parse_smiles(text)
    assert sure > 300


def test_most_real_molecules_take_the_fast_way(shared_data: Path) -> None:
    found = molecules(shared_data, 4000, seed=12)
    assert sum(map(is_surely_valid, found)) > 0.98 * len(found)
