"""Records: a sentence with its provenance, one JSON object a line.

``docs/reference/record.schema.json`` is the schema. Keys that this version does not know pass through unchanged, after
the known ones.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from importlib import import_module
from typing import IO, Final, NoReturn, cast

from logos_cli.errors import FormatError, LogosError
from logos_cli.records.json_text import harmless_json
from logos_cli.records.parts import Sample, Scores, Source

SCHEMA = 1

_KNOWN = ("schema", "id", "kind", "text", "status", "reason", "source", "sample", "scores")


class Status(StrEnum):
    """Whether the record is usable (ok), not valid (invalid), or could not be made (error)."""

    OK = "ok"
    INVALID = "invalid"
    ERROR = "error"


@dataclass(slots=True)
class Record:
    """One sentence and its provenance.

    Attributes
    ----------
    id : str
        Unique within a run; derived from the source, so that the same input gives the same id.
    kind : str
        The sentence form (``protein``, ``complex``, ``retrosynthesis``, …), see ``grammar.FORMS``.
    text : str
        The sentence; empty if ``status`` is ``error``.
    status : Status
        ``reason`` explains every status but ``ok``.
    source, sample, scores : dict
        Provenance of an encoded sentence, of a generated one, and the values computed for it.
    extra : dict
        Keys of the input that are none of the above.
    """

    id: str
    kind: str
    text: str
    status: Status = Status.OK
    reason: str | None = None
    source: Source = field(default_factory=Source)
    sample: Sample = field(default_factory=Sample)
    scores: Scores = field(default_factory=dict)
    extra: dict[str, object] = field(default_factory=dict)

    @classmethod
    def from_error(cls, id: str, kind: str, error: LogosError, source: Source | None = None) -> Record:
        """Return the record of an input that could not be encoded."""
        reason = error.message + (f" ({error.hint})" if error.hint else "")
        return cls(id, kind, "", Status.ERROR, reason, {**source} if source else {})

    def _repr_html_(self) -> str:
        """Return what a notebook shows: a drawing of the molecules, and a table of the rest."""
        # a room above, imported by name: no record needs it but in a notebook
        show: Callable[[Record], str] = import_module("logos_cli.report.notebook").record_html
        return show(self)

    def to_dict(self) -> dict[str, object]:
        """Return the JSON object without its empty parts."""
        out: dict[str, object] = {
            "schema": SCHEMA,
            "id": self.id,
            "kind": self.kind,
            "text": self.text,
            "status": self.status.value,
        }
        if self.reason is not None:
            out["reason"] = self.reason
        if self.source:
            out["source"] = self.source
        if self.sample:
            out["sample"] = self.sample
        if self.scores:
            out["scores"] = self.scores
        if self.extra:
            out.update(self.extra)
        return out

    def to_json(self) -> str:
        """Return one line of JSON without the line end.

        Raises
        ------
        FormatError
            If the record holds a number that JSON cannot represent (NaN, infinity).
        """
        try:
            text = _ENCODER.encode(self.to_dict())
        except ValueError as error:
            raise FormatError(f"record {self.id!r} cannot be written as JSON: {error}") from error
        return harmless_json(text)

    @classmethod
    def from_dict(cls, data: Mapping[str, object]) -> Record:
        """Read a record from its JSON object.

        Raises
        ------
        FormatError
            If a required key is missing or has the wrong type, or the schema is newer than this program.
        """
        version = data.get("schema", SCHEMA)
        if not isinstance(version, int) or version > SCHEMA:
            raise FormatError(
                f"record schema {version!r} is not known to this version (it reads up to {SCHEMA})",
                hint="upgrade logos",
            )
        text = data.get("text")
        if not isinstance(text, str):
            raise FormatError("a record needs a key 'text' that is a string")
        for key in ("source", "sample", "scores"):
            if not isinstance(data.get(key, {}), dict):
                raise FormatError(f"record key {key!r} must be an object")
        try:
            status = Status(str(data.get("status", "ok")))
        except ValueError as error:
            raise FormatError(f"record status {data.get('status')!r} is none of {', '.join(Status)}") from error
        reason = data.get("reason")
        return cls(
            id=str(data.get("id", "")),
            kind=str(data.get("kind", "")),
            text=text,
            status=status,
            reason=None if reason is None else str(reason),
            source=cast(Source, data.get("source", {})),
            sample=cast(Sample, data.get("sample", {})),
            scores=cast(Scores, data.get("scores", {})),
            extra={key: value for key, value in data.items() if key not in _KNOWN},
        )

    @classmethod
    def from_json(cls, line: str | bytes) -> Record:
        """Read a record from one line of JSON."""
        try:
            data = json.loads(line, parse_constant=_refuse, parse_float=_finite, parse_int=_bounded)
        except (ValueError, RecursionError) as error:
            raise FormatError(f"not a JSON record: {error}") from error
        if not isinstance(data, dict):
            raise FormatError("not a JSON record: expected an object")
        if b"\\ud" in line.lower() if isinstance(line, bytes) else "\\ud" in line.lower():
            data = _without_surrogates(data)
        return cls.from_dict(data)


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"the number {text[:20]} is beyond the range of floating-point numbers")
    return value


def _bounded(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError(f"the number {text[:20]}… has {len(text)} digits")
    return int(text)


def _without_surrogates(value: object) -> object:
    """Return JSON in which a half of a UTF-16 pair, which is no character, is U+FFFD."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_without_surrogates(each) for each in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(each) for key, each in value.items()}
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number; write null")


_MOST_DIGITS: Final = 300
"""Integers of more digits are no floating-point numbers."""
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(", ", ": "))


def read_records(lines: Iterable[str | bytes], source: str = "<stdin>") -> Iterator[Record]:
    """Yield the records of JSONL text; blank lines are skipped.

    Raises
    ------
    FormatError
        At the first line that is not a record, with its line number.
    """
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield Record.from_json(line)
            except FormatError as error:
                raise error.at(f"{source}:{number}") from error


def write_records(records: Iterable[Record], stream: IO[str]) -> int:
    """Write records as JSONL and return their number."""
    count = 0
    for record in records:
        stream.write(record.to_json() + "\n")
        count += 1
    return count
