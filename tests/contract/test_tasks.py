"""What every task promises, held to by each that is registered."""

from __future__ import annotations

from dataclasses import dataclass, fields

import pytest

from logos_cli import registry
from logos_cli.backends.fake import FakeBackend
from logos_cli.engine.sampler import Sampling
from logos_cli.engine.scheduler import Engine, Finish, Request
from logos_cli.engine.start import in_request_order
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
BEGINNINGS = (
    "<AntibodyS>QV",
    "<MaterialS><MetalS>[Zn]",
    "<MoleculeS>CC",
    "<ProteinS>MK",
    "<ProteinS>MK<ProteinE><Search><ProteinS>",
    "<ProteinS>MK<ProteinE><MoleculeS>C",
    "<ProteinS>MK<PocketS>V<PocketE><ProteinE><Trans><ProteinS>M",
    "<MoleculeS>CC<MoleculeE><React>",
    "<MoleculeS>CC<MoleculeE><ReverseReact>",
)


@dataclass(frozen=True)
class Prompts:
    """The prompts of one task.

    Attributes
    ----------
    objects : set of str
        Those of ``OBJECTS`` that it takes; it refuses the others.
    payload : str
        A prompt as a user types it.
    whole : str
        A complete sentence of the task.
    beginnings : set of str
        Those of ``BEGINNINGS`` that it takes; it refuses the others.
    given : str
        The prompt that is completed to ``whole``; empty for the payload.
    """

    objects: set[str]
    payload: str
    whole: str
    beginnings: set[str]
    needs_prompt: bool = False
    given: str = ""


TASKS = {
    "protein": Prompts({"protein"}, "MKTAYIAK", "<ProteinS>MKTAYIAKQ<ProteinE>", {"<ProteinS>MK"}),
    "antibody": Prompts(
        {"antibody", "protein"},
        "QVQLV",
        "<AntibodyS>QVQLV<AntibodyE><AntibodyS>DIQMT<AntibodyE>",
        {"<AntibodyS>QV"},
        given="<AntibodyS>QVQLV<AntibodyE><AntibodyS>D",
    ),
    "molecule": Prompts({"molecule"}, "CC(C", "<MoleculeS>CC(C)O<MoleculeE>", {"<MoleculeS>CC"}),
    "reaction": Prompts(
        {"reaction", "molecule"},
        "CCO.CC(=O)O",
        "<MoleculeS>CCO<MoleculeE><MoleculeS>CC(=O)O<MoleculeE><React><MoleculeS>CCOC(C)=O<MoleculeE>",
        {"<MoleculeS>CC", "<MoleculeS>CC<MoleculeE><React>"},
    ),
    "retrosynthesis": Prompts(
        {"reaction", "molecule"},
        "CCOC(C)=O",
        "<MoleculeS>CCOC(C)=O<MoleculeE><ReverseReact><MoleculeS>CCO<MoleculeE><MoleculeS>O<MoleculeE>",
        {"<MoleculeS>CC", "<MoleculeS>CC<MoleculeE><ReverseReact>"},
    ),
    "material": Prompts(
        {"material", "molecule"},
        "[Zn]",
        "<MaterialS><MetalS>[Zn]<MetalE><MoleculeS>O=C([O-])C<MoleculeE><MoleculeS>C<MoleculeE><MaterialE>",
        {"<MaterialS><MetalS>[Zn]"},
    ),
    "site": Prompts(
        {"protein", "complex", "site"},
        "MKTAYIAK",
        "<ProteinS>MKTAYIAK<ProteinE><Search><ProteinS>MKT<PocketS>A<PocketE>YIAK<ProteinE>",
        {"<ProteinS>MK<ProteinE><Search><ProteinS>"},
        needs_prompt=True,
    ),
    "ligand": Prompts(
        {"protein", "complex", "site"},
        "MKTAYIAK",
        "<ProteinS>MK<PocketS>V<PocketE><ProteinE><MoleculeS>CCO<MoleculeE>",
        {"<ProteinS>MK<ProteinE><MoleculeS>C"},
        needs_prompt=True,
        given="<ProteinS>MK<PocketS>V<PocketE><ProteinE><MoleculeS>C",
    ),
    "expanded": Prompts(
        {"complex", "site"},
        "<ProteinS>MK<PocketS>V<PocketE><ProteinE>",
        "<ProteinS>MK<PocketS>V<PocketE><ProteinE><Trans><ProteinS>MK<PocketS>CC(C)[C@H](N)C(=O)O<PocketE><ProteinE>",
        {"<ProteinS>MK<PocketS>V<PocketE><ProteinE><Trans><ProteinS>M"},
        needs_prompt=True,
    ),
}


@pytest.fixture(params=registry.names("tasks"))
def task(request: pytest.FixtureRequest) -> Task:
    """Each task."""
    found: Task = registry.load("tasks", request.param)
    assert found.name == request.param
    return found


def _openings(task: Task) -> list[PromptSentence]:
    objects = OBJECTS | ({"molecule": Molecule("[Zn]")} if task.name == "material" else {})  # it takes nodes
    prompts = TASKS[task.name]
    found = [task.from_object(objects[name]) for name in sorted(prompts.objects)]
    found.append(task.from_text(prompts.payload))
    if not prompts.needs_prompt:
        found.append(task.from_nothing())
    return [opening.check() for opening in found]


def test_this_file_knows_every_task() -> None:
    assert set(registry.names("tasks")) == set(TASKS), "add the prompts of the new task to TASKS"


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
    needs_a_file = {"trust_pickle"}
    flags = [option for option in task.options if option.type is bool and not option.of_results]
    chosen = {option.name: True for option in flags if option.name not in needs_a_file}
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
        given = opening.text[opening.grammar_start :]
        for sample in range(6):
            requests.append(Request(f"{number}#{sample}", ids, opening.grammar, given))
            openings.append(opening)
    done = list(in_request_order(Engine(backend, sampling, batch_size=16, seed=2).run(requests)))
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
    prompts = TASKS[task.name]
    whole = prompts.whole
    opening = task.from_text(prompts.given or prompts.payload)
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
    for name in set(OBJECTS) - TASKS[task.name].objects:
        with pytest.raises(UsageError, match=f"{task.name} takes no"):
            task.from_object(OBJECTS[name])


def test_without_a_prompt(task: Task) -> None:
    if TASKS[task.name].needs_prompt:
        with pytest.raises(UsageError, match="needs a prompt"):
            task.from_nothing()
    else:
        assert task.from_nothing().check().text.startswith(TAGS)


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
    for text in BEGINNINGS:
        if text in TASKS[task.name].beginnings:
            assert task.from_text(text).text.startswith(text)
        else:
            with pytest.raises(LogosError):
                task.from_text(text)
