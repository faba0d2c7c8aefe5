"""The product that the run's language model finds likeliest for given reactants."""

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


def products_of(reactants: Sequence[tuple[str, ...]], load: LoadOptions, backend: str) -> list[str | LogosError]:
    """Predict the product of each set of reactants, token by token the likeliest that the grammar permits.

    Parameters
    ----------
    reactants : sequence of tuple of str
        SMILES.

    Returns
    -------
    list of str or LogosError
        SMILES as the model writes them; why there is none.
    """
    from logos_cli.engine.sampler import Sampling
    from logos_cli.engine.start import engine_of, likelihood_of

    likelihood = likelihood_of(load, backend)
    model = likelihood.model
    sampling = Sampling(max_new_tokens=_MOST_TOKENS)
    found: list[str | LogosError] = [LogosError("") for _ in reactants]
    requests: list[Request] = []
    places: list[int] = []
    for place, each in enumerate(reactants):
        request = _request(each, model.tokenizer, str(place))
        if len(request.prompt) >= likelihood.context_tokens:
            found[place] = LogosError(
                f"the reactants have {len(request.prompt)} tokens; the model reads {likelihood.context_tokens}"
            )
        else:
            requests.append(request)
            places.append(place)
    if not requests:
        return found
    engine = engine_of(model, sampling, batch_size=min(_BATCH_SIZE, len(requests)), seed=0)
    for completion in engine.run(requests):
        place = places[completion.index]
        text = model.tokenizer.decode([*completion.request.prompt, *completion.tokens])
        try:
            found[place] = parse(text, Form.REACTION).right[0].payload
        except LogosError as error:
            found[place] = LogosError(f"no product is predicted: {error.message}")
    return found


def _request(reactants: tuple[str, ...], tokenizer: Tokenizer, id: str) -> Request:
    from logos_cli.engine.scheduler import Request
    from logos_cli.tasks.reactions.reactant_sets import after_reactants

    asked = after_reactants(reactants)
    return Request(
        id,
        tuple(tokenizer.encode(asked.text)),
        grammar=asked.grammar,
        given=asked.text[asked.given_from :],
        end=tokenizer.tag_ids[asked.end] if asked.end else None,
        greedy=True,
    )
