"""Speed of what becomes of samples of a search: ``make bench``, or ``pytest -m bench -s`` on this file."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from logos_cli.grammar import emit, parse
from logos_cli.objects.complex import Complex
from logos_cli.objects.protein import Protein
from logos_cli.records import Record
from logos_cli.tasks.base import PromptInfo
from logos_cli.tasks.site.plugin import PLUGIN
from logos_cli.workflows.encode import encode

pytestmark = pytest.mark.bench
N_SAMPLES, N_TAGGED, N_RUNS = 40, 20, 9


@pytest.mark.parametrize("name", ["5sd5_HWI", "6yr2_T1C"])
def test_forty_samples_become_sites_in_less_than_200_ms(shared_data: Path, name: str) -> None:
    """From parsed samples to records, the structure read again included; residues at random, the hardest case."""
    file = shared_data / "complexes" / "posebusters" / f"{name}.pdb.gz"
    protein = next(iter(encode(file, form="protein")))
    sequence = parse(protein.text).left[0].payload
    generator = np.random.default_rng(0)
    sentences = []
    for _ in range(N_SAMPLES):
        site = tuple(sorted(generator.choice(len(sequence), N_TAGGED, replace=False).tolist()))
        sentences.append(parse(emit(Complex((Protein(sequence, site),)).to_sentence(PLUGIN.form))))
    task = PLUGIN.configure(min_frequency=0.0)
    prompt = PromptInfo(protein.id, task.from_payload(sequence), protein.source)
    record = Record("x#0001", PLUGIN.form, "")
    times = []
    for _ in range(N_RUNS):
        start = time.perf_counter()
        collector = task.collector(prompt)
        assert collector is not None
        for sentence in sentences:
            collector.add(record, "", sentence)
        sites = list(collector.results())
        times.append(time.perf_counter() - start)
    print(f"{name}: {len(sequence)} residues, {len(sites)} sites: {1000 * min(times):.0f} ms")
    assert all(record.extra["site"]["clustered_by"] == "space" for record in sites)
    assert min(times) < 0.2
