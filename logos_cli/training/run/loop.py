"""The training loop: pre-training and post-training of one model over one corpus, in one or more processes."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final

import torch

from logos_cli.errors import DeviceMemoryError, InputError, LogosError, UsageError
from logos_cli.training.config import TrainConfig, differences
from logos_cli.training.corpus.emphasis import Emphasis
from logos_cli.training.corpus.mixture import Mixture, resolve_answer_only
from logos_cli.training.corpus.packing import PackedRows, build, tiers_for
from logos_cli.training.corpus.shards import Corpus
from logos_cli.training.model import Base, build_model, context_tokens, count_parameters
from logos_cli.training.resolve import longest_sentence
from logos_cli.training.run import checkpoint, distributed, evaluation, forward, optimization
from logos_cli.training.run.average import Average
from logos_cli.training.run.distributed import ProcessGroup
from logos_cli.training.run.feed import Feed, Share
from logos_cli.training.run.journal import Journal
from logos_cli.training.run.report import Listener, Silent, StepReport
from logos_cli.training.run.signals import RunEnd, Signals, StopNow

CHECKPOINTS: Final = "checkpoints"
BEST: Final = "best"
_NAMED: Final = 12
"""A loss that is no number names so many of its sentences."""


class TrainingError(LogosError):
    """A run that cannot go on: the loss is no number."""


class Trainer:
    """One run in one directory.

    Parameters
    ----------
    corpus : Corpus
    config : TrainConfig
        As :func:`resolve` returns it.
    directory : Path
        Takes checkpoints, ``log.jsonl`` and models; a run that was interrupted goes on from its last
        checkpoint.
    base : Base, optional
        The model to go on from.
    world : World, optional
        The processes.
    listener : Listener, optional
    signals : Signals, optional
        Already in place, where signals should be noted before the run begins.
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
        self._sharded = config.run.sharding == "fsdp" and self.world.size > 1
        self._prepare_model(corpus)
        self._prepare_data(corpus)
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

    def _prepare_model(self, corpus: Corpus) -> None:
        config, device = self.config, self.world.device
        forward.check_precision(config.run, device, self.world.size)
        self._attention = forward.choose_attention(config.run, device)
        model = build_model(config, self.vocabulary, self.base)
        longest = longest_sentence(corpus, config, context_tokens(model))
        fixed = device.type == "cuda" and config.run.compile
        width = -(-longest // 128) * 128
        self._tiers = tiers_for(width, fixed=fixed)
        self._fixed_rows = max(1, config.data.n_micro_tokens // width) if fixed else None
        self.module = forward.SentenceLoss(model, self._attention, forward.dtype_of(config.run.precision)).to(device)
        self.model = self.module.inner
        self.flops_of = forward.FlopCount.of(self.model)
        self.n_parameters, self.n_trained = count_parameters(self.module)
        if self._sharded:
            layers = self.model.get_decoder().layers
            distributed.shard(self.module, layers, forward.dtype_of(config.run.precision))
        # On a CPU rows have many shapes: one program for all of them instead of one each.
        self._forward: Any = (
            torch.compile(self.module, dynamic=None if fixed else True) if config.run.compile else self.module
        )
        self.optimizers = optimization.build_optimizers(self.module, config.optimizer, device)
        self._scaler = torch.amp.GradScaler(device.type, enabled=config.run.precision == "fp16")
        share = config.optimizer.average
        self._average = Average(self.module, share) if share else None

    def _prepare_data(self, corpus: Corpus) -> None:
        data, world = self.config.data, self.world
        shards = corpus.shards("train")
        self._answer_only = resolve_answer_only(data.answer_only, shards)
        n_rows = self.model.get_input_embeddings().weight.shape[0]
        emphasis = Emphasis.of(data, self.vocabulary)
        self.mixture = Mixture(shards, self.config.run.seed, self._answer_only, n_rows, emphasis)
        used = {name for part in (data.weights, data.decay_weights) for name, weight in part.items() if weight}
        self.held_out = {name: shard for name, shard in corpus.shards("valid").items() if name in used and len(shard)}
        self.feed = Feed(
            self.mixture,
            data,
            self.config.schedule,
            self._tiers,
            (world.rank, world.size),
            even=self._sharded,
            ahead=world.device.type == "cuda",
        )
        self._mixture_state = self.mixture.state()
        self._scene = evaluation.EvaluationSetup(
            self._attention,
            self.config.run.precision,
            data.n_micro_tokens,
            self._tiers,
            self._fixed_rows,
            self.vocabulary.pad_id,
            self._sharded,
            world,
        )

    def _resume(self, path: Path) -> None:
        """Go on from a checkpoint.

        Raises
        ------
        UsageError
            If the run was begun with another configuration, corpus or base model.
        InputError
            If the checkpoint is damaged.
        """
        state = checkpoint.read_state(path)
        try:
            changed = differences(state["config"], self.config.to_dict())
            told = {"corpus": self.corpus_sha256, "base model": self.base.sha256 if self.base else None}
            changed += [
                f"{name}: {str(state['hashes'][name])[:12]} -> {str(now)[:12]}"
                for name, now in told.items()
                if state["hashes"][name] != now
            ]
            if changed:
                raise UsageError(
                    f"the run was begun with something else: {'; '.join(changed)}",
                    source=str(path),
                    hint="resume with the same, or begin a new run with another -o",
                )
            average = self._average
            checkpoint.load(path, self.module, self.optimizers, average.tensors if average else None)
            if average:
                average.n_steps = state["step"]
            self.step, self.n_tokens, self.n_targets = state["step"], state["n_tokens"], state["n_targets"]
            self.best = state["best"]
            self.mixture.restore(state["mixture"])
            if self._scaler.is_enabled() and state["scaler"]:
                self._scaler.load_state_dict(state["scaler"])
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError("the checkpoint is damaged: state.json", source=str(path)) from error
        self._mixture_state = self.mixture.state()

    def run(self, deadline: float | None = None) -> RunEnd:
        """Train to the end, until a signal comes, or until ``deadline`` (of ``time.monotonic``).

        Raises
        ------
        TrainingError
            If the loss becomes infinite or not a number; the last checkpoint stays.
        DeviceMemoryError
            If the device has too little memory.
        """
        with self.signals, _explained_memory():
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
        """Evaluate; a signal ends that at once, and is returned. Several processes evaluate to the end."""
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
        state = {
            "config": self.config.to_dict(),
            "hashes": {"corpus": self.corpus_sha256, "base model": self.base.sha256 if self.base else None},
            "n_tokens": self.n_tokens,
            "n_targets": self.n_targets,
            "mixture": self._mixture_state,
            "scaler": self._scaler.state_dict() if self._scaler.is_enabled() else None,
            "best": self.best,
        }
        path = checkpoint.save(
            self.directory / CHECKPOINTS,
            self.step,
            self.module,
            self.optimizers,
            state,
            average=self._average.tensors if self._average else None,
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
        """Make one step; return what signal came meanwhile, if any. It abandons the step."""
        return self._advance(None, math.inf)[0]

    def _advance(self, deadline: float | None, due_at: float) -> tuple[RunEnd | None, bool]:
        """Make one step; return why the run has to end after it, and whether a checkpoint is due."""
        start = time.monotonic()
        share = self.feed.get(self.step)
        self.module.train()
        if self.config.lora is not None and self.config.lora.dropout:
            torch.manual_seed((self.config.run.seed << 40) + (self.step << 12) + self.world.rank)
        losses = []
        scale = (self.world.size if self._sharded else 1) / max(1.0, share.weight)
        for plan in share.plans:
            if self.world.size == 1 and self.signals.received is not None:
                self._forget_gradients()
                return self.signals.outcome, False
            batch = build(plan, self.vocabulary.pad_id, self._fixed_rows).to(self.world.device)
            loss = forward.loss_sum(self._forward, batch, self._attention, self.config.run.precision)
            self._scaler.scale(loss * scale).backward()  # type: ignore[no-untyped-call]
            losses.append(loss.detach())
        loss_of_all, stop, is_due = self._agree(losses, share, deadline, due_at)
        factor = optimization.learning_rate_factor(self.config.schedule, self.step)
        norm = self._update(factor, share)
        self.signals.immediate = False
        self.step += 1
        self.n_tokens += share.n_tokens
        self.n_targets += share.n_targets
        self._mixture_state = share.mixture
        self._step_s = time.monotonic() - start
        self._report(share, loss_of_all, norm, factor)
        return stop, is_due

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
        place = f"; sentences: {named}{more}" if examples else "; the sentences are another process's"
        return TrainingError(
            f"the {what} of step {self.step} is {value}{place}",
            source=str(self.directory),
            hint=f"the checkpoint of step {self._saved_step} is as it was; begin anew with a lower learning rate, "
            "or look at these sentences with logos corpus show",
        )

    def _forget_gradients(self) -> None:
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)

    def _update(self, factor: float, share: Share) -> float:
        """Move the parameters and return the norm of the gradient."""
        for optimizer in self.optimizers:
            self._scaler.unscale_(optimizer)
        if not self._sharded:
            self.world.sum_gradients(self.module.parameters())
        trained = [part for part in self.module.parameters() if part.requires_grad]
        norm = distributed.whole(
            torch.nn.utils.clip_grad_norm_(trained, self.config.optimizer.max_gradient_norm)
        ).item()
        if not math.isfinite(norm) and not self._scaler.is_enabled():
            raise self._no_number("gradient", norm, share.plans)
        optimization.set_learning_rate(self.optimizers, factor)
        for optimizer in self.optimizers:
            self._scaler.step(optimizer)
        self._scaler.update()
        if self._average:
            self._average.update()
        self._forget_gradients()
        return norm

    def _report(self, share: Share, loss: float, norm: float, factor: float) -> None:
        if not self.world.is_first:
            return
        speed = share.n_tokens / self._step_s
        flops = self.flops_of.step(share.n_tokens, share.n_pairs)
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
        """Measure on held-out sentences, note it, and keep the model if it is the best so far.

        Where weights are averaged, the average is what is measured.
        """
        with self._averaged():
            return self._evaluate()

    def _averaged(self) -> AbstractContextManager[None]:
        return self._average.in_place() if self._average else nullcontext()

    def _evaluate(self) -> dict[str, dict[str, float]]:
        config, world = self.config.evaluation, self.world
        self.module.eval()
        compiled = self._fixed_rows is not None
        results = evaluation.held_out_losses(
            self._forward if compiled else self.module, self.held_out, config.n_tokens, self._answer_only, self._scene
        )
        if self._sharded:
            distributed.reshard(self.module)
        if config.n_samples and not self._sharded and world.is_first:
            asked = evaluation.prompts(self.held_out, config.n_samples, self.vocabulary.bos_id is not None)
            with self._dense_attention():
                samples = evaluation.well_formed_samples(
                    self.model, self.vocabulary, asked, config, self.config.run.seed * 1_000_003 + self.step
                )
            for domain, tally in samples.items():
                results[domain] |= tally
        world.wait()
        if results:
            self._note_evaluation(results)
        return results

    def _note_evaluation(self, results: dict[str, dict[str, float]]) -> None:
        mean = evaluation.weighted_mean(results, self.config.data.weights)
        if self.world.is_first:
            self.journal.evaluation(self.step, self.n_tokens, results, mean)
            self.listener.evaluated(self.step, results, mean)
        if self.best is None or mean < self.best["loss"]:
            self.best = {"loss": mean, "step": self.step}
            if self.config.run.keep_best:
                self._export(self.directory / BEST)

    def epochs(self) -> dict[str, float]:
        """Return how often each domain has been seen."""
        return self.mixture.epochs(self._mixture_state)

    @contextmanager
    def _dense_attention(self) -> Iterator[None]:
        """Let samples be drawn without compiled kernels."""
        if self._attention != "flex":
            yield
            return
        self.model.set_attn_implementation("sdpa")
        try:
            yield
        finally:
            self.model.set_attn_implementation("flex_attention")

    def export(self, directory: Path) -> Path:
        """Write the model, averaged if it is, as a directory that logos and transformers load."""
        with self._averaged():
            return self._export(directory)

    def _export(self, directory: Path) -> Path:
        from logos_cli.training.run.export import export_model

        export_model(self, directory)
        return directory


@contextmanager
def _explained_memory() -> Iterator[None]:
    """Turn the device's out-of-memory error into ours."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise DeviceMemoryError(
            "the device is out of memory",
            hint="lower data.n_micro_tokens, set run.gradient_checkpointing = true, or use LoRA",
        ) from error
