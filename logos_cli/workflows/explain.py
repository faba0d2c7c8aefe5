"""Log-probabilities of a sentence, token by token: where a model finds it likely, and where not."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import IO, TypedDict

import numpy as np
from numpy.typing import NDArray

from logos_cli.backends.base import LoadOptions, open_model
from logos_cli.engine.likelihood import Likelihood, ScoredText, answer_start, blocks_of, perplexity
from logos_cli.engine.start import start_likelihood
from logos_cli.errors import InputError, LogosError, OutputError
from logos_cli.formats.base import ReadOptions
from logos_cli.formats.structure.write import residue_map, structure_with
from logos_cli.grammar import Block, Pocket, Sentence, parse
from logos_cli.grammar.spec import Kind
from logos_cli.io.selection import Selection
from logos_cli.objects.base import ScienceObject, from_sentence
from logos_cli.options import nested, options_or_fields
from logos_cli.records import Record, Status
from logos_cli.records.parts import answer_start_of
from logos_cli.workflows.inputs import Given, Givens, listed
from logos_cli.workflows.score.batches import batches
from logos_cli.workflows.score.items import iter_subjects

_TOGETHER = 64


@dataclass(frozen=True, slots=True)
class ExplainOptions:
    """The model, and how to read files and objects."""

    load: LoadOptions = nested(LoadOptions)
    read: ReadOptions = nested(ReadOptions)


@dataclass(frozen=True, slots=True)
class ExplainedToken:
    """A token of a sentence.

    Attributes
    ----------
    text : str
        Its characters; empty for a control token such as BOS.
    start, end : int
        Their positions in the sentence.
    logp : float, optional
        Natural logarithm of its probability given all tokens before it; None for the first.
    """

    text: str
    start: int
    end: int
    logp: float | None


class Likelihoods(TypedDict):
    """Log-probability (nats), perplexity and number of some tokens."""

    logp: float
    ppl: float | None
    n_tokens: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """A record with the log-probabilities of its tokens.

    Attributes
    ----------
    record : Record
    scored : ScoredText or None
        None if the record has no sentence, or one that is too long; ``error`` is the reason.
    """

    record: Record
    scored: ScoredText | None = None
    error: LogosError | None = None

    @property
    def tokens(self) -> list[ExplainedToken]:
        """All tokens in order; none for a record with an error."""
        if self.scored is None:
            return []
        text = self.scored.text
        pairs = zip(self.scored.spans, self.scored.logps.tolist(), strict=True)
        return [
            ExplainedToken(text[span.start : span.end], *span, None if math.isnan(logp) else logp)
            for span, logp in pairs
        ]

    def to_dict(self) -> dict[str, object]:
        """Return the JSON object: id, sentence, tokens, and the figures of the whole, the answer and each block."""
        out: dict[str, object] = {"id": self.record.id, "kind": self.record.kind, "text": self.record.text}
        if self.scored is None:
            return out | {"error": str(self.error)}
        scored, sentence = self.scored, self._sentence()
        out["whole"], answer = self.figures()
        if answer is not None:
            out["answer"] = {"start": self._answer_start(), **answer}
        if sentence is not None:
            out["blocks"] = [
                {
                    "kind": block.kind.value,
                    "start": block.span.start,
                    "end": block.span.end,
                    **_figures(scored.between(*block.span)),
                }
                for block in blocks_of(sentence)
            ]
        out["tokens"] = [asdict(token) for token in self.tokens]
        return out

    def figures(self) -> tuple[Likelihoods, Likelihoods | None]:
        """Return the figures of the whole sentence, and of the answer if its start is known."""
        if self.scored is None:
            raise ValueError("a record with an error has no figures")
        start = self._answer_start()
        answer = None if start is None else _figures(self.scored.between(start, len(self.scored.text)))
        return _figures(self.scored.all), answer

    def _answer_start(self) -> int | None:
        start, sentence = answer_start_of(self.record.sample), self._sentence()
        return answer_start(sentence) if start is None and sentence is not None else start

    def _sentence(self) -> Sentence | None:
        try:
            return parse(self.record.text)
        except LogosError:
            return None

    def residues(self) -> list[list[float]]:
        """Return the mean log-probability of each residue's characters, chain by chain.

        If a sentence repeats its chains (after ``<Search>``), the first ones count. The log-probability of a token
        that spans several residues is shared evenly among them. The value of an expanded residue is the mean over
        its SMILES.

        Raises
        ------
        OutputError
            If the sentence has no protein.
        """
        sentence = self._sentence()
        if self.scored is None or sentence is None:
            raise OutputError(f"{self.record.id}: there is no sentence to show") from self.error
        characters = self.scored.characters()
        chains = [block for block in sentence.left if block.kind is Kind.PROTEIN]
        if not chains:
            raise OutputError(
                f"{self.record.id}: a {sentence.form} has no residues to show",
                hint="write it to .json, or to the terminal",
            )
        return [_residues_of(block, characters) for block in chains]

    def cif(self) -> str:
        """Return the record's structure as mmCIF; B-factors are the negative mean log-probabilities of residues.

        Raises
        ------
        OutputError
            If the record does not come from a structure.
        """
        values = self.residues()
        item: ScienceObject = from_sentence(parse(self.record.text))
        try:
            names, _ = residue_map(self.record, item)
            found = {
                name: -value
                for number, chain in enumerate(values)
                for place, value in enumerate(chain)
                if (name := names.name((number, place))) is not None and not math.isnan(value)
            }
            return structure_with(self.record, found)
        except OutputError as error:
            raise error.about(self.record.id) from error.__cause__


def _figures(logps: NDArray[np.float64]) -> Likelihoods:
    value = perplexity(logps)
    return {
        "logp": round(float(logps.sum()), 6),
        "ppl": round(value, 6) if math.isfinite(value) else None,
        "n_tokens": len(logps),
    }


def _residues_of(block: Block, characters: NDArray[np.float64]) -> list[float]:
    """Return the value of each residue of a protein block."""
    found: list[float] = []
    place = block.span.start + len(block.kind.start)
    for part in block.parts:
        if isinstance(part, str):
            found += characters[place : place + len(part)].tolist()
            place += len(part)
            continue
        assert isinstance(part, Pocket)
        start = place + len(Kind.POCKET.start)
        inner = characters[start : start + len(part.payload)]
        found += [float(inner.mean())] if part.expanded else inner.tolist()
        place = start + len(part.payload) + len(Kind.POCKET.end)
    return found


def explain(
    inputs: Givens, options: ExplainOptions | None = None, *, stdin: IO[bytes] | None = None, **choices: object
) -> Iterator[Explanation]:
    """Yield each record with the log-probabilities of its tokens.

    Parameters
    ----------
    inputs : path, Record, text, object, or iterable of these
        Anything that ``score`` takes.
    options : ExplainOptions, optional
        The fields of ``load`` and ``read`` may be keywords instead:
        ``explain("x.jsonl", model="model.gguf", threads=4)``, ``explain("CCO", form="molecule")``.

    Raises
    ------
    LogosError
        If an option or the model cannot be used, or a string is neither a file nor a text with a stated form.
    TypeError
        If an object is of an unknown type.

    Examples
    --------
    >>> from logos_cli.objects.molecule import Molecule
    >>> [explanation] = explain(Molecule("CCO"))
    >>> [token.text for token in explanation.tokens]
    ['', '<MoleculeS>', 'C', 'C', 'O', '<MoleculeE>']
    """
    options = options_or_fields(ExplainOptions, options, choices, "explain")
    return iter_explained(listed(inputs, options.read.form, records=True), options, stdin=stdin)


def iter_explained(
    inputs: Iterable[Given],
    options: ExplainOptions,
    *,
    stdin: IO[bytes] | None = None,
    selection: Selection | None = None,
) -> Iterator[Explanation]:
    """Yield the explanations of records, files, objects and texts; a string that cannot be a text is a path."""
    load = options.load
    checkpoint = open_model(load)
    likelihood: Likelihood | None = None
    for batch in batches(iter_subjects(inputs, options.read, stdin=stdin, selection=selection), _TOGETHER):
        usable = [each for each in batch if each.record.text and each.record.status is not Status.ERROR]
        if usable and likelihood is None:
            likelihood = start_likelihood(checkpoint, load)
        texts = likelihood.score([each.record.text for each in usable]) if likelihood and usable else []
        scored = {id(each): text for each, text in zip(usable, texts, strict=True)}
        for each in batch:
            found = scored.get(id(each))
            if isinstance(found, ScoredText):
                record = each.record if each.record.kind else replace(each.record, kind=str(each.form or ""))
                yield Explanation(record, found)
            else:
                reason = found or each.error or InputError(each.record.reason or "the record has no text")
                yield Explanation(each.record, None, reason)
