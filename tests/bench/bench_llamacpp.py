"""What the backend llamacpp adds to llama.cpp: beside a bare loop over ``llama_decode``, in turns.

python -m tests.bench.bench_llamacpp                          # steps and whole runs, random Llama of 9 M parameters
python -m tests.bench.bench_llamacpp --type f32 --batch-size 1
python -m tests.bench.bench_llamacpp --model model.gguf --threads 2

The bare loop fills a ``llama_batch`` and decodes it; of the logits it takes the largest, which is the least that a
loop can do with them. It is run at every number of threads and the best one counts; ours runs at the number that it
measures (or ``--threads``). ``steps`` are full batches side by side. In ``runs``, samples are drawn with their
log-probabilities until each has ended, and the bare loop does the same prompts and steps, recorded before, without
sampling: the ratio is all that backend, scheduler and sampler cost. Figures are medians over rounds in which both
take turns, and of the ratios within a round: other load on the machine slows both.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from logos_cli.backends.base import LoadOptions, open_model
from logos_cli.backends.llamacpp.library import LlamaModel, library
from logos_cli.backends.llamacpp.plugin import LlamaCppBackend
from logos_cli.checkpoints.gguf.write import write_gguf
from logos_cli.engine.sampler import Sampling
from logos_cli.engine.scheduler import Engine, Request
from logos_cli.workflows.bench.models import ENDS, random_checkpoint

_SAMPLING = Sampling(temperature=1.2, repetition_penalty=1.05, max_new_tokens=400)


class BareLoop:
    """llama.cpp as a program in C would use it: default parameters, one batch, one context."""

    def __init__(self, file: Path, n_sequences: int, n_positions: int, threads: int, prompt: Sequence[int]) -> None:
        self.lib = lib = library()
        self.model = LlamaModel(file)
        params = lib.llama_context_default_params()
        params.n_seq_max, params.n_ctx = (n_sequences + 1, (n_sequences + 1) * n_positions)  # one for the prompt
        params.n_threads = params.n_threads_batch = threads
        self.context = lib.llama_init_from_model(self.model.handle, params)
        self.memory = lib.llama_get_memory(self.context)
        self.n_sequences, self.prompt = n_sequences, prompt
        self.batch = lib.llama_batch_init(max(n_sequences, len(prompt)), 0, 1)

    def close(self) -> None:
        """Free what was made."""
        self.lib.llama_batch_free(self.batch)
        self.lib.llama_free(self.context)

    def begin(self) -> None:
        """Read the prompt once and let all sequences share it."""
        self.lib.llama_memory_clear(self.memory, True)
        self._decode(self.prompt, range(len(self.prompt)), [0] * len(self.prompt), last_only=True)
        for sequence in range(1, self.n_sequences):
            self.lib.llama_memory_seq_cp(self.memory, 0, sequence, -1, -1)
        self.position = len(self.prompt)
        self.tokens = [40] * self.n_sequences

    def _decode(
        self, tokens: Sequence[int], positions: Sequence[int], sequences: Sequence[int], *, last_only: bool = False
    ) -> None:
        batch = self.batch
        batch.n_tokens = len(tokens)
        for i, (token, position, sequence) in enumerate(zip(tokens, positions, sequences, strict=True)):
            batch.token[i], batch.pos[i], batch.n_seq_id[i] = token, position, 1
            batch.seq_id[i][0] = sequence
            batch.logits[i] = not last_only or i == len(tokens) - 1
        assert self.lib.llama_decode(self.context, batch) == 0

    def step(self) -> None:
        """Bring every sequence forward by a token."""
        n = self.n_sequences
        self.tokens = self._chosen(self.tokens, [self.position] * n, range(n))
        self.position += 1

    def replay(self, calls: Sequence[tuple[str, tuple[Any, ...]]]) -> None:
        """Do what was recorded of a run."""
        self.lib.llama_memory_clear(self.memory, True)
        length = [0] * (self.n_sequences + 1)
        for name, arguments in calls:
            if name == "step":
                slots, tokens = arguments
                self._chosen(tokens, [length[slot] for slot in slots], slots)
                for slot in slots:
                    length[slot] += 1
            elif name == "copy":
                source, target = arguments
                self.lib.llama_memory_seq_cp(self.memory, source, target, -1, -1)
                length[target] = length[source]
            else:
                self.lib.llama_memory_seq_rm(self.memory, arguments[0], 0, -1)
                length[arguments[0]] = 0
                if name == "prefill":
                    slot, tokens = arguments
                    self._decode(tokens, range(len(tokens)), [slot] * len(tokens), last_only=True)
                    length[slot] = len(tokens)

    def _chosen(self, tokens: Sequence[int], positions: Sequence[int], sequences: Sequence[int]) -> list[int]:
        """Decode a step; return the likeliest next tokens."""
        n = len(tokens)
        self._decode(tokens, positions, sequences)
        pointer = self.lib.llama_get_logits(self.context)
        logits = np.ctypeslib.as_array(pointer, (n, self.model.n_vocabulary))
        found: list[int] = logits.argmax(axis=1).tolist()
        return found


def in_turns(actions: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Return the results of each action, all of them run once in every round."""
    found: dict[str, list[float]] = {name: [] for name in actions}
    for action in actions.values():
        action()
    for number in range(rounds):
        names = list(actions)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            found[name].append(actions[name]())
    return found


def report(found: dict[str, list[float]], ours: str, bare: Sequence[str]) -> None:
    """Print medians, and ours against the best bare one of each round."""
    for name, values in found.items():
        print(f"  {name:<24}{statistics.median(values):>12,.0f} tokens/s")
    best = max(bare, key=lambda name: statistics.median(found[name]))
    ratios = [mine / theirs for mine, theirs in zip(found[ours], found[best], strict=True)]
    print(f"  {ours} / {best}: {statistics.median(ratios):.2f} (rounds: {min(ratios):.2f} to {max(ratios):.2f})")


def steps(backend: LlamaCppBackend, bare: dict[str, BareLoop], args: argparse.Namespace) -> None:
    """Compare steps alone: the same sequences at the same positions."""
    prompt, n = _prompt(args), args.batch_size

    def ours() -> float:
        backend.reserve(n + 1)
        backend.prefill(n, prompt)
        for slot in range(n):
            backend.copy(n, slot)
        tokens, start = [40] * n, time.perf_counter()
        for _ in range(args.n_steps):
            tokens = backend.step(range(n), tokens).argmax(axis=1).tolist()
        return n * args.n_steps / (time.perf_counter() - start)

    def theirs(loop: BareLoop) -> Callable[[], float]:
        def run() -> float:
            loop.begin()
            start = time.perf_counter()
            for _ in range(args.n_steps):
                loop.step()
            return n * args.n_steps / (time.perf_counter() - start)

        return run

    print(f"steps of {n} sequences, {args.n_steps} of them:")
    name = f"ours, {_threads(backend)}"
    found = in_turns({name: ours} | {each: theirs(loop) for each, loop in bare.items()}, args.rounds)
    report(found, name, list(bare))


class Recorder:
    """Takes down what an engine asks of a backend."""

    def __init__(self, backend: LlamaCppBackend) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self._within = False
        for name in ("prefill", "step", "copy", "free"):
            setattr(backend, name, self._recording(name, getattr(backend, name)))

    def _recording(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            if self._within:  # the backend calls itself: a prompt's slot is freed before it is read
                return method(*arguments)
            self.calls.append((name, tuple(each if isinstance(each, int) else list(each) for each in arguments)))
            self._within = True
            try:
                return method(*arguments)
            finally:
                self._within = False

        return call

    def release(self, backend: LlamaCppBackend) -> None:
        """Record no more."""
        for name in ("prefill", "step", "copy", "free"):
            delattr(backend, name)


def runs(backend: LlamaCppBackend, bare: dict[str, BareLoop], args: argparse.Namespace) -> None:
    """Compare whole runs with the same prompts and steps, done barely."""
    prompt = tuple(_prompt(args))
    lengths: list[int] = []

    def ours() -> float:
        start = time.perf_counter()
        engine = Engine(backend, _SAMPLING, batch_size=args.batch_size, seed=0)
        wanted = (Request(f"bench#{number}", prompt) for number in range(args.n_samples))
        lengths[:] = [len(done.tokens) for done in engine.run(wanted)]
        return sum(lengths) / (time.perf_counter() - start)

    recorder = Recorder(backend)
    ours()
    recorder.release(backend)

    def theirs(loop: BareLoop) -> Callable[[], float]:
        def run() -> float:
            start = time.perf_counter()
            loop.replay(recorder.calls)
            return sum(lengths) / (time.perf_counter() - start)

        return run

    print(f"{args.n_samples} samples, {statistics.mean(lengths):.0f} tokens on average:")
    name = f"ours, {_threads(backend)}"
    found = in_turns({name: ours} | {each: theirs(loop) for each, loop in bare.items()}, args.rounds)
    report(found, name, list(bare))


def _threads(backend: LlamaCppBackend) -> str:
    return f"{backend.n_threads} threads at first"


def _prompt(args: argparse.Namespace) -> list[int]:
    return [16, *(30 + (7 * i) % 200 for i in range(args.prompt_tokens - 1))]


def main() -> None:
    """Run the comparisons."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", type=Path, help="a GGUF; else a random one")
    parser.add_argument("--shape", default="9m")
    parser.add_argument("--type", default="q8_0", choices=("f32", "f16", "bf16", "q8_0"))
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--prompt-tokens", type=int, default=64)
    parser.add_argument("--n-steps", type=int, default=100)
    parser.add_argument("--n-samples", type=int, default=128)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--bare-threads", type=int, nargs="*")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="logos-bench-") as folder:
        file = args.model
        if file is None:
            file = Path(folder) / f"{args.shape}.gguf"
            write_gguf(random_checkpoint(args.shape, Path(folder) / args.shape), file, args.type)
        backend = open_model(LoadOptions(str(file), device="cpu", threads=args.threads, backend="llamacpp")).load()
        assert isinstance(backend, LlamaCppBackend)
        if args.model is None and args.shape in ("2m", "9m"):
            # a GGUF names one token that ends a text; with three, answers are 100 tokens long on average
            backend.tokenizer._eos_ids = ENDS  # type: ignore[attr-defined]
        counts = args.bare_threads or sorted({1, len(os.sched_getaffinity(0))})
        n_positions = args.prompt_tokens + max(args.n_steps, _SAMPLING.max_new_tokens)
        bare = {
            f"bare, {count} threads": BareLoop(file, args.batch_size, n_positions, count, _prompt(args))
            for count in counts
        }
        steps(backend, bare, args)
        runs(backend, bare, args)
        for loop in bare.values():
            loop.close()


if __name__ == "__main__":
    main()
