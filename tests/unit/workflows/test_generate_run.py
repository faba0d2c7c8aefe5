"""How many samples are drawn and which are written: --until, --time, --reference, collectors and their questions."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from logos_cli import generate
from logos_cli.engine.sampling import Sampling
from logos_cli.engine.scheduler import Completion, Finish, Request
from logos_cli.errors import InputError, UsageError
from logos_cli.grammar import Sentence
from logos_cli.options import options_or_fields
from logos_cli.records import Record, Status
from logos_cli.tasks.base import Collector, PromptInfo, PromptSentence
from logos_cli.tasks.molecule.plugin import MoleculeTask
from logos_cli.workflows.generate.generation import GenerateOptions, GenerateTally, Generation
from logos_cli.workflows.generate.plan import plan_generation
from logos_cli.workflows.generate.until import Counts, Until

_SMILES = ("CCO", "OCC", "C(C", "CN", "CO", "CCCCCCCC")


@pytest.fixture
def molecules(tmp_path: Path) -> dict[str, Any]:
    """A model of six molecules, one of them invalid, two the same."""
    path = tmp_path / "script.txt"
    path.write_text("\n".join(f"<MoleculeS>{smiles}<MoleculeE>" for smiles in _SMILES))
    return {"backend": "fake", "model": str(path), "top_p": 1.0, "max_new_tokens": 40, "repetition_penalty": 1.0}


# -- until ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("valid=500", Until(valid=500)),
        ("valid=500,unique=100", Until(500, 100)),
        (" unique = 3 , novel=2", Until(0, 3, 2)),
    ],
)
def test_what_is_wanted_is_read_and_written(text: str, wanted: Until) -> None:
    assert Until.parse(text) == wanted
    assert Until.parse(str(wanted)) == wanted


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("vaild=5", "no 'vaild'", "did you mean valid"),
        ("good=5", "no 'good'", "it counts valid, unique, novel"),
        ("valid", "cannot be parsed", "valid=500"),
        ("valid=5,", "cannot be parsed", "valid=500"),
        ("valid=0", "before it begins", "valid=500"),
        ("valid=5,valid=6", "valid twice", "valid=500"),
        ("valid=-3", "cannot be parsed", "valid=500"),
    ],
)
def test_what_is_not_understood_is_refused(text: str, said: str, hint: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        Until.parse(text)
    assert hint in (caught.value.hint or "")


def test_what_is_under_way_counts_as_what_has_come_so_far() -> None:
    until = Until(valid=10)
    assert not until.expected(Counts(), 9)
    assert until.expected(Counts(), 10)
    assert not until.expected(Counts(made=9, valid=4), 9)
    assert until.expected(Counts(made=9, valid=4), 12)


def test_sampling_goes_on_until_there_is_enough_whatever_the_batch_size(molecules: dict[str, Any]) -> None:
    tally = GenerateTally()
    wanted = list(generate("molecule", until="valid=25,unique=4", batch_size=1, tally=tally, **molecules))
    assert sum(record.status is Status.OK for record in wanted) >= 25
    assert len({record.text for record in wanted}) >= 5
    assert [record.id for record in wanted] == [f"molecule#{n:04d}" for n in range(1, len(wanted) + 1)]
    assert wanted[-1].status is Status.OK  # with it there was enough
    assert tally.requested == len(wanted)
    assert tally.short_prompts == 0
    for batch_size in (3, 16, 64):
        records = generate("molecule", until="valid=25,unique=4", batch_size=batch_size, **molecules)
        assert [record.to_dict() for record in records] == [record.to_dict() for record in wanted]
    first = list(generate("molecule", n_samples=len(wanted), **molecules))
    assert [record.text for record in first] == [record.text for record in wanted]


def test_each_prompt_gets_its_own_and_they_come_in_order(molecules: dict[str, Any]) -> None:
    prompts = ["C", "O", "CC", "OC"]
    records = list(generate("molecule", prompts, until="valid=7", batch_size=5, **molecules))
    found = [record.id.partition("#")[0] for record in records]
    assert found == sorted(found)
    for number in range(1, 5):
        mine = [record for record in records if record.id.startswith(f"prompt:{number}#")]
        assert sum(record.status is Status.OK for record in mine) == 7


def test_a_prompt_that_does_not_yield_is_given_up(molecules: dict[str, Any]) -> None:
    tally = GenerateTally()
    records = list(generate("molecule", until="unique=9", n_samples=50, tally=tally, **molecules))
    assert len(records) == 50
    assert (tally.short_prompts, tally.unique) == (1, 4)
    assert len(list(generate("molecule", until="unique=9", **molecules))) == Until(unique=9).limit == 180


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"until": "valid=10", "n_samples": 9}, "9 samples cannot reach valid=10"),
        ({"until": "novel=10"}, "need a reference set"),
        ({"until": "valid=10", "order": "completed"}, "exclude each other"),
        ({"time_s": 0}, "the time is 0 s"),
        ({"time_s": float("nan")}, "the time is nan s"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        list(generate("molecule", backend="fake", **options))


# -- time ----------------------------------------------------------------------------------------------------------


def test_nothing_is_begun_when_the_time_is_up(molecules: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1_000_000))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    tally = GenerateTally()
    records = list(generate("molecule", n_samples=1000, time_s=30, batch_size=4, tally=tally, **molecules))
    assert 0 < len(records) <= 30
    assert tally.stopped
    assert tally.late == 1000 - len(records)
    assert tally.requested == 1000
    assert f"{tally.late:,} not begun in time" in str(tally)
    assert [record.id for record in records] == [f"molecule#{n:04d}" for n in range(1, len(records) + 1)]


@pytest.mark.parametrize("fault", [KeyboardInterrupt, InputError("the device is gone")])
def test_a_prompt_that_is_cut_short_is_ranked_by_the_samples_that_it_has(
    molecules: dict[str, Any], monkeypatch: pytest.MonkeyPatch, fault: Any
) -> None:
    start = Generation._start_engine

    def starting(self: Generation, first: list[Request]) -> Any:
        engine: Any = start(self, first)
        run = engine.run

        def failing(*arguments: Any, **options: Any) -> Iterator[Completion]:
            for number, completion in enumerate(run(*arguments, **options)):
                if number == 5:
                    raise fault
                yield completion

        monkeypatch.setattr(engine, "run", failing)
        return engine

    monkeypatch.setattr(Generation, "_start_engine", starting)
    records: list[Record] = []
    with pytest.raises((KeyboardInterrupt, InputError)):
        records.extend(iter(generate("molecule", n_samples=100, batch_size=4, top=3, **molecules)))
    assert [record.scores["rank"]["value"] for record in records] == [1, 2, 3]
    assert {(record.sample["n_samples"], record.sample["n_asked"]) for record in records} == {(5, 100)}


# -- what is written -----------------------------------------------------------------------------------------------


def test_invalid_samples_are_counted_and_left_out(molecules: dict[str, Any]) -> None:
    kept, dropped = GenerateTally(), GenerateTally()
    every = list(generate("molecule", n_samples=40, tally=kept, **molecules))
    valid = list(generate("molecule", n_samples=40, keep_invalid=False, tally=dropped, **molecules))
    assert valid == [record for record in every if record.status is Status.OK]
    assert 0 < len(valid) < 40
    assert kept == dropped


def test_answers_that_are_not_in_the_reference_set_are_novel(molecules: dict[str, Any], tmp_path: Path) -> None:
    known = tmp_path / "known.smi"
    known.write_text("C(O)C a\nNC b\nnot-a-smiles c\n")
    tally = GenerateTally()
    records = list(
        generate("molecule", n_samples=60, reference=str(known), keep_invalid=False, tally=tally, **molecules)
    )
    for record in records:
        novel = "CCO" not in record.text and "OCC" not in record.text and "CN" not in record.text
        assert record.scores["novel"] == {"value": novel, "reference": str(known)}
    assert (tally.unique, tally.novel, tally.skipped_references) == (4, 2, 1)
    assert "→ 4 unique → 2 novel" in str(tally)
    enough = GenerateTally()
    list(generate("molecule", until="novel=2", reference=str(known), tally=enough, **molecules))
    assert enough.novel == 2


def test_what_the_embedded_model_was_trained_on_is_not_novel(tmp_path: Path) -> None:
    (tmp_path / "script.txt").write_text(
        "<MoleculeS>CC(=O)Nc1ccc(O)cc1<MoleculeE>\n<MoleculeS>CC(F)(C#N)OOCSSBr<MoleculeE>"
    )
    model: dict[str, Any] = {"backend": "fake", "model": str(tmp_path / "script.txt"), "top_p": 1.0}
    records = list(generate("molecule", n_samples=20, reference="logos-nano", repetition_penalty=1.0, **model))
    found = {record.text: record.scores["novel"]["value"] for record in records}
    assert [novel for _, novel in sorted(found.items())] == [False, True]
    with pytest.raises(UsageError, match="has no answers of reaction"):
        list(generate("reaction", "CCO", reference="logos-nano", **model))


@pytest.mark.parametrize(
    ("name", "content", "said"), [("a.fasta", ">a\nMKT\n", "compared with a protein"), ("none.smi", "", "empty")]
)
def test_a_reference_set_of_the_wrong_kind_is_refused(
    name: str, content: str, said: str, molecules: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=said):
        list(generate("molecule", reference=str(tmp_path / name), **molecules))


# -- collectors ----------------------------------------------------------------------------------------------------


class _Counting(Collector):
    """Counts samples, asks for the longest one's beginning to be completed, and says what came."""

    def __init__(self, prompt: PromptInfo) -> None:
        self.prompt = prompt
        self.numbers: list[str] = []
        self.answers: list[str] = []
        self.n_valid = 0

    def add(self, record: Record, answer: str | None, sentence: Sentence | None) -> None:
        self.numbers.append(record.id.rpartition("#")[2])
        self.n_valid += answer is not None

    def questions(self) -> Sequence[PromptSentence]:
        assert len(self.numbers) == 6
        return [MoleculeTask().from_payload("CCCC").check(), MoleculeTask().from_payload("OC").check()]

    def answer(self, number: int, text: str, logp: float | None) -> None:
        assert logp is not None
        self.answers.append(f"{number} {text}")

    def results(self) -> Iterable[Record]:
        yield Record(
            f"{self.prompt.id}:all", "molecule", "", extra={"numbers": self.numbers, "answers": sorted(self.answers)}
        )


class _Collecting(MoleculeTask):
    def collector(self, prompt: PromptInfo) -> Collector:
        return _Counting(prompt)


@pytest.mark.parametrize("order", ["input", "completed"])
@pytest.mark.parametrize("batch_size", [1, 4, 64])
def test_a_collector_gets_every_sample_and_its_questions_answered(
    order: Any, batch_size: int, molecules: dict[str, Any]
) -> None:
    chosen = {"n_samples": 6, "order": order, "batch_size": batch_size, **molecules}
    options = options_or_fields(GenerateOptions, None, chosen, "generate")
    run = Generation(replace(plan_generation("molecule", options), task=_Collecting()))
    first, second = run.records(["C", "O"])
    assert sorted([first.id, second.id]) == ["prompt:1:all", "prompt:2:all"]
    for record in (first, second):
        assert sorted(record.extra["numbers"]) == [f"{number:04d}" for number in range(1, 7)]
        assert record.extra["answers"] == ["0 <MoleculeS>CCCCCCCC<MoleculeE>", "1 <MoleculeS>OCC<MoleculeE>"]
        assert record.sample["n_samples"] == 6
        assert record.sample["task"] == "molecule"
    assert run.tally.requested == 12
    assert run.tally.results == 2


# -- interruption --------------------------------------------------------------------------------------------------


class _Breaking:
    """Completes every second sample, the last first, and then breaks."""

    def run(self, requests: Iterable[Request], *, order: str = "input") -> Iterator[Completion]:
        drawn = list(requests)
        for index in range(len(drawn) - 1, 0, -2):
            yield Completion(drawn[index], (), (0.0,), Finish.LENGTH, index)
        raise KeyboardInterrupt


def test_what_is_finished_is_written_before_an_interruption_leaves(
    molecules: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(checkpoint: Any, load: Any, sampling: Sampling, **_: Any) -> Any:
        return checkpoint.load().info, _Breaking()

    monkeypatch.setattr("logos_cli.workflows.generate.generation.start_engine", start)
    records = generate("molecule", ["C", "O"], n_samples=4, **molecules)
    written = []
    with pytest.raises(KeyboardInterrupt):
        for record in records:
            written.append(record.id)  # noqa: PERF401 - extend would lose what came before
    assert written == ["prompt:1#0002", "prompt:1#0004", "prompt:2#0002", "prompt:2#0004"]
