"""Read the prompts of a generation, and prepare them for its task."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from os import PathLike, fspath
from pathlib import Path
from typing import IO

from logos_cli import registry
from logos_cli.errors import GrammarError, InputError, LogosError, UsageError
from logos_cli.formats import in_memory
from logos_cli.formats.base import Entry, ReadOptions
from logos_cli.formats.detect import detect
from logos_cli.grammar import TAGS
from logos_cli.io.input import Input
from logos_cli.io.paths import results_of_run
from logos_cli.objects.base import ScienceObject
from logos_cli.records import Record, Source, Status
from logos_cli.tasks.base import PromptSentence, Task
from logos_cli.workflows.inputs import exists, is_collection

Prompt = str | PathLike[str] | ScienceObject | Record | Entry | object
Prompts = Prompt | Iterable[Prompt] | None

_PAYLOAD_SHOWN = 1 << 12


@dataclass(slots=True)
class PreparedPrompt:
    """The open sentence of one prompt, or the error if there is none.

    Attributes
    ----------
    id : str
        Id of the prompt; the ids of samples are this with a number.
    source : dict
        Provenance, copied to the samples.
    extra : dict
        Unknown keys of a record, copied to the samples.
    alone : bool
        Whether it is the only prompt of the run: then its error ends the run.
    """

    id: str
    sentence: PromptSentence | None
    source: Source = field(default_factory=Source)
    extra: dict[str, object] = field(default_factory=dict)
    error: LogosError | None = None
    alone: bool = False


@dataclass(frozen=True, slots=True)
class PromptReader:
    """Reads prompts, and prepares them for a task.

    Attributes
    ----------
    read : ReadOptions
        How to read files; ``form`` is set by the task.
    """

    task: Task
    read: ReadOptions = field(default_factory=ReadOptions)
    stdin: IO[bytes] | None = None

    def prepared_prompts(self, prompts: Prompts) -> Iterator[PreparedPrompt]:
        """Yield each prompt with its sentence or its error; an error of a whole file is raised."""
        if prompts is None:
            yield PreparedPrompt(self.task.name, self.task.from_nothing(), alone=True)
        elif isinstance(prompts, (str, PathLike)):
            yield from self._from_name(fspath(prompts))
        elif isinstance(prompts, (ScienceObject, Record, Entry)):
            yield replace(self._from_value(prompts, "prompt"), alone=True)
        elif in_memory.is_known(prompts):
            made = list(self._from_object(prompts, "prompt"))
            yield from (replace(prompt, alone=len(made) == 1) for prompt in made)
        elif not is_collection(prompts):
            raise in_memory.unknown_type(prompts)
        else:
            for number, given in enumerate(prompts, 1):
                yield from self._from_member(given, f"prompt:{number}")

    def _from_member(self, given: Prompt, id: str) -> Iterator[PreparedPrompt]:
        if isinstance(given, PathLike):
            yield from self._from_file(fspath(given))
        elif isinstance(given, str):
            yield self._from_text(given, id, {})
        elif isinstance(given, (ScienceObject, Record, Entry)):
            yield self._from_value(given, id)
        else:
            yield from self._from_object(given, id)

    def _from_object(self, given: object, id: str) -> Iterator[PreparedPrompt]:
        """Yield the prompts of an object of another library; each text of a Series is one."""
        if in_memory.is_series(given):
            for label, text in given.items():
                if isinstance(text, str):
                    yield self._from_text(text, str(label), {"object": "pandas.Series"})
                else:
                    yield PreparedPrompt(str(label), None, error=in_memory.missing_text(label, text))
            return
        options = replace(self.read, form=self.task.reads_as)
        for entry in self.task.entries(in_memory.entries_of(given, options, id)):
            yield self._from_entry(entry)

    def _from_name(self, name: str) -> Iterator[PreparedPrompt]:
        """Read the file of that name if there is one; else the string is the prompt."""
        if not name.strip():
            raise UsageError("the prompt is empty", hint=f"{self.task.name} takes {self.task.prompts}")
        if name == "-" or exists(name):
            for path in results_of_run(Path(name)) or [name]:
                yield from self._from_file(path)
            return
        if not name.startswith("<") and (suffix := _format_suffix(name)):
            raise UsageError(
                f"there is no such file, and no sequence or SMILES ends in {suffix}", source=name, hint="check the path"
            )
        prompt = self._from_text(name, "prompt", {})
        if not name.startswith("<") and isinstance(prompt.error, GrammarError):
            prompt.error.hint = f"there is no file of this name; as text, {self.task.name} takes {self.task.prompts}"
        yield replace(prompt, alone=True)

    def _from_text(self, text: str, id: str, source: Source) -> PreparedPrompt:
        try:
            return PreparedPrompt(id, self.task.from_text(text.strip(), None, source), source)
        except LogosError as error:
            return PreparedPrompt(id, None, source, error=error)

    def _from_value(self, value: ScienceObject | Record | Entry, id: str) -> PreparedPrompt:
        if isinstance(value, ScienceObject):
            value = Entry(id, value)
        if isinstance(value, Entry):
            return self._from_entry(value)
        if value.status is Status.ERROR or not value.text:
            error = InputError(value.reason or "the record has no text", source=value.id)
            return PreparedPrompt(value.id or id, None, value.source, value.extra, error)
        prompt = self._from_text(value.text, value.id or id, value.source)
        prompt.extra = value.extra
        return prompt

    def _from_file(self, path: str) -> Iterator[PreparedPrompt]:
        with closing(Input(path, self.stdin)) as source:
            head = source.head.lstrip()
            if head.startswith((b"{", *(tag.encode() for tag in TAGS))):
                yield from self._from_lines(source)
            elif (payload := _lone_payload(source)) is not None:
                prompt = self._from_text(payload, source.stem, source.provenance)
                if prompt.error is not None:
                    prompt.error.at(source.name)
                yield replace(prompt, alone=True)
            else:
                options = replace(self.read, form=self.task.reads_as)
                for entry in self.task.entries(detect(source).read(source, options)):
                    yield self._from_entry(entry)

    def _from_lines(self, source: Input) -> Iterator[PreparedPrompt]:
        """Yield a prompt for each line: a record, a sentence, or the beginning of one."""
        for number, text in enumerate(source.text_lines(), 1):
            line, place = text.strip(), f"{source.name}:{number}"
            if not line:
                continue
            id = f"{source.stem}:{number}"
            if line.startswith("{"):
                try:
                    prompt = self._from_value(Record.from_json(line), id)
                except LogosError as error:
                    prompt = PreparedPrompt(id, None, error=error)
            else:
                prompt = self._from_text(line, id, {**source.provenance, "line": number})
            if prompt.error is not None:
                prompt.error.at(place)
            yield prompt

    def _from_entry(self, entry: Entry) -> PreparedPrompt:
        if entry.error is not None or entry.item is None:
            return PreparedPrompt(entry.id, None, entry.source, error=entry.error)
        try:
            sentence = self.task.from_object(entry.item).check()
        except LogosError as error:
            return PreparedPrompt(entry.id, None, entry.source, error=error)
        return PreparedPrompt(entry.id, sentence, entry.source)


def _format_suffix(name: str) -> str | None:
    """Return the ending that marks a string as the name of a file."""
    known = {suffix for plugin in registry.load_all("formats").values() for suffix in plugin.suffixes}
    endings = (*known, ".gz", ".zst", ".txt")
    return next((suffix for suffix in endings if name.lower().endswith(suffix)), None)


def _lone_payload(source: Input) -> str | None:
    """Return the bare sequence or SMILES of standard input, if it is one word."""
    if source.path is not None or len(source.head) > _PAYLOAD_SHOWN:
        return None
    words = source.head.decode("utf-8", errors="replace").split()
    return words[0] if len(words) == 1 else None
