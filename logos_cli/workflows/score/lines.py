"""Add scores to the JSON line of a record, without a change of its other bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Final

_DECODER: Final = json.JSONDecoder()
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


def with_scores(line: str, scores: Mapping[str, object]) -> str:
    """Return a record's line with these scores; its other scores stay as they are written."""
    if not scores:
        return line
    updates = {name: _ENCODER.encode(value) for name, value in scores.items()}
    before = next((line[start:end] for key, start, end in _pairs(line) if key == "scores"), "{}")
    return _updated(line, {"scores": _updated(before, updates)})


def _updated(text: str, updates: Mapping[str, str]) -> str:
    """Return the text of an object with replaced values in place, and new ones at the end."""
    parts, place, rest, empty = [], 0, dict(updates), True
    for key, start, end in _pairs(text):
        empty = False
        if key in updates:  # a key that comes twice is replaced twice: readers take the last
            parts += [text[place:start], updates[key]]
            place = end
            rest.pop(key, None)
    close = text.rindex("}")
    added = ", ".join(f"{_ENCODER.encode(key)}: {value}" for key, value in rest.items())
    if not added:
        return "".join(parts) + text[place:]
    body = text[place:close]
    kept = body.rstrip()
    joint = "" if empty else ", "
    return "".join(parts) + kept + joint + added + body[len(kept) :] + text[close:]


def _pairs(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield each key of an object with the range of its value; the text is known to be JSON."""
    place = _blank(text, text.index("{") + 1)
    while text[place] != "}":
        key, place = _DECODER.raw_decode(text, place)
        start = _blank(text, _blank(text, place) + 1)  # the colon
        _, end = _DECODER.raw_decode(text, start)
        yield key, start, end
        place = _blank(text, end)
        if text[place] == ",":
            place = _blank(text, place + 1)


def _blank(text: str, place: int) -> int:
    """Return the position of the next character that is not blank."""
    while place < len(text) and text[place].isspace():
        place += 1
    return place
