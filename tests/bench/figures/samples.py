"""Unconstrained samples: molecules, antibodies, frameworks, and whether sentences of every form are well formed.

Samples are drawn from the model as it is, at temperature 1, unless a figure says otherwise.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import numpy as np

from logos_cli.backends.base import LoadOptions
from logos_cli.errors import GrammarError, MissingError, MoleculeError
from logos_cli.evaluators.materials.parts import Framework, FrameworkLibrary
from logos_cli.evaluators.molecules.properties import MeasuredMolecule
from logos_cli.evaluators.statistics import first_occurrences
from logos_cli.grammar import Form, parse
from logos_cli.grammar.spec import Kind, Operator
from logos_cli.objects.material import Material
from logos_cli.records import Record
from logos_cli.workflows.generate.generation import GenerateOptions, generate
from tests.bench.figures.bench import SEED, Bench, HeldOut, Sample, canonical, say, watch
from tests.bench.figures.statistics import distance, percent

N_MOLECULES: Final = 10_000
N_CONSTRAINED: Final = 2_000
PROPERTIES: Final = ("qed", "logp", "sa")
MOLECULE_DOMAINS: Final = ("molecule", "ligand")


def molecules(bench: Bench) -> dict[str, Any]:
    """Validity, uniqueness among the valid, novelty among the unique, and distances to the training molecules."""
    made = bench.sample(Kind.MOLECULE.start, bench.size(N_MOLECULES), 250, end=Kind.MOLECULE.end)
    found = molecule_figures(bench, [payload_or_none(sample, Form.MOLECULE) for sample in made])
    training = [training_properties(bench.held_out, bench.size(N_MOLECULES), half) for half in (0, 1)]
    found["between_two_training_samples"] = {
        f"{name}_distance": distance(training[0][name], training[1][name]) for name in PROPERTIES
    }
    found["chemistry"] = molecule_figures(bench, constrained_molecules(bench))
    return found


def molecule_figures(bench: Bench, payloads: Sequence[str | None]) -> dict[str, Any]:
    """Return the figures of one set of samples; None is one that is not well formed."""
    written = [canonical(payload) if payload else None for payload in payloads]
    first = first_occurrences(written)
    valid = [smiles for smiles in written if smiles]
    unique = [smiles for smiles, is_first in zip(written, first, strict=True) if smiles and is_first]
    known = training_molecules(bench.held_out)
    reference = training_properties(bench.held_out, bench.size(N_MOLECULES), 0)
    measured = measure_all(valid)
    return {
        "well_formed_percent": percent(payload is not None for payload in payloads),
        "valid_percent": percent(written),
        "unique_of_valid_percent": percent(f for f, smiles in zip(first, written, strict=True) if smiles),
        "novel_of_unique_percent": percent(smiles not in known for smiles in unique),
        **{f"{name}_distance": distance(measured[name], reference[name]) for name in measured},
    }


def constrained_molecules(bench: Bench) -> list[str | None]:
    """Return samples under the chemistry constraint, all else as without."""
    options = GenerateOptions(
        n_samples=bench.size(N_CONSTRAINED),
        seed=SEED,
        temperature=1.0,
        top_p=1.0,
        repetition_penalty=1.0,
        max_new_tokens=250,
        constrain="chemistry",
        load=LoadOptions(str(bench.directory), backend="torch"),
    )
    records = watch(generate("molecule", None, options), options.n_samples, "molecules under chemistry")
    return [_payload_of(record) for record in records]


def _payload_of(record: Record) -> str | None:
    """Return the SMILES of a well-formed record; one that was cut is none."""
    try:
        return parse(record.text or "", Form.MOLECULE).left[0].payload
    except GrammarError:
        return None


@cache
def training_molecules(held_out: HeldOut) -> frozenset[str]:
    """Return the canonical SMILES that were trained on."""
    payloads = list(_training_payloads(held_out))
    # A corpus of canonical SMILES need not be read again; one with randomised SMILES must be.
    rng = np.random.default_rng(SEED)
    probe = [payloads[int(i)] for i in rng.integers(len(payloads), size=500)]
    if sum(canonical(smiles) == smiles for smiles in probe) >= 0.998 * len(probe):
        return frozenset(payloads)
    say("  training molecules are not canonical: reading them all")
    read = (canonical(smiles) for smiles in watch(payloads, len(payloads), "training molecules"))
    return frozenset(smiles for smiles in read if smiles)


@cache
def _training_payloads(held_out: HeldOut) -> tuple[str, ...]:
    begin, end = len(Kind.MOLECULE.start), len(Kind.MOLECULE.end)
    return tuple(
        text[begin:-end]
        for domain in MOLECULE_DOMAINS
        for text in held_out.sentences(domain, "train")
        if text.count("<") == 2
    )


@cache
def training_properties(held_out: HeldOut, count: int, number: int) -> dict[str, np.ndarray[Any, Any]]:
    """Return the properties of ``count`` training molecules; another ``number`` draws other ones."""
    payloads = _training_payloads(held_out)
    order = np.random.default_rng(SEED).permutation(len(payloads))
    count = min(count, len(order) // 2)
    return measure_all([payloads[i] for i in order[number * count : (number + 1) * count]])


def measure_all(smiles: Sequence[str]) -> dict[str, np.ndarray[Any, Any]]:
    """Return QED, logP and synthetic accessibility of each molecule that RDKit accepts."""
    kept = []
    for text in watch(smiles, len(smiles), "properties"):
        try:
            kept.append(MeasuredMolecule(text))
        except MoleculeError:
            continue
    return {name: np.array([getattr(molecule, name) for molecule in kept]) for name in PROPERTIES}


def antibodies(bench: Bench) -> dict[str, Any]:
    """Share of samples whose every chain ANARCII numbers as a whole variable domain without an error."""
    return antibody_figures(bench, bench.sample(Kind.ANTIBODY.start, bench.size(300), 400))


def antibody_figures(bench: Bench, made: Sequence[Sample]) -> dict[str, Any]:
    """Return the figures of samples of antibodies."""
    chains: list[tuple[str, ...]] = []
    for sample in made:
        try:
            chains.append(tuple(block.payload for block in parse(sample.text, Form.ANTIBODY).left))
        except GrammarError:
            chains.append(())
    numbered = numbered_chains(sorted({chain for row in chains for chain in row}))
    trained = set(bench.held_out.sentences("antibody", "train"))
    sentences = [sample.text for sample in made]
    first = first_occurrences([text if row else None for text, row in zip(sentences, chains, strict=True)])
    whole = [bool(row) and numbered.issuperset(row) for row in chains]
    return {
        "well_formed_percent": percent(chains),
        "numbered_percent": percent(whole),
        "numbered_new_unique_percent": percent(
            good and is_first and text not in trained
            for good, is_first, text in zip(whole, first, sentences, strict=True)
        ),
        "paired_percent": percent(len(row) > 1 for row in chains),
        "light_percent": percent(row and not is_heavy(row[0]) for row in chains),
    }


def is_heavy(chain: str) -> bool:
    """Whether a variable domain ends as those of heavy chains do: ``WG.G`` before the last strand, not ``FG.G``."""
    return re.search(r"W[GA].G", chain[-20:]) is not None


def numbered_chains(chains: Sequence[str]) -> frozenset[str]:
    """Return the chains that ANARCII takes for the variable domain of an antibody."""
    try:
        from anarcii import Anarcii
    except ImportError as error:
        raise MissingError("numbering antibodies needs ANARCII", hint="pip install anarcii") from error
    if not chains:
        return frozenset()
    say(f"  numbering {len(chains)} chains")
    tool = Anarcii(seq_type="antibody", mode="accuracy", batch_size=32, cpu=True, ncpu=1)
    answers = tool.number({str(index): chain for index, chain in enumerate(chains)})
    return frozenset(
        chains[int(name)] for name, answer in answers.items() if not answer["error"] and answer["chain_type"] in "HKL"
    )


def materials(bench: Bench) -> dict[str, Any]:
    """Sequence-level validity, novelty and uniqueness (VNU) in MOFFlow-2's sense, without a structure."""
    return framework_figures(bench, bench.sample(Kind.MATERIAL.start, bench.size(1000), 500))


def framework_figures(bench: Bench, made: Sequence[Sample]) -> dict[str, Any]:
    """Return the figures of samples of frameworks."""
    trained = map(material_of, bench.held_out.sentences("material", "train"))
    library = FrameworkLibrary.of(item for item in trained if item)
    frameworks = [Framework(item, library) if (item := material_of(sample.text)) else None for sample in made]
    valid = [each.sequence if each and each.problem is None else None for each in frameworks]
    first = first_occurrences(valid)
    return {
        "well_formed_percent": percent(form_of(sample) == Form.MATERIAL for sample in made),
        "valid_percent": percent(valid),
        "valid_novel_unique_percent": percent(
            is_first and each and each.is_novel for each, is_first in zip(frameworks, first, strict=True)
        ),
    }


def material_of(text: str) -> Material | None:
    """Return the framework of a sentence, None of one that is malformed."""
    try:
        return Material.from_sentence(parse(text, Form.MATERIAL))
    except GrammarError:
        return None


def forms(bench: Bench) -> dict[str, Any]:
    """Share of samples that the grammar accepts, by what they begin with, and the forms that they are of."""
    result = {}
    for name, (prompts, count, limit) in form_prompts(bench).items():
        made = bench.sample(prompts, bench.size(count), limit)
        found = Counter(form_of(sample) for sample in made)
        result[name] = {
            "well_formed_percent": percent(form_of(sample) for sample in made),
            "forms": {str(form): n for form, n in found.most_common() if form},
        }
    return result


def form_prompts(bench: Bench) -> dict[str, tuple[list[str], int, int]]:
    """Return prompts, samples of each and the limit of new tokens, by name."""
    starts: dict[str, tuple[Kind, int, int]] = {
        "protein": (Kind.PROTEIN, 30, 1500),
        "antibody": (Kind.ANTIBODY, 100, 400),
        "molecule": (Kind.MOLECULE, 200, 300),
        "material": (Kind.MATERIAL, 100, 500),
    }
    found = {name: ([kind.start], count, limit) for name, (kind, count, limit) in starts.items()}
    asked = {"reaction": Operator.REACT, "retrosynthesis": Operator.REVERSE_REACT, "search": Operator.SEARCH}
    for domain, operator in asked.items():
        if domain in bench.held_out.valid:
            found[domain] = (_prompts(bench.held_out, domain, operator), 4, 600)
    return found


def _prompts(held_out: HeldOut, domain: str, operator: Operator, count: int = 20) -> list[str]:
    """Return held-out prompts, the operator included, of sentences that are not long."""
    shard = held_out.valid[domain]
    texts = (held_out.vocabulary.decode(shard[i]) for i in held_out.picked(domain, 200_000))
    short = [text for text in texts if len(text) < 900]
    return [text.partition(operator)[0] + operator for text in short[:count]]


def form_of(sample: Sample) -> str | None:
    """Return the form of a sample that the grammar accepts, None of any other."""
    if not sample.whole:
        return None
    try:
        return parse(sample.text).form.value
    except GrammarError:
        return None


def payload_or_none(sample: Sample, form: Form) -> str | None:
    """Return what the first block of a well-formed sample holds."""
    try:
        return parse(sample.text, form).left[0].payload if sample.whole else None
    except GrammarError:
        return None
