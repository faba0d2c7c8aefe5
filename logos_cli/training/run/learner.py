"""The learner of a run: the model, its optimizers, and their steps."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch

from logos_cli.backends.device import translate_errors
from logos_cli.errors import DeviceMemoryError
from logos_cli.training.config import TrainConfig
from logos_cli.training.corpus.packing import PackedRows, build, tiers_for
from logos_cli.training.corpus.shards import Corpus
from logos_cli.training.model import Base, build_model, context_tokens, count_parameters
from logos_cli.training.resolve import longest_sentence
from logos_cli.training.run import distributed, forward, optimization
from logos_cli.training.run.average import Average
from logos_cli.training.run.distributed import ProcessGroup


class NotANumberError(ArithmeticError):
    """The gradient is infinite or not a number.

    Attributes
    ----------
    value : float
    """

    def __init__(self, value: float) -> None:
        super().__init__(value)
        self.value = value


class Learner:
    """A model in training, in one or more processes.

    Parameters
    ----------
    config : TrainConfig
    corpus : Corpus
    base : Base, optional
        The model to start from.
    world : ProcessGroup

    Attributes
    ----------
    module : SentenceLoss
        Returns the loss of packed sentences; wraps the model.
    model : PreTrainedModel
    attention : str
        The attention kernel.
    tiers : tuple of int
        Possible widths of rows.
    fixed_rows : int or None
        Rows of every micro batch, if their number is fixed.
    n_parameters, n_trained : int
    average : Average or None
        The moving average of the weights.
    most_tokens : int or None
        Tokens, padding counted, of the largest micro batch since the device ran out of memory; None if it has not.
    """

    def __init__(self, config: TrainConfig, corpus: Corpus, base: Base | None, world: ProcessGroup) -> None:
        device, precision = world.device, config.run.precision
        forward.check_precision(config.run, device, world.size)
        self.world = world
        self.precision = precision
        self.is_sharded = config.run.sharding == "fsdp" and world.size > 1
        self.pad_id = corpus.vocabulary.pad_id
        self.attention = forward.choose_attention(config.run, device)
        model = build_model(config, corpus.vocabulary, base)
        width = -(-longest_sentence(corpus, config, context_tokens(model)) // 128) * 128
        is_fixed = device.type == "cuda" and config.run.compile
        self.tiers = tiers_for(width, fixed=is_fixed)
        self.fixed_rows = max(1, config.data.n_micro_tokens // width) if is_fixed else None
        self.module = forward.SentenceLoss(model, self.attention, forward.dtype_of(precision)).to(device)
        self.model = self.module.inner
        self.flops_of = forward.FlopCount.of(self.model)
        self.n_parameters, self.n_trained = count_parameters(self.module)
        if self.is_sharded:
            distributed.shard(self.module, self.model.get_decoder().layers, forward.dtype_of(precision))
        # On a CPU rows have many shapes: one program for all of them instead of one each.
        self._forward: Any = (
            torch.compile(self.module, dynamic=None if is_fixed else True) if config.run.compile else self.module
        )
        self.optimizers = optimization.build_optimizers(self.module, config.optimizer, device)
        self.scaler = torch.amp.GradScaler(device.type, enabled=precision == "fp16")
        self.average = Average(self.module, config.optimizer.average) if config.optimizer.average else None
        self._max_gradient_norm = config.optimizer.max_gradient_norm
        self.most_tokens: int | None = None
        self._tried = (1, width)

    @property
    def n_embeddings(self) -> int:
        """Rows of the input embedding."""
        return int(self.model.get_input_embeddings().weight.shape[0])

    # -- steps ---------------------------------------------------------------------------------------

    def add_gradients(self, plan: PackedRows, weight: float) -> torch.Tensor:
        """Add the gradients of a micro batch.

        Parameters
        ----------
        plan : PackedRows
        weight : float
            Sum of the weights of all tokens in the loss of the step, over all processes.

        Returns
        -------
        torch.Tensor
            Its loss (nats, summed, shape ()).

        Raises
        ------
        DeviceMemoryError
            If the device has too little memory; the gradients of the step are then incomplete.
        """
        scale = (self.world.size if self.is_sharded else 1) / max(1.0, weight)
        losses = []
        for part in self._parts(plan):
            with translate_errors():
                batch = build(part, self.pad_id, self.fixed_rows).to(self.world.device)
                loss = forward.loss_sum(self._forward, batch, self.attention, self.precision)
                self.scaler.scale(loss * scale).backward()  # type: ignore[no-untyped-call]
            losses.append(loss.detach())
        return losses[0] if len(losses) == 1 else torch.stack(losses).sum()

    def _parts(self, plan: PackedRows) -> Iterator[PackedRows]:
        """Yield a micro batch in parts that the memory allows; the whole, unless it has run out."""
        n_rows = len(plan.rows) if self.most_tokens is None else max(1, self.most_tokens // plan.width)
        for start in range(0, len(plan.rows), n_rows):
            part = PackedRows(plan.width, plan.rows[start : start + n_rows])
            self._tried = (len(part.rows), part.width)
            yield part

    def halve(self) -> bool:
        """Halve the micro batches after the device has run out of memory, and abandon the step.

        Gradients are sums over sentences, so that smaller micro batches give the same step, up to rounding.

        Returns
        -------
        bool
            False if they cannot be halved: one row was too much, or other processes hold parts of the model.
        """
        n_rows, width = self._tried
        if n_rows == 1 or self.is_sharded:
            return False
        self.most_tokens = n_rows // 2 * width
        if self.fixed_rows is not None:
            self.fixed_rows = n_rows // 2
        self.forget_gradients()
        if self.world.device.type == "cuda":
            torch.cuda.empty_cache()
        return True

    def forget_gradients(self) -> None:
        """Abandon the step."""
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)

    def update(self, factor: float) -> float:
        """Update the parameters by the gradients.

        Parameters
        ----------
        factor : float
            Factor of the learning rates.

        Returns
        -------
        float
            The norm of the gradient before clipping.

        Raises
        ------
        NotANumberError
            If the norm is infinite or not a number; the parameters are unchanged.
        """
        for optimizer in self.optimizers:
            self.scaler.unscale_(optimizer)
        if not self.is_sharded:
            self.world.sum_gradients(self.module.parameters())
        trained = [part for part in self.module.parameters() if part.requires_grad]
        norm = distributed.whole(torch.nn.utils.clip_grad_norm_(trained, self._max_gradient_norm)).item()
        if not math.isfinite(norm) and not self.scaler.is_enabled():
            raise NotANumberError(norm)
        optimization.set_learning_rate(self.optimizers, factor)
        for optimizer in self.optimizers:
            self.scaler.step(optimizer)
        self.scaler.update()
        if self.average:
            self.average.update()
        self.forget_gradients()
        return norm

    # -- evaluation ----------------------------------------------------------------------------------

    def averaged(self) -> AbstractContextManager[None]:
        """Return the context in which the model has its averaged weights, if there are any."""
        return self.average.in_place() if self.average else nullcontext()

    @torch.no_grad()
    def loss_of(self, plans: Sequence[PackedRows]) -> float:
        """Return the loss of micro batches (nats, summed) without gradients, in evaluation mode.

        Raises
        ------
        DeviceMemoryError
            If not even one row fits into the memory.
        """
        # the program for rows of any shape was compiled with gradients
        compute = self.module if self.fixed_rows is None else self._forward
        self.module.eval()
        return sum(self._loss_of(plan, compute) for plan in plans)

    def _loss_of(self, plan: PackedRows, compute: Any) -> float:
        while True:
            total = 0.0
            try:
                for part in self._parts(plan):
                    with translate_errors():
                        batch = build(part, self.pad_id, self.fixed_rows).to(self.world.device)
                        total += forward.loss_sum(compute, batch, self.attention, self.precision).item()
            except DeviceMemoryError as error:
                failure = error.with_traceback(None)  # the frames hold what fills the memory
            else:
                return total
            if not self.halve():
                raise failure

    @contextmanager
    def sampling(self) -> Iterator[Any]:
        """Yield the model in evaluation mode, with an attention kernel that samples without compilation."""
        self.module.eval()
        if self.attention != "flex":
            yield self.model
            return
        self.model.set_attn_implementation("sdpa")
        try:
            yield self.model
        finally:
            self.model.set_attn_implementation("flex_attention")
