"""Muon: as torch's where that exists, and a move of about one in every direction."""

from __future__ import annotations

import pytest
import torch

from logos_cli.training.run.muon import Muon, orthogonalized, product_dtype

SHAPES = ((32, 32), (48, 32), (32, 48), (32, 32))


def parameters() -> list[torch.nn.Parameter]:
    torch.manual_seed(1)
    return [torch.nn.Parameter(torch.randn(shape)) for shape in SHAPES]


@pytest.mark.parametrize("shape", [(3, 24, 24), (2, 40, 24), (2, 24, 40)])
def test_singular_values_become_alike(shape):
    torch.manual_seed(0)
    found = torch.linalg.svdvals(orthogonalized(torch.randn(shape), torch.float32))
    assert found.shape == (shape[0], 24)
    assert 0.2 < found.min() < found.max() < 1.3


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="this torch has no Muon")
def test_it_moves_as_that_of_torch_does():
    mine, theirs = parameters(), parameters()
    one = Muon(mine, lr=0.1, weight_decay=0.5)
    other = torch.optim.Muon(theirs, lr=0.1, weight_decay=0.5)
    for step in range(3):
        for ours, its in zip(mine, theirs, strict=True):
            torch.manual_seed(step)
            ours.grad = torch.randn(ours.shape)
            its.grad = ours.grad.clone()
        one.step()
        other.step()
    for ours, its in zip(mine, theirs, strict=True):
        # torch's rounds to bfloat16
        assert torch.allclose(ours, its, atol=0.02)


def test_what_has_no_gradient_stays():
    parts = parameters()
    before = parts[1].detach().clone()
    parts[0].grad = torch.ones_like(parts[0])
    optimizer = Muon(parts, lr=0.1, weight_decay=0.5)
    optimizer.step()
    assert torch.equal(parts[1], before)
    assert list(optimizer.state) == [parts[0]]


def test_products_are_of_a_dtype_that_the_processor_has():
    assert product_dtype(torch.device("cuda")) is torch.bfloat16
    assert product_dtype(torch.device("cpu")) in (torch.bfloat16, torch.float32)
