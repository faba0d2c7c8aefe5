"""Ways of writing a reaction: along its prompt, and at random."""

from __future__ import annotations

import random

from logos_cli.chemistry.smiles_variants import along, canonical, rooted
from logos_cli.grammar import Form
from logos_cli.objects.reaction import Reaction


def written(reaction: Reaction, form: Form, seed: int | None, *, align: bool) -> Reaction:
    """Return the reaction with the molecules of both sides written anew.

    Parameters
    ----------
    form : Form
        ``reaction`` or ``retrosynthesis``: which side is the prompt.
    seed : int or None
        Writes the molecules of the prompt from atoms drawn at random, in random order; None writes it canonically,
        sorted.
    align : bool
        Write the molecules of the answer along the prompt, in the order in which they first match it; else
        canonically, sorted.

    Raises
    ------
    MoleculeError
        If RDKit cannot read one of the molecules.
    """
    forward = form is Form.REACTION
    prompt, answer = (reaction.reactants, (reaction.product,))
    if not forward:
        prompt, answer = answer, prompt
    given = sorted(map(canonical, prompt))
    if seed is not None:
        source = random.Random(seed)  # noqa: S311 - to be repeatable
        given = [rooted(smiles, source.getrandbits(31)) for smiles in given]
        source.shuffle(given)
    made = along(answer, "".join(given)) if align else sorted(map(canonical, answer))
    return Reaction(tuple(given), made[0]) if forward else Reaction(tuple(made), given[0])
