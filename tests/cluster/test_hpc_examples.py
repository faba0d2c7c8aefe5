"""What is in ``examples/hpc``: run where the tool is installed, and checked piece by piece where it is not."""

from __future__ import annotations

import gzip
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests import receptors
from tests.cluster.slurm import Cluster
from tests.cluster.test_slurm import do, library, undisturbed

HPC = Path(__file__).resolve().parent.parent.parent / "examples" / "hpc"
COMMAND = "score library.smi --metrics qed,sa"
_EXTRAS = re.compile(r"'/src\[([\w,]+)\]'")


def test_each_file_has_a_line_on_when_to_use_it() -> None:
    described = re.findall(r"^\| `([\w.]+)` \| \w", (HPC / "README.md").read_text(), re.MULTILINE)
    assert sorted([*described, "README.md"]) == sorted(path.name for path in HPC.iterdir())


@pytest.mark.slow
def test_the_script_of_an_array_runs_on_slurm(cluster: Cluster, program: dict[str, str], tmp_path: Path) -> None:
    library(tmp_path / "library.smi", 60)
    (tmp_path / "log").mkdir()
    env = program | {"SLURM_CONF": cluster.variables["SLURM_CONF"]}
    script = f"{HPC / 'slurm_array.sh'} library.smi run/"
    job = do(f"sbatch --parsable --array=1-2 {script}", tmp_path, env).strip()
    assert cluster.wait(job, 120) == {"1": "COMPLETED", "2": "COMPLETED"}
    assert do("logos runs verify run/", tmp_path, env) == "run: complete: 61 entries: 60 ok, 1 failed\n"


@pytest.mark.slow
def test_the_pipeline_goes_on_where_it_was(preloaded: dict[str, str], tmp_path: Path) -> None:
    for name in ("meeko", "openmm", "pdbfixer", "vina"):
        pytest.importorskip(name)
    (tmp_path / "complex.pdb").write_text(receptors.with_ligand())
    env = preloaded | {"DOCK_OPTIONS": "--exhaustiveness 1 --num-modes 1 --cpu 1"}
    script = ["bash", str(HPC / "pipeline.sh"), "complex.pdb", "1", "work/"]
    first = subprocess.run(script, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=280, check=False)
    assert first.returncode == 0, first.stderr
    found = (tmp_path / "work" / "ligands.jsonl").read_bytes()
    assert len(found.splitlines()) == 1
    (tmp_path / "work" / "scored" / "results" / "1-of-1.index").unlink()  # as if it had been killed there
    again = subprocess.run(script, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=280, check=False)
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "work" / "ligands.jsonl").read_bytes() == found


def test_snakemake_runs_the_shards(program: dict[str, str], tmp_path: Path) -> None:
    if (snakemake := shutil.which("snakemake")) is None:
        pytest.skip("snakemake is not installed (in an environment of its own: pip install snakemake)")
    library(tmp_path / "library.smi", 60)
    command = [snakemake, "--snakefile", str(HPC / "Snakefile"), "--cores", "2"]
    config = ["--config", "library=library.smi", "run=run", "shards=2"]
    env = program | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = subprocess.run(
        [*command, *config], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stderr
    assert gzip.decompress((tmp_path / "run.jsonl.gz").read_bytes()) == undisturbed(COMMAND, tmp_path, program)


def test_nextflow_runs_the_shards(program: dict[str, str], tmp_path: Path) -> None:
    if (nextflow := shutil.which("nextflow")) is None:
        pytest.skip("nextflow is not installed")
    library(tmp_path / "library.smi", 60)
    command = [nextflow, "run", str(HPC / "main.nf"), "--library", "library.smi", "--shards", "2"]
    done = subprocess.run(command, cwd=tmp_path, env=program, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    found = (tmp_path / "scored.jsonl").read_bytes()
    assert sorted(found.splitlines()) == sorted(undisturbed(COMMAND, tmp_path, program).splitlines())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Snakefile", "main.nf"])
def test_the_command_of_a_workflow_is_one(name: str, preloaded: dict[str, str], tmp_path: Path) -> None:
    """Its words in the place of the workflow's variables make two shards."""
    library(tmp_path / "library.smi", 20)
    text = (HPC / name).read_text()
    assert all(text.count(left) == text.count(right) for left, right in ("{}", "()", "[]"))
    (line,) = re.findall(r"logos score .*--shard .*\]", text)
    for number in (1, 2):
        values = {"input": "library.smi", "library": "library.smi", "number": str(number), "run": "run"}
        values |= {"wildcards.number": str(number), "wildcards.shards": "2", "params.shards": "2"}
        words = re.split(r"\$?\{([\w.]+)\}", line.replace("\\$", "$"))
        command = "".join(values[word] if place % 2 else word for place, word in enumerate(words))
        do(f"{command.replace('scored.jsonl', f'part{number}.jsonl')}", tmp_path, preloaded)
    if name == "Snakefile":
        assert do("logos runs verify run/", tmp_path, preloaded).endswith("20 ok, 1 failed\n")
    else:
        assert sum(len((tmp_path / f"part{number}.jsonl").read_text().splitlines()) for number in (1, 2)) == 21


def _instructions(text: str) -> list[tuple[str, str]]:
    """Return the instructions of a Dockerfile with their arguments."""
    lines = [line for line in re.sub(r"\\\n", " ", text).splitlines() if line and not line.startswith("#")]
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in lines]


def _copied() -> dict[str, list[str]]:
    """Return what each recipe of an image copies from the checkout."""
    found: dict[str, list[str]] = {"Dockerfile": [], "logos.def": []}
    for name, words in _instructions((HPC / "Dockerfile").read_text()):
        if name == "COPY":
            found["Dockerfile"] += shlex.split(words)[:-1]
    section = re.split(r"^%", (HPC / "logos.def").read_text(), flags=re.MULTILINE)
    files = next(part for part in section if part.startswith("files"))
    found["logos.def"] = [line.split()[0] for line in files.splitlines()[1:] if line.strip()]
    return found


def test_the_recipes_of_images_are_whole(checkout: Path) -> None:
    project = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]
    known = {"FROM", "RUN", "COPY", "ENV", "VOLUME", "WORKDIR", "USER", "ENTRYPOINT"}
    instructions = _instructions((HPC / "Dockerfile").read_text())
    assert instructions[0][0] == "FROM"
    assert {name for name, _ in instructions} <= known
    entry = dict(instructions)["ENTRYPOINT"]
    assert re.fullmatch(r'\["(\w+)"\]', entry)
    assert entry[2:-2] in project["scripts"]
    sections = re.findall(r"^%(\w+)", (HPC / "logos.def").read_text(), re.MULTILINE)
    assert sections == ["files", "post", "environment", "runscript", "test"]
    assert re.match(r"Bootstrap: docker\nFrom: [\w:.-]+\n", (HPC / "logos.def").read_text())
    for name in ("Dockerfile", "logos.def"):
        (extras,) = _EXTRAS.findall((HPC / name).read_text())
        assert set(extras.split(",")) <= set(project["optional-dependencies"])
        assert "torch==2.13.0" in (HPC / name).read_text()
    assert _copied()["Dockerfile"] == _copied()["logos.def"]


def test_what_an_image_copies_can_be_installed(checkout: Path, tmp_path: Path) -> None:
    """The wheel is built from what the recipes copy, and from nothing else."""
    for name in _copied()["Dockerfile"]:
        source = checkout / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, tmp_path / "src" / name, ignore=ignored, copy_function=os.link)
        else:
            (tmp_path / "src").mkdir(exist_ok=True)
            shutil.copy(source, tmp_path / "src" / name)
    build = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        str(tmp_path),
        str(tmp_path / "src"),
    ]
    done = subprocess.run(build, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert any(name.endswith("logos_cli/cli/app.py") for name in names)
    assert any("data/tokenizers/" in name for name in names)
