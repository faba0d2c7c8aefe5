"""What constraints cost, and how much sooner the engine is done than the way it is usually done.

python -m tests.bench.bench_engine constraints            # off, grammar and chemistry on logos-nano, in turns
python -m tests.bench.bench_engine invalid -n 2000        # how many samples under chemistry RDKit rejects
python -m tests.bench.bench_engine masks                  # part of a step that masks take: nano, and 128k tokens
python -m tests.bench.bench_engine sampler                # a step of the sampler, small and large vocabulary
python -m tests.bench.bench_engine memory -n 100000       # memory held while so many prompts stream through
python -m tests.bench.bench_engine beams -n 24            # a beam search, beside that of transformers
python -m tests.bench.bench_engine naive                  # transformers.generate in batches of 16, then perplexities

Figures are medians over rounds in which the things compared take turns, and ratios within a round: other load on
the machine slows both.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from logos_cli.backends.base import Backend, CharacterTokenizer, LoadOptions, open_model
from logos_cli.chemistry.smiles import parse_smiles
from logos_cli.engine.beam import BeamEngine
from logos_cli.engine.constraint import Constraint
from logos_cli.engine.sampler import Sampling, choose
from logos_cli.engine.scheduler import BeamPlace, Completion, Engine, Request
from logos_cli.errors import MoleculeError
from logos_cli.grammar.constrain import grammar
from logos_cli.grammar.spec import Kind, Operator
from logos_cli.resources import EMBEDDED, data_path
from tests.bench.figures.reactions import split_reactions

PRESET = Sampling(temperature=1.2, top_p=0.85, repetition_penalty=1.05)
N_LARGE = 128_256


def requests(backend: Backend, n: int, constrain: str) -> Iterator[Request]:
    """Yield requests for molecules from nothing."""
    start = Kind.MOLECULE.start
    for number in range(n):
        yield Request(
            f"molecule#{number:04d}",
            tuple(backend.tokenizer.encode(start)),
            grammar=None if constrain == "off" else grammar("molecule"),
            given=start,
            end=backend.tokenizer.tag_ids[Kind.MOLECULE.end],
            chemistry=constrain == "chemistry",
        )


def samples(backend: Backend, n: int, constrain: str, batch_size: int) -> tuple[list[Completion], float]:
    """Return completions and the seconds that they took."""
    start = time.perf_counter()
    engine = Engine(backend, PRESET, batch_size=batch_size, seed=1)
    done = list(engine.run(requests(backend, n, constrain)))
    return done, time.perf_counter() - start


def in_turns(things: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Return the values of each thing in each round, the order being drawn anew."""
    found: dict[str, list[float]] = {name: [] for name in things}
    for number in range(rounds):
        for name in random.Random(number).sample(list(things), len(things)):
            found[name].append(things[name]())
    return found


def report(values: dict[str, list[float]], reference: str, unit: str) -> None:
    """Print medians, and the ratios to one of the things."""
    for name, each in values.items():
        ratios = [value / other for value, other in zip(each, values[reference], strict=True)]
        print(f"{name:<12} {statistics.median(each):>10,.1f} {unit}   {statistics.median(ratios):.3f} of {reference}")


def constraints(args: argparse.Namespace) -> None:
    """Compare useful tokens a second of the constraints."""
    backend = open_model(LoadOptions(device="cpu", threads=args.threads, backend="torch")).load()
    assert isinstance(backend, Backend)

    def rate(constrain: str) -> Callable[[], float]:
        def run() -> float:
            done, seconds = samples(backend, args.n, constrain, args.batch_size)
            return sum(len(each.tokens) for each in done) / seconds

        return run

    for constrain in ("grammar", "chemistry"):
        samples(backend, args.n, constrain, args.batch_size)  # what is remembered in a run is remembered
    names = ("off", "grammar", "chemistry")
    report(in_turns({name: rate(name) for name in names}, args.rounds), "off", "tokens/s")


def invalid(args: argparse.Namespace) -> None:
    """Count the molecules that RDKit rejects, and those that were cut."""
    backend = open_model(LoadOptions(device="cpu", threads=args.threads, backend="torch")).load()
    assert isinstance(backend, Backend)
    for constrain in ("grammar", "chemistry"):
        done, seconds = samples(backend, args.n, constrain, args.batch_size)
        wrong = cut = 0
        for each in done:
            text = backend.tokenizer.decode(each.tokens)
            if not text.endswith(Kind.MOLECULE.end):
                cut += 1
                continue
            try:
                parse_smiles(text.removesuffix(Kind.MOLECULE.end))
            except MoleculeError:
                wrong += 1
        print(f"{constrain:<10} {args.n:,} samples in {seconds:.1f} s: {wrong} invalid, {cut} cut")


class LargeTokenizer(CharacterTokenizer):
    """Bytes, tags, and pieces of sequences, SMILES and noise up to the size of Llama 3's vocabulary."""

    def __init__(self) -> None:
        super().__init__()
        generator = random.Random(0)
        alphabets = ("ACDEFGHIKLMNPQRSTVWY", "CNOcnos()=#123[]@H+-FlBr", "abcdefghijklmnopqrstuvwxyz ")
        pieces: dict[bytes, None] = {}
        while len(pieces) < N_LARGE - len(super().vocabulary):
            alphabet = generator.choice(alphabets)
            pieces["".join(generator.choices(alphabet, k=generator.randint(2, 8))).encode()] = None
        self._all = [*super().vocabulary, *pieces]

    @property
    def vocabulary(self) -> Sequence[bytes]:
        """The bytes of every token by id."""
        return self._all


def masks(args: argparse.Namespace) -> None:
    """Measure masks at a batch of 64 against the step beside which they are computed."""
    import torch

    backend = open_model(LoadOptions(device="cpu", threads=args.threads, backend="torch")).load()
    assert isinstance(backend, Backend)
    hidden, head = torch.randn(64, 2048), torch.randn(N_LARGE, 2048)
    backend.reserve(64)
    for slot in range(64):
        backend.prefill(slot, backend.tokenizer.encode(Kind.MOLECULE.start + "C" * 25))
    token = backend.tokenizer.encode("C", whole=False)[0]
    steps = {
        "nano": lambda: backend.step(range(64), [token] * 64),
        "128k": lambda: hidden @ head.T,  # the head alone of a model of 1B
    }
    for name, tokenizer in (("nano", backend.tokenizer), ("128k", LargeTokenizer())):
        constraint = Constraint(tokenizer)
        for form, given in (("molecule", "CCO"), ("protein", "MKT")):
            begun = f"<{form.title()}S>{given}"
            matchers = [constraint.matcher(grammar(form), begun) for _ in range(64)]
            letter = tokenizer.encode(given[0], whole=False)[0]

            def mask(matchers: Any = matchers, constraint: Any = constraint, letter: int = letter) -> float:
                start = time.perf_counter()
                for matcher in matchers:
                    matcher.accept(letter)
                constraint.masks(matchers)
                return (time.perf_counter() - start) * 1e3

            def step(step: Callable[[], object] = steps[name]) -> float:
                start = time.perf_counter()
                step()
                return (time.perf_counter() - start) * 1e3

            print(f"{name}, {form}:")
            report(in_turns({"step": step, "masks": mask}, args.rounds), "step", "ms")


def sampler(args: argparse.Namespace) -> None:
    """Measure one call of the sampler for 64 rows."""
    generator = np.random.default_rng(0)
    draws = generator.random(64)
    for size in (276, N_LARGE):
        logits = generator.normal(0, 1, (64, size)).astype(np.float32)
        likely = min(size, 3000)
        logits[:, :likely] += generator.gamma(1.0, 3.0, (64, likely)).astype(np.float32)
        seen = np.zeros(logits.shape, bool)
        seen[:, :20] = True

        def run(sampling: Sampling, logits: Any = logits, seen: Any = seen) -> Callable[[], float]:
            def timed() -> float:
                start = time.perf_counter()
                choose(logits, sampling, draws, seen=seen)
                return (time.perf_counter() - start) * 1e3

            return timed

        print(f"{size:,} tokens:")
        kinds = {"plain": Sampling(), "preset": PRESET, "top-k 50": Sampling(top_k=50)}
        report(in_turns({name: run(each) for name, each in kinds.items()}, args.rounds), "plain", "ms")


# -- the usual way -------------------------------------------------------------------------------------------


def random_model(directory: Path) -> None:
    """Write a random Llama of 9 M parameters that ends a text after about a hundred tokens."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    source = data_path("tokenizers", EMBEDDED)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        if (source / name).is_file():
            shutil.copy(source / name, directory / name)
    base = json.loads((source / "config.json").read_text())
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=base["vocab_size"],
        hidden_size=320,
        intermediate_size=864,
        num_hidden_layers=7,
        num_attention_heads=10,
        num_key_value_heads=10,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        bos_token_id=base["bos_token_id"],
        eos_token_id=[base["eos_token_id"], 40, 41],
        pad_token_id=base["pad_token_id"],
    )
    model = LlamaForCausalLM(config)
    print(f"{sum(each.numel() for each in model.parameters()) / 1e6:.1f} M parameters")
    model.save_pretrained(directory)


def naive(args: argparse.Namespace) -> None:
    """Compare the engine with batches of 16 that wait for their longest, and one more pass a sample."""
    import torch
    from transformers import LlamaForCausalLM

    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        random_model(directory)
        torch.set_num_threads(args.threads)
        model = LlamaForCausalLM.from_pretrained(directory).eval()
        backend = open_model(LoadOptions(str(directory), device="cpu", threads=args.threads, backend="torch")).load()
    assert isinstance(backend, Backend)
    prompt = backend.tokenizer.encode(Kind.MOLECULE.start + "CC(=O)Oc1ccccc1")
    eos = set(backend.tokenizer.eos_ids)
    sampling = Sampling(temperature=1.2, top_p=0.85, repetition_penalty=1.05, max_new_tokens=400)

    def theirs() -> float:
        n_tokens, start = 0, time.perf_counter()
        with torch.inference_mode():
            for _ in range(args.n // 16):
                ids = model.generate(
                    torch.tensor([prompt] * 16),
                    do_sample=True,
                    temperature=1.2,
                    top_p=0.85,
                    top_k=0,
                    repetition_penalty=1.05,
                    max_new_tokens=400,
                )
                for row in ids:
                    answer = row[len(prompt) :].tolist()
                    end = next((i for i, token in enumerate(answer) if token in eos), len(answer) - 1) + 1
                    n_tokens += end
                    whole = row[None, : len(prompt) + end]
                    model(whole, labels=whole).loss.exp().item()
        return n_tokens / (time.perf_counter() - start)

    def ours() -> float:
        start = time.perf_counter()
        engine = Engine(backend, sampling, batch_size=args.batch_size, seed=3)
        wanted = (Request(f"x#{number}", tuple(prompt)) for number in range(args.n))
        done = list(engine.run(wanted))
        n_tokens = sum(len(each.logps) for each in done)
        seconds = time.perf_counter() - start
        print(f"mean answer {n_tokens / len(done):.0f} tokens")
        return n_tokens / seconds

    report(in_turns({"naive": theirs, "engine": ours}, args.rounds), "naive", "useful tokens/s")


def beams(args: argparse.Namespace) -> None:
    """Compare a beam search of ``n`` products with that of transformers, which finds the same answers."""
    import torch
    from transformers import LlamaForCausalLM

    directory, width, longest = data_path("tokenizers", EMBEDDED), 10, 150
    torch.set_num_threads(args.threads)
    model = LlamaForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
    backend = open_model(LoadOptions(device="cpu", threads=args.threads, backend="torch")).load()
    assert isinstance(backend, Backend)
    tokenizer, at_a_time = backend.tokenizer, max(1, args.batch_size // width)
    products = [reaction.product for reaction in split_reactions(args.data, args.n, "valid")]
    texts = [f"{Kind.MOLECULE.start}{smiles}{Kind.MOLECULE.end}{Operator.REVERSE_REACT}" for smiles in products]
    prompts = [tuple(tokenizer.encode(text)) for text in texts]
    pad, found = int(model.config.pad_token_id), dict[str, list[tuple[int, ...]]]()

    def theirs() -> float:
        start, best = time.perf_counter(), []
        with torch.inference_mode():
            for first in range(0, len(prompts), at_a_time):
                some = prompts[first : first + at_a_time]
                most = max(map(len, some))
                ids = torch.tensor([[pad] * (most - len(each)) + list(each) for each in some])
                mask = torch.tensor([[0] * (most - len(each)) + [1] * len(each) for each in some])
                answers = model.generate(
                    ids,
                    attention_mask=mask,
                    do_sample=False,
                    num_beams=width,
                    num_return_sequences=width,
                    length_penalty=0.0,
                    early_stopping="never",
                    max_new_tokens=longest,
                )
                best += [tuple(row[most:].tolist()) for row in answers[::width]]
        found["transformers"] = [tuple(token for token in each if token != pad) for each in best]
        return time.perf_counter() - start

    def ours() -> float:
        start = time.perf_counter()
        engine = BeamEngine(backend, batch_size=args.batch_size, max_new_tokens=longest)
        wanted = [
            Request(f"{number}#{rank}", prompt, beam=BeamPlace(width, rank))
            for number, prompt in enumerate(prompts)
            for rank in range(width)
        ]
        done = sorted(engine.run(wanted), key=lambda each: each.index)
        found["engine"] = [each.tokens for each in done[::width]]
        return time.perf_counter() - start

    report(in_turns({"transformers": theirs, "engine": ours}, args.rounds), "transformers", "s")
    same = sum(one == other for one, other in zip(found["engine"], found["transformers"], strict=True))
    print(f"the likeliest answer is the same for {same} of {args.n} products")


def memory(args: argparse.Namespace) -> None:
    """Print the memory that the process holds while many prompts stream through it."""
    from logos_cli.workflows.generate.generation import GenerateOptions, Generation
    from logos_cli.workflows.generate.plan import plan_generation

    options = GenerateOptions(load=LoadOptions(backend="fake", batch_size=args.batch_size), max_new_tokens=8)
    prompts = (
        f"MKT{number:x}".translate(str.maketrans("0123456789abcdef", "ACDEFGHIKLMNPQRS")) for number in range(args.n)
    )
    start = time.perf_counter()
    for number, _ in enumerate(Generation(plan_generation("protein", options)).records(prompts), 1):
        if number % max(1, args.n // 10) == 0:
            status = Path("/proc/self/status").read_text()
            held = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
            print(f"{number:>9,} records  {held / 1024:7.1f} MiB  {time.perf_counter() - start:6.1f} s", flush=True)


def main() -> None:
    """Run one of the measurements."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    commands = {each.__name__: each for each in (constraints, invalid, masks, sampler, beams, naive, memory)}
    parser.add_argument("command", choices=commands)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[3] / "shared" / "data")
    parser.add_argument("-n", type=int, default=128, help="samples")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    commands[args.command](args)


if __name__ == "__main__":
    main()
