"""What every task promises, held to by each that is registered."""

from __future__ import annotations

from dataclasses import fields

import pytest

from logos_cli import registry
from logos_cli.backends.fake import FakeBackend
from logos_cli.engine.sampler import Sampling
from logos_cli.engine.scheduler import Engine, Finish, Request
from logos_cli.errors import GrammarError, LogosError, MoleculeError, UsageError
from logos_cli.formats.base import ReadOptions
from logos_cli.grammar import FORMS, TAGS, Form, parse
from logos_cli.objects.antibody import Antibody
from logos_cli.objects.base import ScienceObject
from logos_cli.objects.complex import Complex
from logos_cli.objects.material import Material
from logos_cli.objects.molecule import Molecule
from logos_cli.objects.protein import Protein
from logos_cli.objects.reaction import Reaction
from logos_cli.tasks.base import PromptSentence, Task
from logos_cli.workflows.generate.generation import GenerateOptions

_SITE = Complex((Protein("MKVLA", (1, 3)), Protein("GGS")), "CCO")
OBJECTS: dict[str, ScienceObject] = {
    "protein": Protein("MKTAYIAK"),
    "antibody": Antibody(("QVQLV", "DIQMT")),
    "molecule": Molecule("CCO"),
    "reaction": Reaction(("CCO", "CC(=O)O"), "CCOC(C)=O"),
    "material": Material("[Zn]", ("O=C([O-])c1ccc(C(=O)[O-])cc1",)),
    "complex": _SITE,
    "site": Complex(_SITE.chains),
}
TAKES = {
    "protein": {"protein"},
    "antibody": {"antibody", "protein"},
    "molecule": {"molecule"},
    "reaction": {"reaction", "molecule"},
    "retrosynthesis": {"reaction", "molecule"},
    "material": {"material", "molecule"},
    "site": {"protein", "complex", "site"},
    "ligand": {"protein", "complex", "site"},
    "expanded": {"complex", "site"},
}
NEEDS_PROMPT = {"site", "ligand", "expanded"}
PAYLOADS = {
    "protein": "MKTAYIAK",
    "antibody": "QVQLV",
    "molecule": "CC(C",
    "reaction": "CCO.CC(=O)O",
    "retrosynthesis": "CCOC(C)=O",
    "material": "[Zn]",
    "site": "MKTAYIAK",
    "ligand": "MKTAYIAK",
    "expanded": "<ProteinS>MK<PocketS>V<PocketE><ProteinE>",
}


@pytest.fixture(params=registry.names("tasks"))
def task(request: pytest.FixtureRequest) -> Task:
    """Each task."""
    found: Task = registry.load("tasks", request.param)
    assert found.name == request.param
    return found


def _openings(task: Task) -> list[PromptSentence]:
    objects = OBJECTS | ({"molecule": Molecule("[Zn]")} if task.name == "material" else {})  # it takes nodes
    found = [task.from_object(objects[name]) for name in sorted(TAKES[task.name])]
    found.append(task.from_text(PAYLOADS[task.name]))
    if task.name not in NEEDS_PROMPT:
        found.append(task.from_nothing())
    return [opening.checked() for opening in found]


def test_this_file_knows_every_task() -> None:
    assert set(registry.names("tasks")) == set(TAKES) == set(PAYLOADS)


def test_a_task_describes_itself(task: Task) -> None:
    assert task.help.endswith(".")
    assert task.prompts
    assert task.form in FORMS
    copies = task.name in ("site", "expanded")  # and ends with the protein
    assert task.preset.max_new_tokens <= (4096 if copies else 1000)


def test_its_command_line_is_complete(task: Task) -> None:
    assert len(task.help) <= 60, "cut in `logos generate --help`"
    assert all(f"logos generate {task.name}" in example for example in task.examples)
    assert set(task.read_options) <= {each.name for each in fields(ReadOptions)}
    assert set(task.restrictions) <= {"template", "edit"}
    known = registry.load_all("formats").values()
    assert set(task.writers.values()) <= {name for plugin in known for name in plugin.writers()}


def test_its_options_are_declared_and_checked(task: Task) -> None:
    common = {each.name for each in fields(GenerateOptions)}
    for option in task.options:
        assert option.help.endswith(".")
        assert option.name.isidentifier()
        assert option.name not in common, "generate() takes both as keywords"
    assert task.chosen == {option.name: option.default for option in task.options}
    assert task.configure().changed == {}
    with pytest.raises(UsageError, match=f"{task.name} has no option 'colour'"):
        task.configure(colour=1)


def test_the_plugin_itself_is_never_changed(task: Task) -> None:
    chosen = {option.name: True for option in task.options if option.type is bool}
    other = task.configure(**chosen)
    assert type(other) is type(task)
    assert other is not task
    assert all(other.chosen[name] for name in chosen)
    assert not any(task.chosen[name] for name in chosen)


def test_what_is_sampled_for_any_prompt_is_a_sentence_that_begins_with_it(task: Task) -> None:
    backend = FakeBackend()
    sampling = Sampling(top_k=40, max_new_tokens=400, temperature=1.5)
    requests, openings = [], []
    for number, opening in enumerate(_openings(task)):
        ids = tuple(backend.tokenizer.encode(opening.text))
        given = opening.text[opening.given_from :]
        for sample in range(6):
            requests.append(Request(f"{number}#{sample}", ids, opening.grammar, given))
            openings.append(opening)
    done = list(Engine(backend, sampling, batch_size=16, seed=2).run(requests))
    finished = 0
    for completion, opening in zip(done, openings, strict=True):
        text = opening.text + backend.tokenizer.decode(completion.tokens)
        if completion.finish is Finish.STOP:
            finished += 1
            sentence = parse(text, task.form)
            try:
                assert isinstance(task.judge(sentence), str)
            except LogosError as error:  # a random SMILES is rarely a molecule
                assert task.form not in (Form.PROTEIN, Form.ANTIBODY, Form.SEARCH), error
    assert finished >= len(done) // 4


def test_without_the_constraint_the_answer_ends_where_the_sentence_does(task: Task) -> None:
    whole = {
        "protein": "<ProteinS>MKTAYIAKQ<ProteinE>",
        "antibody": "<AntibodyS>QVQLV<AntibodyE><AntibodyS>DIQMT<AntibodyE>",
        "molecule": "<MoleculeS>CC(C)O<MoleculeE>",
        "reaction": "<MoleculeS>CCO<MoleculeE><MoleculeS>CC(=O)O<MoleculeE><React><MoleculeS>CCOC(C)=O<MoleculeE>",
        "retrosynthesis": "<MoleculeS>CCOC(C)=O<MoleculeE><ReverseReact>"
        "<MoleculeS>CCO<MoleculeE><MoleculeS>O<MoleculeE>",
        "material": "<MaterialS><MetalS>[Zn]<MetalE><MoleculeS>O=C([O-])C<MoleculeE><MoleculeS>C<MoleculeE><MaterialE>",
        "site": "<ProteinS>MKTAYIAK<ProteinE><Search><ProteinS>MKT<PocketS>A<PocketE>YIAK<ProteinE>",
        "ligand": "<ProteinS>MK<PocketS>V<PocketE><ProteinE><MoleculeS>CCO<MoleculeE>",
        "expanded": "<ProteinS>MK<PocketS>V<PocketE><ProteinE><Trans>"
        "<ProteinS>MK<PocketS>CC(C)[C@H](N)C(=O)O<PocketE><ProteinE>",
    }[task.name]
    opening = task.from_text(PAYLOADS[task.name])
    if task.name in ("antibody", "ligand"):
        opening = task.from_text(whole[: whole.rindex("S>") + 3])
    assert whole.startswith(opening.text)
    backend = FakeBackend([whole])
    end = backend.tokenizer.tag_ids[opening.end] if opening.end else None
    if task.name == "antibody":  # the chain that is asked for is the second
        assert opening.text.count("<AntibodyS>") == 2
    request = Request("x", tuple(backend.tokenizer.encode(opening.text)), end=end, n_ends=opening.n_ends)
    (done,) = Engine(backend, Sampling(temperature=0), batch_size=1, seed=0).run([request])
    assert opening.text + backend.tokenizer.decode(done.tokens) == whole
    assert done.finish is Finish.STOP


def test_an_object_that_the_task_does_not_take_is_refused(task: Task) -> None:
    for name in set(OBJECTS) - TAKES[task.name]:
        with pytest.raises(UsageError, match=f"{task.name} takes no"):
            task.from_object(OBJECTS[name])


def test_without_a_prompt(task: Task) -> None:
    if task.name in NEEDS_PROMPT:
        with pytest.raises(UsageError, match="needs a prompt"):
            task.from_nothing()
    else:
        assert task.from_nothing().checked().text.startswith(TAGS)


@pytest.mark.parametrize(
    "text",
    ["<Protein>MK", "<ProteinE>", "<ProteinS>M K", "<MoleculeS><MoleculeE>", "<React>", "<MaterialS>Zn", "é", "C C"],
)
def test_text_that_begins_no_sentence_is_refused_with_its_place(task: Task, text: str) -> None:
    with pytest.raises((GrammarError, MoleculeError)) as caught:
        task.from_text(text)
    assert caught.value.span is not None
    assert caught.value.text is not None
    assert 0 <= caught.value.span.start <= len(caught.value.text)


def test_the_beginning_of_another_form_is_refused(task: Task) -> None:
    beginnings = {
        "<AntibodyS>QV": {"antibody"},
        "<MaterialS><MetalS>[Zn]": {"material"},
        "<MoleculeS>CC": {"molecule", "reaction", "retrosynthesis"},
        "<ProteinS>MK": {"protein"},
        "<ProteinS>MK<ProteinE><Search><ProteinS>": {"site"},
        "<ProteinS>MK<ProteinE><MoleculeS>C": {"ligand"},
        "<ProteinS>MK<PocketS>V<PocketE><ProteinE><Trans><ProteinS>M": {"expanded"},
        "<MoleculeS>CC<MoleculeE><React>": {"reaction"},
        "<MoleculeS>CC<MoleculeE><ReverseReact>": {"retrosynthesis"},
    }
    for text, takers in beginnings.items():
        if task.name in takers:
            assert task.from_text(text).text.startswith(text)
        else:
            with pytest.raises(LogosError):
                task.from_text(text)
