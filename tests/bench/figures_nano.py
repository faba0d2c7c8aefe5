"""Figures of the embedded model's card, on held-out data.

``python -m tests.bench.figures_nano [PARTS…] --corpus corpus [--model DIRECTORY] [--data DIRECTORY] [-o FILE]``
prints one JSON object and, with ``-o``, adds it to that file; parts are losses, forms, molecules, antibodies,
materials, reactions, sites. ``--card README.md -o figures.json`` writes the tables of the card from the file instead.
Samples are drawn from the model as it is (temperature 1, no constraint) unless said otherwise; seeds are fixed.
"""

from __future__ import annotations

import argparse
import csv
import json
import lzma
import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from rdkit import Chem, rdBase
from transformers import AutoModelForCausalLM, AutoTokenizer

from logos_cli.errors import GrammarError
from logos_cli.grammar import Form, parse
from logos_cli.grammar.spec import Kind, Operator
from logos_cli.objects.reaction import Reaction
from logos_cli.training.corpus import Corpus, SentenceEncoder, Shard
from logos_cli.training.loop import evaluate
from logos_cli.training.options import TrainOptions

ROOT: Final = Path(__file__).resolve().parents[2]
SEED: Final = 20
MARKS: Final = ("<!-- figures -->", "<!-- end of figures -->")


class Bench:
    """Model, tokenizer, corpus and data that the parts share."""

    def __init__(self, model: Path, corpus: Path, data: Path, scale: float) -> None:
        self.encoder = SentenceEncoder(model)
        self.tokenizer = AutoTokenizer.from_pretrained(model, local_files_only=True)
        self.model = AutoModelForCausalLM.from_pretrained(model, local_files_only=True).eval()
        self.corpus = Corpus(corpus, self.encoder.sha256)
        self.data = data
        self.scale = scale

    def size(self, count: int) -> int:
        return max(1, round(count * self.scale))

    def sentences(self, domain: str, split: str) -> Iterator[str]:
        shard = self.corpus.shards(split)[domain]
        for index in range(len(shard)):
            yield self.tokenizer.decode(shard[index][1:-1].tolist(), skip_special_tokens=False)

    @torch.no_grad()
    def sample(self, prompt: str, count: int, max_new_tokens: int, end: str = "<|eos|>") -> list[str]:
        """Return texts that begin with the prompt, without ``end``; the limit cuts one that does not reach it."""
        torch.manual_seed(SEED)
        ids = self.tokenizer(prompt, return_tensors="pt").input_ids
        texts: list[str] = []
        for start in range(0, count, 128):
            out = self.model.generate(
                ids, attention_mask=torch.ones_like(ids), num_return_sequences=min(128, count - start),
                max_new_tokens=max_new_tokens, pad_token_id=self.encoder.pad_id,
                eos_token_id=self.tokenizer.convert_tokens_to_ids(end), do_sample=True, temperature=1.0, top_k=0,
            )  # fmt: skip
            decoded = (self.tokenizer.decode(row[1:], skip_special_tokens=False) for row in out)
            texts += [text.partition(end)[0] if end in text else text + "…" for text in decoded]
        return texts

    @torch.no_grad()
    def beam(self, prompt: str, max_new_tokens: int) -> list[str]:
        """Return the ten best sentences of a beam search, best first."""
        ids = self.tokenizer(prompt, return_tensors="pt").input_ids
        out = self.model.generate(
            ids, attention_mask=torch.ones_like(ids), num_beams=10, num_return_sequences=10, do_sample=False,
            max_new_tokens=max_new_tokens, pad_token_id=self.encoder.pad_id, eos_token_id=self.encoder.eos_id,
        )  # fmt: skip
        decoded = (self.tokenizer.decode(row[1:], skip_special_tokens=False) for row in out)
        return [text.partition("<|eos|>")[0] for text in decoded]


def canonical(smiles: str) -> str | None:
    molecule = Chem.MolFromSmiles(smiles)
    return Chem.MolToSmiles(molecule) if molecule is not None and molecule.GetNumAtoms() else None


def payload_or_none(text: str, form: Form) -> str | None:
    try:
        return parse(text, form).left[0].payload
    except GrammarError:
        return None


def share(part: int, whole: int) -> float:
    return round(100 * part / whole, 1) if whole else 0.0


def losses(bench: Bench) -> dict[str, Any]:
    """Cross-entropy in nats a token on held-out sentences, beside a unigram of the domain's training tokens."""
    held_out = bench.corpus.shards("valid")
    train = bench.corpus.shards("train")
    options = TrainOptions(bf16=False)
    limit = bench.size(20_000)
    found = evaluate(bench.model, held_out, bench.encoder.pad_id, options, limit)
    return {
        domain: {
            "loss": loss,
            "perplexity": round(math.exp(loss), 2),
            "unigram_perplexity": round(math.exp(unigram_loss(train[domain], held_out[domain], limit)), 2),
        }
        for domain, loss in found.items()
    }


def unigram_loss(train: Shard, held_out: Shard, limit: int) -> float:
    counts = np.bincount(train.tokens, minlength=300) + 1.0
    stop = int(np.searchsorted(held_out.ends, limit))
    tokens = np.concatenate([held_out[index][1:] for index in range(min(stop + 1, len(held_out)))])
    return float(-np.log(counts / counts.sum())[tokens].mean())


def forms(bench: Bench) -> dict[str, Any]:
    """Share of unconstrained samples that the grammar accepts, by what they begin with."""
    retro = next(bench.sentences("retrosynthesis", "valid")).partition(Operator.REVERSE_REACT)[0]
    forward = next(bench.sentences("reaction", "valid")).partition(Operator.REACT)[0]
    prompts = {
        "protein": (Kind.PROTEIN.start, 1500, 20),
        "antibody": (Kind.ANTIBODY.start, 400, 100),
        "molecule": (Kind.MOLECULE.start, 300, 200),
        "material": (Kind.MATERIAL.start, 400, 100),
        "reaction": (forward + Operator.REACT, 300, 100),
        "retrosynthesis": (retro + Operator.REVERSE_REACT, 300, 100),
    }
    result = {}
    for name, (prompt, limit, count) in prompts.items():
        texts = bench.sample(prompt, bench.size(count), limit)
        found = Counter(form_of(text) for text in texts)
        well_formed = sum(n for form, n in found.items() if form)
        result[name] = {
            "n": len(texts),
            "well_formed_percent": share(well_formed, len(texts)),
            "forms": {form: n for form, n in found.most_common() if form},
        }
    return result


def form_of(text: str) -> str | None:
    try:
        return parse(text).form.value
    except GrammarError:
        return None


def molecules(bench: Bench) -> dict[str, Any]:
    """Validity (closed and accepted by RDKit), uniqueness among the valid, novelty among the unique."""
    n = bench.size(2000)
    texts = bench.sample(Kind.MOLECULE.start, n, 250, end=Kind.MOLECULE.end)
    payloads = [payload_or_none(text + Kind.MOLECULE.end, Form.MOLECULE) for text in texts]
    valid = [smiles for smiles in (canonical(payload) for payload in payloads if payload) if smiles]
    unique = set(valid)
    known = {
        payload_or_none(text, Form.MOLECULE)
        for domain in ("molecule", "ligand")
        for text in bench.sentences(domain, "train")
    }
    return {
        "n": n,
        "well_formed_percent": share(sum(payload is not None for payload in payloads), n),
        "valid_percent": share(len(valid), n),
        "unique_of_valid_percent": share(len(unique), len(valid)),
        "novel_of_unique_percent": share(len(unique - known), len(unique)),
    }


def antibodies(bench: Bench) -> dict[str, Any]:
    """Share of samples whose every chain ANARCII numbers as a variable domain without an error."""
    from anarcii import Anarcii

    n = bench.size(200)
    chains: list[list[str]] = []
    for text in bench.sample(Kind.ANTIBODY.start, n, 400):
        try:
            chains.append([block.payload for block in parse(text, Form.ANTIBODY).left])
        except GrammarError:
            chains.append([])
    flat = {f"{index}-{place}": chain for index, row in enumerate(chains) for place, chain in enumerate(row)}
    numbered = Anarcii(seq_type="antibody", mode="accuracy", batch_size=32, cpu=True, ncpu=1).number(flat)
    good = {
        name for name, answer in numbered.items() if not answer["error"] and answer["chain_type"] in "HKL"
    }
    passed = sum(
        bool(row) and all(f"{index}-{place}" in good for place in range(len(row)))
        for index, row in enumerate(chains)
    )
    trained = set(bench.sentences("antibody", "train"))
    sampled = {"".join(f"{Kind.ANTIBODY.start}{c}{Kind.ANTIBODY.end}" for c in row) for row in chains if row}
    return {
        "n": n,
        "well_formed_percent": share(sum(map(bool, chains)), n),
        "numbered_percent": share(passed, n),
        "distinct_percent": share(len(sampled), n),
        "not_in_training_percent": share(len(sampled - trained), len(sampled)),
    }


def materials(bench: Bench) -> dict[str, Any]:
    """Sequence-level validity, novelty and uniqueness (VNU) in MOFFlow-2's sense, without a structure."""
    n = bench.size(500)
    texts = bench.sample(Kind.MATERIAL.start, n, 500)
    trained = {frozen for frozen in map(material_key, bench.sentences("material", "train")) if frozen}
    metals = {metal for metal, _ in trained}
    valid: list[tuple[str, tuple[str, ...]]] = []
    for text in texts:
        key = material_key(text)
        if key and key[0] in metals:
            valid.append(key)
    unique = set(valid)
    return {
        "n": n,
        "well_formed_percent": share(sum(form_of(text) == Form.MATERIAL for text in texts), n),
        "valid_percent": share(len(valid), n),
        "valid_novel_unique_percent": share(len(unique - trained), n),
    }


def material_key(text: str) -> tuple[str, tuple[str, ...]] | None:
    """Return metal node and sorted canonical linkers; None if the sentence or a linker is no good."""
    try:
        metal, *linkers = parse(text, Form.MATERIAL).left[0].blocks
    except GrammarError:
        return None
    smiles = [canonical(block.payload) for block in linkers]
    return None if None in smiles else (metal.payload, tuple(sorted(map(str, smiles))))


def reactions(bench: Bench) -> dict[str, Any]:
    """USPTO-50K test reactions, no class given: is the true answer among the first k of a beam search?"""
    path = bench.data / "reactions" / "uspto50k.csv.xz"
    with lzma.open(path, "rt", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["split"] == "test"]
    picked = np.random.default_rng(SEED).choice(len(rows), bench.size(200), replace=False)
    hits: dict[str, Counter[int]] = {"retrosynthesis": Counter(), "reaction": Counter()}
    for index in picked:
        reaction = Reaction(tuple(rows[index]["reactants"].split(".")), rows[index]["product"])
        for form in (Form.RETROSYNTHESIS, Form.REACTION):
            rank = rank_of_answer(bench, reaction, form)
            for k in (1, 3, 5, 10):
                hits[form][k] += rank is not None and rank < k
    n = len(picked)
    tops = {form: {f"top_{k}_percent": share(hits[form][k], n) for k in (1, 3, 5, 10)} for form in hits}
    return {"n": n, "beam": 10, **tops}


def rank_of_answer(bench: Bench, reaction: Reaction, form: Form) -> int | None:
    """Return the place of the true answer among the distinct readable ones, best first."""
    operator = Operator.REACT if form is Form.REACTION else Operator.REVERSE_REACT
    sides = (reaction.reactants, (reaction.product,))
    given, wanted = sides if form is Form.REACTION else sides[::-1]
    prompt = "".join(f"{Kind.MOLECULE.start}{x}{Kind.MOLECULE.end}" for x in given) + operator
    length = sum(map(len, wanted)) + 2 * len(wanted)
    texts = bench.beam(prompt, min(250, length + 30))
    answers: list[tuple[str | None, ...]] = []
    for text in texts:
        try:
            blocks = parse(text, form).right
        except GrammarError:
            continue
        answer = tuple(sorted(str(canonical(block.payload)) for block in blocks))
        if answer not in answers and "None" not in answer:
            answers.append(answer)
    truth = tuple(sorted(str(canonical(x)) for x in wanted))
    return answers.index(truth) if truth in answers else None


def sites(bench: Bench) -> dict[str, Any]:
    """Do site residues get a higher probability of a tag? Held-out chains with small-molecule ligands.

    One pass over ``protein <Search> protein`` gives the probability of a tag before each residue; the most
    probable ones, as many as the true site has, are the answer. The baseline ranks residues by how often their
    letter is tagged in training.
    """
    pocket = bench.tokenizer.convert_tokens_to_ids(Kind.POCKET.start)
    rates = tag_rates(bench)
    answers: dict[str, list[tuple[bool, bool]]] = {"model": [], "letter_frequency": []}
    n = 0
    for text in bench.sentences("search", "valid"):
        sentence = parse(text, Form.SEARCH)
        if len(sentence.left) != 1 or n >= bench.size(200) or len(text) > 1500:
            continue
        n += 1
        sequence = sentence.left[0].payload
        truth = tagged_positions(sentence.right[0])
        block = f"{Kind.PROTEIN.start}{sequence}{Kind.PROTEIN.end}"
        ids = bench.tokenizer(
            block + Operator.SEARCH + block[: -len(Kind.PROTEIN.end)], return_tensors="pt"
        ).input_ids
        with torch.no_grad():
            logits = bench.model(ids).logits[0, -len(sequence) - 1 : -1]
        scores = {
            "model": logits.log_softmax(-1)[:, pocket].numpy(),
            "letter_frequency": np.array([rates[letter] for letter in sequence]),
        }
        for name, score in scores.items():
            chosen = set(np.argsort(-score, kind="stable")[: len(truth)].tolist())
            answers[name] += [(place in chosen, place in truth) for place in range(len(sequence))]
    return {"n": n, **{f"{name}_mcc": round(mcc(pairs), 3) for name, pairs in answers.items()}}


def tagged_positions(block: Any) -> set[int]:
    places: set[int] = set()
    length = 0
    for part in block.parts:
        run = part if isinstance(part, str) else part.payload
        if not isinstance(part, str):
            places |= set(range(length, length + len(run)))
        length += len(run)
    return places


def tag_rates(bench: Bench) -> Counter[str]:
    tagged, seen = Counter[str](), Counter[str]()
    for text in bench.sentences("search", "train"):
        for block in parse(text, Form.SEARCH).right:
            for part in block.parts:
                run = part if isinstance(part, str) else part.payload
                seen.update(run)
                if not isinstance(part, str):
                    tagged.update(run)
    return Counter({letter: tagged[letter] / count for letter, count in seen.items()})


def mcc(pairs: Sequence[tuple[bool, bool]]) -> float:
    """Matthews correlation coefficient of (answer, truth) over all residues of all chains."""
    counts = Counter(pairs)
    tp, fp, fn, tn = (counts[key] for key in ((True, True), (True, False), (False, True), (False, False)))
    below = math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    return (tp * tn - fp * fn) / below if below else 0.0


PARTS: Final[dict[str, Callable[[Bench], dict[str, Any]]]] = {
    part.__name__: part for part in (losses, forms, molecules, antibodies, materials, reactions, sites)
}


def card_tables(figures: dict[str, Any]) -> str:
    """Return the figures as the Markdown of the model card."""
    lines = [
        "| held-out sentences | nats a token | perplexity | unigram perplexity |",
        "| --- | --- | --- | --- |",
    ]
    for domain, row in figures["losses"].items():
        cells = f"{row['loss']:.3f} | {row['perplexity']:.2f} | {row['unigram_perplexity']:.2f}"
        lines.append(f"| {domain} | {cells} |")
    lines += ["", "| samples or answers | figure | value |", "| --- | --- | --- |"]
    for part in ("molecules", "antibodies", "materials", "sites"):
        values = {name: value for name, value in figures.get(part, {}).items() if name != "n"}
        for name, value in values.items():
            lines.append(f"| {part}, n = {figures[part]['n']} | {readable(name)} | {value} |")
    for part, row in figures.get("forms", {}).items():
        lines.append(f"| {part} prompt, n = {row['n']} | well formed (%) | {row['well_formed_percent']} |")
    if rows := figures.get("reactions"):
        for task in ("retrosynthesis", "reaction"):
            for name, value in rows[task].items():
                lines.append(f"| {task}, n = {rows['n']}, beam {rows['beam']} | {readable(name)} | {value} |")
    return "\n".join(lines)


def readable(name: str) -> str:
    words = name.removesuffix("_percent").replace("_", " ").replace("mcc", "MCC")
    return f"{words} (%)" if name.endswith("_percent") else words


def write_card(card: Path, figures: dict[str, Any]) -> None:
    before, mark, rest = card.read_text(encoding="utf-8").partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    card.write_text(f"{before}{mark}\n{card_tables(figures)}\n{end}{after}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; all if none is named")
    parser.add_argument("--model", type=Path, default=ROOT / "tokenizers" / "logos-nano")
    parser.add_argument("--corpus", type=Path, default=ROOT / "corpus")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full sample sizes")
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--card", type=Path, help="write the figures of OUTPUT into this file")
    args = parser.parse_args()
    if unknown := set(args.parts) - set(PARTS):
        parser.error(f"unknown part {', '.join(sorted(unknown))}")
    known = args.output and args.output.exists()
    figures: dict[str, Any] = json.loads(args.output.read_text(encoding="utf-8")) if known else {}
    if args.card:
        write_card(args.card, figures)
        return
    rdBase.DisableLog("rdApp.*")
    bench = Bench(args.model, args.corpus, args.data, args.scale)
    for name in args.parts or PARTS:
        start = time.monotonic()
        figures[name] = PARTS[name](bench)
        print(f"{name}: {time.monotonic() - start:.0f} s", file=sys.stderr)
        if args.output:
            args.output.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
