"""The schedule alone: what is drawn next and what is written next, whatever makes and judges the samples."""

from __future__ import annotations

from collections.abc import Iterator

from logos_cli.engine.scheduler import Completion, Finish, Request
from logos_cli.errors import InputError
from logos_cli.records import Record
from logos_cli.tasks.base import PromptSentence
from logos_cli.workflows.generate.outcome import PromptOutcome
from logos_cli.workflows.generate.prompts import PreparedPrompt
from logos_cli.workflows.generate.schedule import PendingSample, Schedule
from logos_cli.workflows.generate.tally import GenerateTally
from logos_cli.workflows.generate.until import Until


class _Judge:
    """Takes every sample for valid and different."""

    def __init__(self, limit: int, until: Until | None = None) -> None:
        self.limit, self.until = limit, until

    def begin(self, prompt: PreparedPrompt) -> PromptOutcome:
        return PromptOutcome(prompt, self.limit, self.until)

    def take_sample(self, outcome: PromptOutcome, number: int, completion: Completion) -> Record | None:
        outcome.found.made += 1
        outcome.found.valid += 1
        return Record(f"{outcome.prompt.id}#{number}", "protein", "")

    def take_answer(
        self, outcome: PromptOutcome, number: int, sentence: PromptSentence, completion: Completion
    ) -> None:
        raise AssertionError("nobody asks")

    def close(self, outcome: PromptOutcome, n_drawn: int) -> Iterator[Record]:
        yield Record(f"{outcome.prompt.id} closed after {n_drawn}", "protein", "")

    def results(self, outcome: PromptOutcome) -> Iterator[Record]:
        yield Record(f"{outcome.prompt.id} cut short", "protein", "")


def _prompts(*ids: str) -> Iterator[PreparedPrompt]:
    for id in ids:
        error = InputError("unusable") if id.startswith("!") else None
        yield PreparedPrompt(id, None if error else PromptSentence("<ProteinS>", ""), error=error)


def _completion(index: int) -> Completion:
    return Completion(Request("", ()), (), (), Finish.STOP, index)


def _ids(records: Iterator[Record]) -> list[str]:
    return [record.id for record in records]


def _names(samples: list[PendingSample]) -> list[str]:
    return [sample.id for sample in samples]


def test_records_wait_for_their_turn() -> None:
    schedule = Schedule(_prompts("a", "!", "b"), _Judge(2), GenerateTally())
    assert _names(list(schedule.pending())) == ["a#0001", "a#0002", "b#0001", "b#0002"]
    assert _ids(schedule.take(_completion(3))) == []
    assert _ids(schedule.take(_completion(1))) == []
    assert _ids(schedule.take(_completion(0))) == ["a#1", "a#2", "a closed after 2", "! closed after 0"]
    assert _ids(schedule.take(_completion(2))) == ["b#1", "b#2", "b closed after 2"]
    assert list(schedule.pending()) == []


def test_records_that_need_no_order_are_written_at_once() -> None:
    schedule = Schedule(_prompts("a", "b"), _Judge(1), GenerateTally(), in_order=False)
    assert len(list(schedule.pending())) == 2
    assert _ids(schedule.take(_completion(1))) == ["b#1", "b closed after 1"]
    assert _ids(schedule.take(_completion(0))) == ["a#1", "a closed after 1"]


def test_prompts_are_read_as_they_are_needed() -> None:
    read: list[str] = []

    def prompts() -> Iterator[PreparedPrompt]:
        for prompt in _prompts("a", "b", "c"):
            read.append(prompt.id)
            yield prompt

    pending = Schedule(prompts(), _Judge(2), GenerateTally()).pending()
    assert next(pending).id == "a#0001"
    assert next(pending).id == "a#0002"
    assert read == ["a"]
    assert next(pending).id == "b#0001"
    assert read == ["a", "b"]


def test_a_prompt_that_has_enough_is_closed_and_what_is_under_way_is_left_out() -> None:
    schedule = Schedule(_prompts("a"), _Judge(100, Until(valid=2)), GenerateTally())
    first = list(schedule.pending())
    assert 2 <= len(first) < 100
    for index in range(len(first)):
        written = _ids(schedule.take(_completion(index)))
        if index == 1:
            assert written == ["a#2", f"a closed after {len(first)}"]
    assert _ids(schedule.pop_finished()) == []
    assert list(schedule.pending()) == []


def test_what_waited_is_drained_when_the_run_is_cut_short() -> None:
    schedule = Schedule(_prompts("a"), _Judge(3), GenerateTally())
    assert len(list(schedule.pending())) == 3
    assert _ids(schedule.take(_completion(2))) == []
    assert _ids(schedule.drain()) == ["a#3", "a cut short"]


def test_nothing_is_drawn_after_the_deadline() -> None:
    tally = GenerateTally()
    schedule = Schedule(_prompts("a"), _Judge(3), tally, deadline=0.0)
    assert list(schedule.pending()) == []
    assert tally.stopped
