"""Likeliest products of given reactants under the language model of the run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from logos_cli.backends.base import LoadOptions, Tokenizer
from logos_cli.errors import LogosError
from logos_cli.grammar import Form, parse

if TYPE_CHECKING:
    from logos_cli.engine.scheduler import Request

_BATCH_SIZE = 64
_MOST_TOKENS = 500


def products_of(reactants: Sequence[tuple[str, ...]], load: LoadOptions) -> list[str | LogosError]:
    """Predict the product of each set of reactants greedily, under the grammar.

    Parameters
    ----------
    reactants : sequence of tuple of str
        SMILES of each set.

    Returns
    -------
    list of str or LogosError
        SMILES as the model writes them, or the reason why there is none.
    """
    from logos_cli.engine.sampling import Sampling
    from logos_cli.engine.start import checkpoint_of, runner_of

    model = checkpoint_of(load)
    products: list[str | LogosError] = [LogosError("") for _ in reactants]
    requests: list[Request] = []
    places: list[int] = []
    for place, molecules in enumerate(reactants):
        request = _request(molecules, model.tokenizer, str(place))
        if len(request.prompt) >= model.context_tokens:
            products[place] = LogosError(
                f"the reactants have {len(request.prompt)} tokens; the model reads at most {model.context_tokens}"
            )
        else:
            requests.append(request)
            places.append(place)
    if not requests:
        return products
    batch_size = load.batch_size or min(_BATCH_SIZE, len(requests))
    runner = runner_of(load, Sampling(max_new_tokens=_MOST_TOKENS), batch_size=batch_size, seed=0)
    for completion in runner.run(requests):
        place = places[completion.index]
        text = model.tokenizer.decode([*completion.request.prompt, *completion.tokens])
        try:
            products[place] = parse(text, Form.REACTION).right[0].payload
        except LogosError as error:
            products[place] = LogosError(f"the model predicts no product: {error.message}")
    return products


def _request(reactants: tuple[str, ...], tokenizer: Tokenizer, id: str) -> Request:
    from logos_cli.engine.scheduler import Request
    from logos_cli.tasks.reactions.reactant_sets import after_reactants

    sentence = after_reactants(reactants)
    return Request(
        id,
        tuple(tokenizer.encode(sentence.text)),
        grammar=sentence.grammar,
        given=sentence.text[sentence.grammar_start :],
        end=tokenizer.tag_ids[sentence.end] if sentence.end else None,
        greedy=True,
    )
