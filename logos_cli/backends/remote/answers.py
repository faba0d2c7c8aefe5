"""What servers answer, read with suspicion: each field has its type and its bound, or the answer is a fault.

Servers differ in what they report beyond the text. A field that is absent is no fault; one that contradicts the
request is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeGuard

from logos_cli.backends.remote.http import AnswerError
from logos_cli.io.json_types import JsonObject

_SLACK_TOKENS = 16
"""Tokens that a server may count beyond those requested: beginning, end and stop text."""

_TOKEN_CHARACTERS = 256
"""Characters of the longest token; those of Llama 3 and Qwen 3 have 128."""

_NAME_CHARACTERS = 1000
"""Characters of the longest name of a model: it is part of every record."""

_LEAST_LOGP, _GREATEST_LOGP = -1e6, 1e-2
"""Bounds of a log-probability. Servers write -9999 for minus infinity; rounding makes a certainty more than 0."""


@dataclass(frozen=True, slots=True)
class CompletionAnswer:
    """The completion in an answer.

    Attributes
    ----------
    finish : str, optional
        ``stop`` or ``length``.
    is_complete : bool
        Whether the model ended its text itself, rather than with the stop text.
    logps : tuple of float
        One for each token; NaN where the server does not report it.
    """

    text: str
    finish: str | None
    is_complete: bool
    logps: tuple[float, ...]


def parse_completion(answer: object, max_tokens: int) -> CompletionAnswer:
    """Return the completion of an answer.

    Parameters
    ----------
    max_tokens : int
        The number of tokens that was requested.

    Raises
    ------
    AnswerError
        If it has no text, or one that is longer than requested.
    """
    choice = _choice(answer)
    text = choice.get("text")
    if text is None:
        text = ""
    if not isinstance(text, str):
        raise AnswerError("the text of a completion is not text")
    if len(text) > _TOKEN_CHARACTERS * (max_tokens + _SLACK_TOKENS):
        raise AnswerError(f"a completion is longer than the {max_tokens:,} tokens that were requested")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise AnswerError("the text of a completion has half a character") from error
    finish = choice.get("finish_reason")
    return CompletionAnswer(
        text,
        finish if isinstance(finish, str) else None,
        _is_complete(answer, choice),
        _logps(answer, choice, max_tokens),
    )


def parse_echo(answer: object, text: str) -> list[tuple[str, float]] | None:
    """Return the tokens of an echoed text with their log-probabilities; None if the server does not report them.

    Raises
    ------
    AnswerError
        If it has no completion, or that of another text.
    """
    logprobs = _choice(answer).get("logprobs")
    pieces = logprobs.get("tokens") if isinstance(logprobs, dict) else None
    logps = logprobs.get("token_logprobs") if isinstance(logprobs, dict) else None
    if not isinstance(pieces, list) or not isinstance(logps, list) or len(pieces) != len(logps):
        return None
    read: list[tuple[str, float]] = []
    place = 0
    for piece, logp in zip(pieces, logps, strict=True):
        if place >= len(text):  # the generated token
            break
        if isinstance(piece, str) and piece and text.startswith(piece, place):
            place += len(piece)
            read.append((piece, _logp(logp)))
        elif place and piece != "":  # a control token, which is no part of the text, is empty or comes first
            raise AnswerError("the tokens of an echo are not those of the text")
    if place < len(text) or sum(math.isnan(logp) for _, logp in read) > 1:
        return None
    return read


def parse_models(answer: object) -> list[JsonObject]:
    """Return the entries of a list of models, each with an ``id``; empty if it is none."""
    served = answer.get("data") if isinstance(answer, dict) else None
    entries = [entry for entry in served if isinstance(entry, dict)] if isinstance(served, list) else []
    return [entry for entry in entries if _is_name(entry.get("id"))]


def context_tokens(entry: JsonObject) -> int | None:
    """Return the length of the context of a model in a list; None if it is not reported."""
    meta = entry.get("meta")
    length = entry.get("max_model_len") or (meta.get("n_ctx") if isinstance(meta, dict) else None)
    return length if _is_count(length) and length > 0 else None


def parse_count(answer: object, text: str) -> int | None:
    """Return the number of tokens of a text; None if the answer has none, or one that the text cannot have."""
    tokens = answer.get("count", answer.get("tokens")) if isinstance(answer, dict) else None
    n_tokens = len(tokens) if isinstance(tokens, list) else tokens
    most = len(text.encode("utf-8", errors="replace")) + _SLACK_TOKENS
    return n_tokens if _is_count(n_tokens) and n_tokens <= most else None


def _choice(answer: object) -> JsonObject:
    choices = answer.get("choices") if isinstance(answer, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, dict):
        raise AnswerError("an answer has no completion")
    return choice


def _is_complete(answer: object, choice: JsonObject) -> bool:
    if isinstance(answer, dict) and "stop_type" in answer:  # llama-server
        return bool(answer["stop_type"] != "word")
    if "stop_reason" in choice:  # vLLM: the stop text, or None
        return not isinstance(choice["stop_reason"], str)
    if "matched_stop" in choice:  # SGLang: the stop text, or the id of a token
        return not isinstance(choice["matched_stop"], str)
    return False


def _logps(answer: object, choice: JsonObject, max_tokens: int) -> tuple[float, ...]:
    logprobs = choice.get("logprobs") or {}
    values = logprobs.get("token_logprobs") if isinstance(logprobs, dict) else None
    if values is None and isinstance(logprobs, dict) and isinstance(logprobs.get("content"), list):  # llama-server
        values = [entry.get("logprob") if isinstance(entry, dict) else None for entry in logprobs["content"]]
    if isinstance(values, list) and values:
        _check_count(len(values), max_tokens)
        return tuple(map(_logp, values))
    usage = answer.get("usage") if isinstance(answer, dict) else None
    n_tokens = (usage.get("completion_tokens") if isinstance(usage, dict) else None) or 0
    if not _is_count(n_tokens):
        raise AnswerError("the number of tokens of an answer is not a number")
    _check_count(n_tokens, max_tokens)
    return (math.nan,) * n_tokens


def _check_count(n_tokens: int, max_tokens: int) -> None:
    if n_tokens > max_tokens + _SLACK_TOKENS:
        raise AnswerError(f"an answer claims more than the {max_tokens:,} tokens that were requested")


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _NAME_CHARACTERS


def _logp(value: object) -> float:
    """Return a log-probability; NaN for what is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return math.nan
    try:
        logp = float(value)
    except OverflowError:
        return math.nan
    return min(logp, 0.0) if _LEAST_LOGP <= logp <= _GREATEST_LOGP else math.nan
