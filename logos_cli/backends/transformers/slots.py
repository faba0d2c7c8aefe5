"""Sequences in numbered slots: with the keys and values of their tokens, or, for any other network, read anew."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import DynamicCache

from logos_cli.backends.transformers.network import Network, agree, tensors_of

_Layers = list[tuple[Tensor, Tensor]]
"""Keys and values of one sequence in each layer, shape (n_heads, n_tokens, width)."""


class Slots(ABC):
    """Sequences in slots."""

    def __init__(self, network: Network) -> None:
        self._network = network

    @abstractmethod
    def reserve(self, n_slots: int, /) -> None:
        """Forget all sequences."""

    @abstractmethod
    def prefill(self, slots: Sequence[int], prompts: Sequence[Sequence[int]]) -> Tensor:
        """Begin sequences in free slots; return logits, shape (len(slots), n_vocabulary)."""

    @abstractmethod
    def step(self, slots: Sequence[int], tokens: Sequence[int]) -> Tensor:
        """Append one token to each of the sequences; return logits."""

    @abstractmethod
    def copy(self, source: int, target: int) -> None:
        """Copy a sequence to a free slot."""

    @abstractmethod
    def free(self, slot: int) -> None:
        """Drop a sequence."""


@dataclass(slots=True)
class _Kept:
    """A sequence that is not in the batch."""

    layers: _Layers
    n_tokens: int


class CachedSlots(Slots):
    """Sequences whose keys and values are kept; those that are continued together form a batch that ends together.

    The batch is put together anew when other sequences are continued than in the step before.
    """

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        self.reserve(0)

    def reserve(self, _n_slots: int, /) -> None:  # memory is allocated as it is needed
        """Forget all sequences."""
        self._kept: dict[int, _Kept] = {}
        self._rows: list[int | None] = []
        self._lengths: list[int] = []
        self._batch = DynamicCache()

    def prefill(self, slots: Sequence[int], prompts: Sequence[Sequence[int]]) -> Tensor:
        """Begin sequences in free slots."""
        found: dict[int, Tensor] = {}
        for group in self._network.passes(prompts, all_logits=False):
            cache = DynamicCache()
            logits = self._network.last([prompts[index] for index in group], cache)
            for row, index in enumerate(group):
                n_tokens = len(prompts[index])
                # clones, or each would hold the whole pass in memory
                layers = [
                    (keys[row, :, :n_tokens].clone(), values[row, :, :n_tokens].clone())
                    for keys, values in tensors_of(cache)
                ]
                self._kept[slots[index]] = _Kept(layers, n_tokens)
                found[index] = logits[row]
        return torch.stack([found[index] for index in range(len(slots))])

    def step(self, slots: Sequence[int], tokens: Sequence[int]) -> Tensor:
        """Append one token to each of the sequences."""
        if list(slots) != self._rows:
            self._put_together(slots)
        logits = self._network.step(tokens, self._lengths, self._batch)
        self._lengths = [length + 1 for length in self._lengths]
        return logits

    def copy(self, source: int, target: int) -> None:
        """Copy a sequence to a free slot."""
        self._kept[target] = self._cloned(source)

    def free(self, slot: int) -> None:
        """Drop a sequence; in the batch its row remains until that is put together anew."""
        if self._kept.pop(slot, None) is None and slot in self._rows:
            self._rows[self._rows.index(slot)] = None

    def _sequence(self, slot: int) -> _Kept:
        """Return a sequence; of one in the batch, parts of the batch's tensors."""
        if slot in self._kept:
            return self._kept[slot]
        row = self._rows.index(slot)
        n_tokens = self._lengths[row]
        layers = [(keys[row, :, -n_tokens:], values[row, :, -n_tokens:]) for keys, values in tensors_of(self._batch)]
        return _Kept(layers, n_tokens)

    def _cloned(self, slot: int) -> _Kept:
        found = self._sequence(slot)
        return _Kept([(keys.clone(), values.clone()) for keys, values in found.layers], found.n_tokens)

    def _put_together(self, slots: Sequence[int]) -> None:
        """Form the batch of these sequences, layer by layer; others in the old one are kept beside it."""
        for slot in self._rows:
            if slot is not None and slot not in slots:
                self._kept[slot] = self._cloned(slot)
        members = [self._sequence(slot) for slot in slots]
        longest = max(member.n_tokens for member in members)
        batch = DynamicCache()
        for number in range(len(members[0].layers)):
            keys, values = (
                torch.stack([_padded(member.layers[number][part], longest) for member in members]) for part in (0, 1)
            )
            batch.update(keys, values, number)
        self._batch = batch
        self._rows = list(slots)
        self._lengths = [member.n_tokens for member in members]
        for slot in slots:
            self._kept.pop(slot, None)


def _padded(states: Tensor, n_tokens: int) -> Tensor:
    """Return keys or values of one sequence with zeros before them."""
    return torch.nn.functional.pad(states, (0, 0, n_tokens - states.shape[-2], 0))


class ReadSlots(Slots):
    """Sequences that are read anew in every step: slow, and right for every causal network."""

    def reserve(self, _n_slots: int, /) -> None:  # memory is allocated as it is needed
        """Forget all sequences."""
        self._tokens: dict[int, tuple[int, ...]] = {}

    def prefill(self, slots: Sequence[int], prompts: Sequence[Sequence[int]]) -> Tensor:
        """Begin sequences in free slots."""
        self._tokens |= {slot: tuple(prompt) for slot, prompt in zip(slots, prompts, strict=True)}
        found: dict[int, Tensor] = {}
        for group in self._network.passes(prompts, all_logits=False):
            logits = self._network.last([prompts[index] for index in group])
            found |= dict(zip(group, logits, strict=True))
        return torch.stack([found[index] for index in range(len(slots))])

    def step(self, slots: Sequence[int], tokens: Sequence[int]) -> Tensor:
        """Append one token to each of the sequences."""
        return self.prefill(slots, [(*self._tokens[slot], token) for slot, token in zip(slots, tokens, strict=True)])

    def copy(self, source: int, target: int) -> None:
        """Copy a sequence to a free slot."""
        self._tokens[target] = self._tokens[source]

    def free(self, slot: int) -> None:
        """Drop a sequence."""
        self._tokens.pop(slot, None)


def keeps_cache(network: Network, probes: Sequence[Sequence[int]]) -> bool:
    """Whether sequences of several lengths can be continued together from a cache, as if each were read whole.

    Networks with recurrent states, or with positions that count the padding, cannot.
    """
    try:
        slots = CachedSlots(network)
        slots.reserve(len(probes))
        slots.prefill(range(len(probes)), [tokens[: len(tokens) // 2] for tokens in probes])
        wholes = network.read(probes)
        for place in range(min(len(tokens) - len(tokens) // 2 for tokens in probes)):
            stepped = slots.step(range(len(probes)), [tokens[len(tokens) // 2 + place] for tokens in probes])
            for tokens, row, whole in zip(probes, stepped, wholes, strict=True):
                if not agree(row, whole[len(tokens) // 2 + place]):
                    return False
    except torch.OutOfMemoryError:
        raise
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError):
        return False  # the network has another kind of cache
    return True
