"""The open sentences that tasks make, and what they make of answers."""

from __future__ import annotations

import pytest

from logos_cli import registry
from logos_cli.errors import GrammarError, LogosError, UsageError
from logos_cli.grammar import parse
from logos_cli.objects.complex import Complex
from logos_cli.objects.protein import Protein
from logos_cli.tasks.base import Task

_POCKET = "<ProteinS>MK<PocketS>V<PocketE>L<ProteinE>"
_OPEN_POCKET = "<ProteinS>MK<PocketS>CC(C)[C@H](N)C(=O)O<PocketE>L<ProteinE>"


def _task(name: str) -> Task:
    found: Task = registry.load("tasks", name)
    return found


@pytest.mark.parametrize(
    ("task", "prompt", "text"),
    [
        ("protein", "MKT", "<ProteinS>MKT"),
        ("protein", "<ProteinS>MKT<ProteinE>", "<ProteinS>MKT"),
        ("antibody", "QV", "<AntibodyS>QV"),
        ("antibody", "<AntibodyS>QV<AntibodyE><AntibodyS>", "<AntibodyS>QV<AntibodyE><AntibodyS>"),
        ("antibody", "<AntibodyS>QV<AntibodyE><AntibodyS>D<AntibodyE>", "<AntibodyS>QV<AntibodyE><AntibodyS>D"),
        ("molecule", "<MoleculeS>CC<MoleculeE>", "<MoleculeS>CC"),
        ("reaction", "CCO.CC>>", "<MoleculeS>CCO<MoleculeE><MoleculeS>CC<MoleculeE><React><MoleculeS>"),
        ("reaction", "C->[Zn].O", "<MoleculeS>C->[Zn]<MoleculeE><MoleculeS>O<MoleculeE><React><MoleculeS>"),
        ("reaction", "<MoleculeS>C<MoleculeE>", "<MoleculeS>C<MoleculeE><React><MoleculeS>"),
        ("retrosynthesis", "A>>CC", "<MoleculeS>CC<MoleculeE><ReverseReact><MoleculeS>"),
        (
            "retrosynthesis",
            "<MoleculeS>A<MoleculeE><React><MoleculeS>CC<MoleculeE>",
            "<MoleculeS>CC<MoleculeE><ReverseReact><MoleculeS>",
        ),
        ("material", "[Cu][Cu]", "<MaterialS><MetalS>[Cu][Cu]<MetalE>"),
        (
            "material",
            "<MaterialS><MetalS>[Zn]<MetalE><MoleculeS>C<MoleculeE><MaterialE>",
            "<MaterialS><MetalS>[Zn]<MetalE>",
        ),
        ("site", "MK", "<ProteinS>MK<ProteinE><Search><ProteinS>"),
        ("site", _POCKET, "<ProteinS>MKVL<ProteinE><Search><ProteinS>"),
        ("site", "<ProteinS>MK<ProteinE><Search>", "<ProteinS>MK<ProteinE><Search><ProteinS>"),
        (
            "site",
            "<ProteinS>MK<ProteinE><Search><ProteinS>M<PocketS>",
            "<ProteinS>MK<ProteinE><Search><ProteinS>M<PocketS>",
        ),
        ("ligand", "MK", "<ProteinS>MK<ProteinE><MoleculeS>"),
        ("ligand", _POCKET, _POCKET + "<MoleculeS>"),
        ("ligand", _OPEN_POCKET, _OPEN_POCKET + "<MoleculeS>"),
        ("ligand", _POCKET + "<MoleculeS>CCO<MoleculeE>", _POCKET + "<MoleculeS>"),
        ("ligand", _POCKET + "<MoleculeS>CC", _POCKET + "<MoleculeS>CC"),
        (
            "ligand",
            "<ProteinS>MK<ProteinE><ProteinS>GG<ProteinE>",
            "<ProteinS>MK<ProteinE><ProteinS>GG<ProteinE><MoleculeS>",
        ),
    ],
)
def test_the_open_sentence(task: str, prompt: str, text: str) -> None:
    sentence = _task(task).from_text(prompt)
    assert sentence.text == text
    assert text[sentence.grammar_start :].startswith("<") or sentence.grammar_start == len(text)


def test_a_pocket_is_written_at_the_level_asked_for() -> None:
    ligand = _task("ligand")
    pocket = Complex((Protein("MKVL", (2,)),))
    assert ligand.from_object(pocket).text == _POCKET + "<MoleculeS>"
    assert ligand.from_object(pocket, 1).text == "<ProteinS>MKVL<ProteinE><MoleculeS>"
    assert ligand.from_object(pocket, 3).text == _OPEN_POCKET + "<MoleculeS>"
    assert ligand.from_text(_OPEN_POCKET, 2).text == _POCKET + "<MoleculeS>"
    with pytest.raises(UsageError, match="level 2 tags the residues") as caught:
        ligand.from_object(Protein("MKVL"), 2)
    assert "generate site" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("task", "text", "answer"),
    [
        ("molecule", "<MoleculeS>OCC<MoleculeE>", "CCO"),
        ("reaction", "<MoleculeS>C<MoleculeE><React><MoleculeS>OCC<MoleculeE>", "CCO"),
        (
            "retrosynthesis",
            "<MoleculeS>C<MoleculeE><ReverseReact><MoleculeS>OC<MoleculeE><MoleculeS>CC<MoleculeE>",
            "CC.CO",
        ),
        (
            "retrosynthesis",
            "<MoleculeS>C<MoleculeE><ReverseReact><MoleculeS>CC<MoleculeE><MoleculeS>CO<MoleculeE>",
            "CC.CO",
        ),
        ("ligand", _POCKET + "<MoleculeS>OCC<MoleculeE>", "CCO"),
        (
            "material",
            "<MaterialS><MetalS>[O-2].[Zn+2]<MetalE><MoleculeS>OC<MoleculeE><MoleculeS>CC<MoleculeE><MaterialE>",
            "[O-2].[Zn+2]/CC/CO",
        ),
        ("site", "<ProteinS>MKV<ProteinE><Search><ProteinS>M<PocketS>K<PocketE>V<ProteinE>", "1"),
    ],
)
def test_answers_that_say_the_same_compare_equal(task: str, text: str, answer: str) -> None:
    assert _task(task).judge(parse(text)) == answer


@pytest.mark.parametrize(
    ("task", "text", "reason"),
    [
        ("molecule", "<MoleculeS>C1CC<MoleculeE>", "RDKit rejects the SMILES C1CC"),
        ("molecule", "<MoleculeS>C(C)(C)(C)(C)C<MoleculeE>", "valence"),
        ("reaction", "<MoleculeS>C<MoleculeE><React><MoleculeS>c1cc<MoleculeE>", "RDKit rejects"),
        ("retrosynthesis", "<MoleculeS>C<MoleculeE><ReverseReact><MoleculeS>CC)<MoleculeE>", "RDKit rejects"),
        (
            "retrosynthesis",
            "<MoleculeS>CCO<MoleculeE><ReverseReact><MoleculeS>OCC<MoleculeE>",
            "are the product itself",
        ),
        (
            "retrosynthesis",
            "<MoleculeS>[CH3:1][OH:2]<MoleculeE><ReverseReact><MoleculeS>OC<MoleculeE><MoleculeS>Cl<MoleculeE>",
            "is itself among the reactants",
        ),
        (
            "reaction",
            "<MoleculeS>CCO<MoleculeE><MoleculeS>CC(=O)O<MoleculeE><React><MoleculeS>OCC<MoleculeE>",
            "is itself among the reactants",
        ),
        ("ligand", _POCKET + "<MoleculeS>[Xx]<MoleculeE>", "RDKit rejects"),
        ("material", "<MaterialS><MetalS>CCO<MetalE><MoleculeS>C<MoleculeE><MaterialE>", "contains no metal"),
        ("material", "<MaterialS><MetalS>[Zn<MetalE><MoleculeS>C<MoleculeE><MaterialE>", "is not a SMILES"),
        ("material", "<MaterialS><MetalS>[Zn]<MetalE><MoleculeS>C(<MoleculeE><MaterialE>", "RDKit rejects"),
        (
            "site",
            "<ProteinS>MK<ProteinE><Search><ProteinS>M<PocketS>V<PocketE><ProteinE>",
            "is not the protein before it",
        ),
    ],
)
def test_invalid_answers_have_a_reason(task: str, text: str, reason: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(LogosError, match=reason.replace("(", r"\(")):
        _task(task).judge(parse(text))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("task", "prompt", "place", "said"),
    [
        ("protein", "<MoleculeS>C", 0, "is not the beginning of a sentence"),
        ("protein", "MKT1", 13, "not a residue"),
        ("site", "<ProteinS>MK", 12, "ends too early"),
        ("site", "<ProteinS>MK<ProteinE><Search><ProteinS>V", 40, "is not the beginning of a sentence"),
        ("site", "<ProteinS>M<PocketS>K<PocketE><ProteinE><Search>", 40, "cannot follow"),
        ("retrosynthesis", "<MoleculeS>C<MoleculeE><React><MoleculeS>", 23, "is not the beginning of a sentence"),
        ("ligand", "<MoleculeS>C", 0, "complex"),
    ],
)
def test_a_prompt_for_another_task_is_refused_at_its_place(task: str, prompt: str, place: int, said: str) -> None:
    with pytest.raises(GrammarError, match=said) as caught:
        _task(task).from_text(prompt)
    assert caught.value.span is not None
    assert caught.value.span.start == place
