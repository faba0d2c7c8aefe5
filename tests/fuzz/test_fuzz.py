"""Every reader and the parser against damaged and random input, for about half a minute.

``LOGOS_FUZZ_SECONDS=600`` fuzzes for so long, with another seed each time (``make fuzz``).
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from logos_cli import registry
from logos_cli.grammar import TAGS

sys.path.insert(0, str(Path(__file__).parent))
from check import LANGUAGE_SEEDS, LANGUAGES, check_grammar, check_language, check_reader
from seeds import mutate, seeds

SECONDS = float(os.environ.get("LOGOS_FUZZ_SECONDS", "0"))
FORMATS = registry.names("formats")
OWN = {
    "fasta": ("fasta", "gzip", "a3m"),
    "chem": ("smiles", "selfies", "helm", "sdf", "sdf_v3000", "mol2", "rxn", "rxn_v3000", "rdf", "bzip2"),
    "table": ("csv", "reactions", "json", "parquet", "sqlite", "xlsx"),
    "periodic": ("poscar", "cssr", "xsf", "pymatgen"),
    "predictor": ("alphafold3", "boltz", "chai"),
    "sentences": ("sentences", "records"),
    "structure": ("pdb", "mmcif", "mmjson", "xz"),
    "crystal": ("crystal", "mmcif"),
    "sequence": ("stockholm", "swiss"),
    "pdbqt": ("pdb",),
    "pqr": ("pdb",),
}
"""What each reader is for; it also gets every other file, but less often."""

pytestmark = pytest.mark.fuzz


def profile(default: int, share: float) -> settings:
    """Return the settings for a default number of examples, or for a share of the time asked for."""
    return settings(
        max_examples=default if not SECONDS else max(default, int(SECONDS * share * 1000)),
        derandomize=not SECONDS,  # the default run is the same every time
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


def cases(name: str) -> st.SearchStrategy[tuple[str, int]]:
    own = OWN.get(name, ())
    return st.tuples(st.sampled_from([*own * 6, *seeds()]), st.integers(0, 2**32))


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_files(name: str) -> None:
    until = time.monotonic() + SECONDS * 0.8 / len(FORMATS)
    content = b""

    @profile(200, 0.8 / len(FORMATS))
    @given(cases(name))
    def run(case: tuple[str, int]) -> None:
        nonlocal content
        if SECONDS and time.monotonic() > until:
            return
        seed, number = case
        content = mutate(seeds()[seed], random.Random(number))
        check_reader(name, content)

    try:
        run()
    except Exception as error:
        error.add_note(f"content: {content[:4000]!r}")
        raise


@pytest.mark.parametrize("name", FORMATS)
def test_random_bytes(name: str) -> None:
    @profile(100, 0.1 / len(FORMATS))
    @given(st.binary(max_size=300))
    def run(content: bytes) -> None:
        check_reader(name, content)

    run()


@pytest.mark.parametrize("name", FORMATS)
def test_whole_files_are_read(name: str) -> None:
    """The seeds themselves make sense, so that their damaged forms reach deep."""
    counts = [check_reader(name, seeds()[seed]) for seed in OWN.get(name, ())]
    assert all(counts), dict(zip(OWN[name], counts, strict=True))


@profile(700, 0.05)
@given(st.lists(st.one_of(st.sampled_from(TAGS), st.text("ACDEKLcno()=[]<>123 é", max_size=8)), max_size=14))
def test_grammar(parts: list[str]) -> None:
    check_grammar("".join(parts))


@profile(700, 0.05)
@given(st.integers(0, 2**32))
def test_damaged_sentences(number: int) -> None:
    rng = random.Random(number)
    line = rng.choice(seeds()["sentences"].splitlines())
    check_grammar(mutate(line, rng).decode("utf-8", "replace"))


@pytest.mark.parametrize("name", LANGUAGES)
def test_languages_of_options_and_records(name: str) -> None:
    check_language(name, LANGUAGE_SEEDS[name])

    @profile(150, 0.02)
    @given(st.integers(0, 2**32))
    def run(number: int) -> None:
        check_language(name, mutate(LANGUAGE_SEEDS[name].encode(), random.Random(number)).decode("utf-8", "replace"))

    run()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="forks")
def test_damaged_models() -> None:
    """Each is loaded in a process of its own, which a crash would end; ``headers.py 2000`` is the long form."""
    script = Path(__file__).with_name("headers.py")
    done = subprocess.run([sys.executable, str(script), "16"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "safetensors: 8 files" in done.stdout
