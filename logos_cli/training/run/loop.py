"""The training loop: pre-training and post-training of one model over one corpus, in one or more processes."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import torch

from logos_cli.backends.device import translate_errors
from logos_cli.errors import DeviceMemoryError, InputError, LogosError, UsageError
from logos_cli.training.config import TrainConfig, differences
from logos_cli.training.corpus.emphasis import Emphasis
from logos_cli.training.corpus.mixture import Mixture, resolve_answer_only
from logos_cli.training.corpus.packing import PackedRows
from logos_cli.training.corpus.shards import Corpus
from logos_cli.training.model import Base
from logos_cli.training.run import checkpoint, distributed, forward, optimization
from logos_cli.training.run.distributed import ProcessGroup
from logos_cli.training.run.evaluation import HeldOut
from logos_cli.training.run.feed import Feed, Share
from logos_cli.training.run.journal import Journal
from logos_cli.training.run.learner import Learner, NotANumberError
from logos_cli.training.run.report import Listener, Silent, StepReport
from logos_cli.training.run.signals import RunEnd, Signals, StopNow

CHECKPOINTS: Final = "checkpoints"
BEST: Final = "best"
_NAMED: Final = 12
"""Number of sentences in the error of a loss that is not a number."""


class TrainingError(LogosError):
    """A run cannot go on, as the loss is infinite or not a number."""


class Trainer:
    """One run in one directory.

    Parameters
    ----------
    corpus : Corpus
    config : TrainConfig
        The configuration from :func:`resolve`.
    directory : Path
        Directory of checkpoints, ``log.jsonl`` and models; an interrupted run goes on from its last checkpoint.
    base : Base, optional
        The model to start from.
    world : ProcessGroup, optional
        The processes.
    listener : Listener, optional
    signals : Signals, optional
        Signals that were set up before the run begins.
    """

    def __init__(
        self,
        corpus: Corpus,
        config: TrainConfig,
        directory: Path,
        base: Base | None = None,
        world: ProcessGroup | None = None,
        listener: Listener | None = None,
        signals: Signals | None = None,
    ) -> None:
        self.config = config
        self.directory = directory
        self.vocabulary = corpus.vocabulary
        self.base = base
        self.world = world or distributed.start(config.run.device)
        self.listener: Listener = listener or Silent()
        self.signals = signals or Signals()
        self.corpus_sha256 = corpus.sha256
        self.learner = Learner(config, corpus, base, self.world)
        answer_only = resolve_answer_only(config.data.answer_only, corpus.shards("train"))
        emphasis = Emphasis.of(config.data, self.vocabulary)
        self.mixture = Mixture(
            corpus.shards("train"), config.run.seed, answer_only, self.learner.n_embeddings, emphasis
        )
        self.feed = Feed(
            self.mixture,
            config.data,
            config.schedule,
            self.learner.tiers,
            (self.world.rank, self.world.size),
            even=self.learner.is_sharded,
            ahead=self.world.device.type == "cuda",
        )
        self._mixture_state = self.mixture.state()
        self._held_out = HeldOut(corpus, config, answer_only)
        self.step = 0
        self.n_tokens = 0
        self.n_targets = 0
        self.best: dict[str, float] | None = None
        self.matrix_flops_per_s = forward.matrix_flops_per_s(self.world.device, config.run.precision)
        directory.mkdir(parents=True, exist_ok=True)
        if last := checkpoint.latest(directory / CHECKPOINTS):
            self._resume(last)
        self.journal = Journal(directory, self.step, writes=self.world.is_first)
        self._saved_step, self._saved_at = self.step, time.monotonic()
        self._step_s = self._save_s = self._evaluate_s = 0.0

    def _resume(self, path: Path) -> None:
        """Go on from a checkpoint.

        Raises
        ------
        UsageError
            If the run began with another configuration, corpus or base model.
        InputError
            If the checkpoint is damaged.
        """
        state = checkpoint.read_state(path)
        try:
            changed = differences(state["config"], self.config.to_dict())
            hashes = {"corpus": self.corpus_sha256, "base model": self.base.sha256 if self.base else None}
            changed += [
                f"{name}: {str(state['hashes'][name])[:12]} -> {str(now)[:12]}"
                for name, now in hashes.items()
                if state["hashes"][name] != now
            ]
            if changed:
                raise UsageError(
                    f"the run began with other values: {'; '.join(changed)}",
                    source=str(path),
                    hint="resume with the same values, or begin a new run with another -o",
                )
            learner, average = self.learner, self.learner.average
            checkpoint.load(path, learner.module, learner.optimizers, average.tensors if average else None)
            if average:
                average.n_steps = state["step"]
            self.step, self.n_tokens, self.n_targets = state["step"], state["n_tokens"], state["n_targets"]
            self.best = state["best"]
            self.mixture.restore(state["mixture"])
            if learner.scaler.is_enabled() and state["scaler"]:
                learner.scaler.load_state_dict(state["scaler"])
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError("the checkpoint is damaged: state.json", source=str(path)) from error
        self._mixture_state = self.mixture.state()

    def run(self, deadline: float | None = None) -> RunEnd:
        """Train until the last step, a signal, or ``deadline`` (of ``time.monotonic``).

        Raises
        ------
        TrainingError
            If the loss becomes infinite or not a number; the last checkpoint stays.
        DeviceMemoryError
            If the device has too little memory.
        """
        with self.signals, translate_errors():
            self.signals.immediate = self.world.size == 1
            try:
                outcome = self._loop(deadline)
            except StopNow:
                outcome = self.signals.outcome or RunEnd.INTERRUPTED
            finally:
                self.feed.close()
        return outcome

    def _loop(self, deadline: float | None) -> RunEnd:
        n_steps, every_steps = self.config.schedule.n_steps, self.config.evaluation.every_steps
        every_s = 60 * self.config.run.checkpoint_every_minutes
        stop: RunEnd | None = None
        while self.step < n_steps and stop is None:
            stop, is_due = self._advance(deadline, self._saved_at + every_s)
            if stop is None and is_due and self.step < n_steps:
                self.save()
            if stop is None and every_steps and self.step % every_steps == 0 and self.step < n_steps:
                stop = self._evaluate_unless_stopped()
        if stop is None:
            stop = self._evaluate_unless_stopped()
        self.save()
        return stop or RunEnd.FINISHED

    def _evaluate_unless_stopped(self) -> RunEnd | None:
        """Evaluate; a signal ends the evaluation and is returned, but several processes evaluate to the end."""
        start = time.monotonic()
        self.signals.immediate = self.world.size == 1
        try:
            self.evaluate()
        except StopNow:
            return self.signals.outcome
        finally:
            self.signals.immediate = self.world.size == 1 and self.step == self._saved_step
        self._evaluate_s = time.monotonic() - start
        return None

    def save(self) -> Path:
        """Write a checkpoint."""
        start = time.monotonic()
        self.signals.immediate = False
        learner = self.learner
        state = {
            "config": self.config.to_dict(),
            "hashes": {"corpus": self.corpus_sha256, "base model": self.base.sha256 if self.base else None},
            "n_tokens": self.n_tokens,
            "n_targets": self.n_targets,
            "mixture": self._mixture_state,
            "scaler": learner.scaler.state_dict() if learner.scaler.is_enabled() else None,
            "best": self.best,
        }
        path = checkpoint.save(
            self.directory / CHECKPOINTS,
            self.step,
            learner.module,
            learner.optimizers,
            state,
            average=learner.average.tensors if learner.average else None,
            n_kept=self.config.run.n_checkpoints,
            writes=self.world.is_first,
        )
        self.world.wait()
        self._saved_step, self._saved_at = self.step, time.monotonic()
        self._save_s = time.monotonic() - start
        self.signals.immediate = self.world.size == 1
        if self.world.is_first:
            self.listener.saved(self.step, path)
        return path

    def advance(self) -> RunEnd | None:
        """Make one step; a signal abandons the step, and is returned."""
        return self._advance(None, math.inf)[0]

    def _advance(self, deadline: float | None, due_at: float) -> tuple[RunEnd | None, bool]:
        """Make one step; return the reason to end the run after it, and whether a checkpoint is due."""
        start = time.monotonic()
        share = self.feed.get(self.step)
        losses = self._gradients(share)
        if losses is None:
            return self.signals.outcome, False
        loss_of_all, stop, is_due = self._agree(losses, share, deadline, due_at)
        factor = optimization.learning_rate_factor(self.config.schedule, self.step)
        try:
            norm = self.learner.update(factor)
        except NotANumberError as error:
            raise self._no_number("gradient", error.value, share.plans) from error
        self.signals.immediate = False
        self.step += 1
        self.n_tokens += share.n_tokens
        self.n_targets += share.n_targets
        self._mixture_state = share.mixture
        self._step_s = time.monotonic() - start
        self._report(share, loss_of_all, norm, factor)
        return stop, is_due

    def _gradients(self, share: Share) -> list[torch.Tensor] | None:
        """Compute the gradients of a step, and return its losses; None if a signal abandons it.

        If the memory runs out, the step begins again with smaller micro batches.

        Raises
        ------
        DeviceMemoryError
            If they cannot be smaller.
        """
        while True:
            self.learner.module.train()
            if self.config.lora is not None and self.config.lora.dropout:
                torch.manual_seed((self.config.run.seed << 40) + (self.step << 12) + self.world.rank)
            losses = []
            try:
                for plan in share.plans:
                    if self.world.size == 1 and self.signals.received is not None:
                        self.learner.forget_gradients()
                        return None
                    losses.append(self.learner.add_gradients(plan, share.weight))
            except DeviceMemoryError as error:
                failure = error.with_traceback(None)  # the frames hold what fills the memory
            else:
                return losses
            if not self.learner.halve():
                failure.hint = "set run.gradient_checkpointing = true, use LoRA, or a shorter context"
                raise failure
            if self.world.is_first:
                self.listener.halved(self.step + 1, self.learner.most_tokens or 0)

    def _agree(
        self, losses: Sequence[torch.Tensor], share: Share, deadline: float | None, due_at: float
    ) -> tuple[float, RunEnd | None, bool]:
        """Return the loss of the step, whether to end, and whether to save, the same in all processes."""
        values = torch.stack(list(losses)).tolist() if losses else []
        now, every = time.monotonic(), self.config.evaluation.every_steps
        needed = 1.5 * self._step_s + 2 * self._save_s
        if every and (self.step + 1) % every == 0:
            needed += self._evaluate_s
        flags = [
            deadline is not None and now + needed > deadline,
            self.signals.outcome is RunEnd.TERMINATED,
            self.signals.outcome is RunEnd.INTERRUPTED,
            self.world.is_first and now > due_at,
        ]
        total, n_late, n_terminated, n_interrupted, n_due = self.world.sum([sum(values), *map(float, flags)])
        if not math.isfinite(total):
            bad = [plan for plan, value in zip(share.plans, values, strict=True) if not math.isfinite(value)]
            raise self._no_number("loss", total, bad)
        stop = (
            RunEnd.TERMINATED
            if n_terminated
            else RunEnd.INTERRUPTED
            if n_interrupted
            else RunEnd.TIME_UP
            if n_late
            else None
        )
        return total / max(1.0, share.weight), stop, bool(n_due)

    def _no_number(self, what: str, value: float, plans: Sequence[PackedRows]) -> TrainingError:
        examples = [example for plan in plans for example in plan.examples]
        named = ", ".join(f"{example.domain}:{example.index}" for example in examples[:_NAMED])
        more = f" and {len(examples) - _NAMED} more" if len(examples) > _NAMED else ""
        place = f"; sentences: {named}{more}" if examples else "; the sentences belong to another process"
        return TrainingError(
            f"the {what} of step {self.step} is {value}{place}",
            source=str(self.directory),
            hint=f"the checkpoint of step {self._saved_step} is unchanged; begin anew with a lower learning rate, "
            "or look at these sentences with logos corpus show",
        )

    def _report(self, share: Share, loss: float, norm: float, factor: float) -> None:
        if not self.world.is_first:
            return
        speed = share.n_tokens / self._step_s
        flops = self.learner.flops_of.step(share.n_tokens, share.n_pairs)
        peak = self.matrix_flops_per_s * self.world.size
        report = StepReport(
            step=self.step,
            n_steps=self.config.schedule.n_steps,
            n_tokens=self.n_tokens,
            loss=loss,
            gradient_norm=norm,
            learning_rate_factor=factor,
            tokens_per_s=speed,
            mfu=flops / self._step_s / peak,
            remaining_s=(self.config.schedule.n_steps - self.step) * self._step_s,
        )
        if self.step % self.config.run.log_every_steps == 0 or self.step == 1:
            self.journal.step(report)
        self.listener.stepped(report)

    def evaluate(self) -> dict[str, dict[str, float]]:
        """Evaluate the model, or its averaged weights, on held-out sentences, and keep it if it is the best so far."""
        with self.learner.averaged():
            results, mean = self._held_out.measure(self.learner, self.config.run.seed * 1_000_003 + self.step)
            if results:
                self._note_evaluation(results, mean)
        return results

    def _note_evaluation(self, results: dict[str, dict[str, float]], mean: float) -> None:
        if self.world.is_first:
            self.journal.evaluation(self.step, self.n_tokens, results, mean)
            self.listener.evaluated(self.step, results, mean)
        if self.best is None or mean < self.best["loss"]:
            self.best = {"loss": mean, "step": self.step}
            if self.config.run.keep_best:
                self._export(self.directory / BEST)

    def epochs(self) -> dict[str, float]:
        """Return the passes over each domain."""
        return self.mixture.epochs(self._mixture_state)

    def export(self, directory: Path) -> Path:
        """Write the model, or its averaged weights, as a directory that logos and transformers load."""
        with self.learner.averaged():
            return self._export(directory)

    def _export(self, directory: Path) -> Path:
        from logos_cli.training.run.export import export_model

        export_model(self, directory)
        return directory
