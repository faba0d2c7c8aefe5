"""Docking engines: the vina package, or a program on the PATH that takes Vina's options.

An engine holds one receptor and one box, and docks one ligand after another. Its results are poses as PDBQT with
Meeko's remarks, or the output of a program as it is.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from abc import ABC, abstractmethod
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, ClassVar, Literal

from logos_cli.docking import libraries
from logos_cli.docking.box import Box
from logos_cli.docking.defaults import ENERGY_RANGE_KCAL_PER_MOL, ENGINES, EXHAUSTIVENESS, N_POSES, SEED
from logos_cli.errors import LogosError, MissingError, MoleculeError, UsageError
from logos_cli.processes.failure import describe_end

Mode = Literal["dock", "score", "minimize"]
_SEED_OF_ZERO = 2_147_483_629
"""Replaces seed 0, by which Vina would choose a random one."""


@dataclass(frozen=True, slots=True)
class Search:
    """Options of the search.

    Attributes
    ----------
    mode : {"dock", "score", "minimize"}
        Search for poses, score the given one, or relax it first.
    exhaustiveness : int
        Independent runs of the search.
    n_poses : int
        Largest number of poses.
    energy_range_kcal_per_mol : float
        Poses that are worse than the best by more than this are dropped.
    seed : int
        Seed of the search; the poses do not depend on the number of threads.
    threads : int
        Threads of one ligand's search.
    """

    mode: Mode = "dock"
    exhaustiveness: int = EXHAUSTIVENESS
    n_poses: int = N_POSES
    energy_range_kcal_per_mol: float = ENERGY_RANGE_KCAL_PER_MOL
    seed: int = SEED
    threads: int = 1

    def __post_init__(self) -> None:
        for name in ("exhaustiveness", "n_poses", "threads"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name.replace('_', '-')} is {getattr(self, name)}; it must be 1 or more")
        if self.energy_range_kcal_per_mol <= 0:
            raise UsageError(f"the energy range is {self.energy_range_kcal_per_mol:g}; it must be above 0")
        if not 0 <= self.seed < 1 << 31:
            raise UsageError(f"the seed is {self.seed}", hint="give one from 0 to 2147483647")

    @property
    def vina_seed(self) -> int:
        """The seed for Vina, never 0."""
        return self.seed or _SEED_OF_ZERO


@dataclass(frozen=True, slots=True)
class Target:
    """The receptor and the box to dock into."""

    rigid_pdbqt: str
    flexible_pdbqt: str
    box: Box


@dataclass(slots=True)
class Found:
    """Poses of one ligand, the best first: PDBQT with a MODEL each, and their scores (kcal/mol)."""

    pdbqt: str
    scores_kcal_per_mol: list[float]


class Engine(ABC):
    """Docks ligands one by one into one receptor and one box."""

    name: ClassVar[str]
    search: Search

    @abstractmethod
    def find(self, ligand_pdbqt: str) -> Found:
        """Return the poses of a ligand.

        Raises
        ------
        LogosError
            If there is no pose; the message is the reason.
        """

    def close(self) -> None:  # noqa: B027 - most hold nothing
        """Release its resources."""


class VinaEngine(Engine):
    """The vina package; the maps of all atom types are computed when the engine starts."""

    name = "vina"

    def __init__(self, target: Target, search: Search) -> None:
        vina = libraries.load("vina")
        self.search = search
        self._folder = tempfile.TemporaryDirectory(prefix="logos-dock-")
        folder = Path(self._folder.name)
        rigid = _write(folder / "receptor.pdbqt", target.rigid_pdbqt)
        flexible = None
        if target.flexible_pdbqt:
            flexible = str(_write(folder / "flexible.pdbqt", target.flexible_pdbqt))
        self._vina = vina.Vina(sf_name="vina", cpu=search.threads, seed=search.vina_seed, verbosity=0)
        try:
            self._vina.set_receptor(str(rigid), flexible)
            self._vina.compute_vina_maps(list(target.box.center_angstrom), list(target.box.size_angstrom))
        except (RuntimeError, ValueError) as error:
            raise LogosError(f"Vina refuses the receptor: {reason(error)}") from error

    def find(self, ligand_pdbqt: str) -> Found:
        """Dock, score or minimise one ligand."""
        vina, search = self._vina, self.search
        try:
            vina.set_ligand_from_string(ligand_pdbqt)
            if search.mode == "dock":
                return self._dock(vina)
            energies = vina.score() if search.mode == "score" else vina.optimize()
            # a folder per ligand, as several processes share that of the engine
            with tempfile.TemporaryDirectory(dir=self._folder.name) as folder:
                pose = Path(folder, "pose.pdbqt")
                vina.write_pose(str(pose), overwrite=True)
                text = pose.read_text(encoding="ascii")
        except (RuntimeError, ValueError) as error:
            raise _ligand_error(error) from error
        return Found(f"MODEL 1\n{text}ENDMDL\n", [float(energies[0])])

    def _dock(self, vina: Any) -> Found:
        search = self.search
        vina.dock(exhaustiveness=search.exhaustiveness, n_poses=search.n_poses)
        energies = vina.energies(search.n_poses, search.energy_range_kcal_per_mol)
        if not len(energies):
            raise MoleculeError("Vina found no pose", hint="enlarge the box, or raise --exhaustiveness")
        text = vina.poses(search.n_poses, search.energy_range_kcal_per_mol)
        return Found(text, [float(row[0]) for row in energies])

    def close(self) -> None:
        """Remove its files."""
        self._folder.cleanup()


def _ligand_error(error: Exception) -> LogosError:
    text = reason(error)
    if "outside the grid" in text:
        return MoleculeError(
            "the ligand lies outside the box", hint="score poses in the receptor's frame, or move the box"
        )
    return MoleculeError(f"Vina refuses the ligand: {text}")


def reason(error: Exception) -> str:
    """Return the first line with words of a library's message."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__


@dataclass(frozen=True, slots=True)
class Program:
    """A program that takes Vina's options, with its own differences.

    Attributes
    ----------
    has_energy_range : bool
        Whether it takes ``--energy_range``.
    has_batches : bool
        Whether it docks batches on a GPU, here of one ligand; not with flexible side chains.
    """

    command: str
    arguments: tuple[str, ...] = ()
    score: tuple[str, ...] = ("--score_only",)
    minimize: tuple[str, ...] = ("--local_only",)
    has_energy_range: bool = True
    has_batches: bool = False


PROGRAMS = {
    "vina-binary": Program("vina"),
    "smina": Program("smina", ("--quiet",), minimize=("--minimize",)),
    "gnina": Program(
        "gnina",
        # without its networks, which would rank the poses in another order than Vina's scores
        ("--quiet", "--cnn_scoring", "none"),
        minimize=("--minimize",),
        has_energy_range=False,
    ),
    "unidock": Program("unidock", ("--scoring", "vina"), has_batches=True),
}


def choose(name: str) -> str:
    """Return the engine of a name; ``auto`` is the package, else the first program on the PATH.

    Raises
    ------
    UsageError
        If there is no engine of that name.
    MissingError
        If it is not installed.
    """
    if name not in ENGINES:
        raise UsageError(f"there is no docking engine {name!r}", hint=f"engines: {', '.join(ENGINES)}")
    if name == "auto":
        if libraries.is_installed("vina"):
            return "vina"
        found = next((each for each, program in PROGRAMS.items() if shutil.which(program.command)), None)
        if found is None:
            raise MissingError("there is no docking engine", hint=_remedy())
        return found
    if name == "vina" and not libraries.is_installed("vina"):
        raise MissingError("the vina package is not installed", hint=_remedy())
    if name in PROGRAMS and shutil.which(PROGRAMS[name].command) is None:
        raise MissingError(
            f"there is no program {PROGRAMS[name].command!r} on the PATH",
            hint=f"install it, or use --engine vina ({libraries.INSTALL})",
        )
    return name


def _remedy() -> str:
    return (
        f"{libraries.INSTALL} (Linux x86-64, Python 3.11 or 3.12); elsewhere put the program vina on the PATH: "
        "conda install -c conda-forge vina"
    )


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="ascii", errors="replace")
    return path


class ProgramEngine(Engine):
    """A program that is started for each ligand."""

    name = "program"

    def __init__(self, engine: str, target: Target, search: Search) -> None:
        self.program = PROGRAMS[engine]
        self.search = search
        self._folder = tempfile.TemporaryDirectory(prefix="logos-dock-")
        self._flexible = bool(target.flexible_pdbqt)
        folder = Path(self._folder.name)
        self._arguments = ["--receptor", str(_write(folder / "receptor.pdbqt", target.rigid_pdbqt))]
        if target.flexible_pdbqt:
            self._arguments += ["--flex", str(_write(folder / "flexible.pdbqt", target.flexible_pdbqt))]
        for axis, center, size in zip("xyz", target.box.center_angstrom, target.box.size_angstrom, strict=True):
            self._arguments += [f"--center_{axis}", str(center), f"--size_{axis}", str(size)]

    def find(self, ligand_pdbqt: str) -> Found:
        """Run the program on one ligand."""
        # a folder per ligand, as several processes share that of the engine
        with tempfile.TemporaryDirectory(dir=self._folder.name) as folder:
            return self._find(ligand_pdbqt, Path(folder))

    def _find(self, ligand_pdbqt: str, folder: Path) -> Found:
        program, mode = self.program, self.search.mode
        ligand = _write(folder / "ligand.pdbqt", ligand_pdbqt)
        is_batch = program.has_batches and mode == "dock" and not self._flexible
        # the name of a batch's result is made of the ligand's name
        output = ligand.with_name("ligand_out.pdbqt")
        names = ["--gpu_batch", ligand, "--dir", ligand.parent] if is_batch else ["--ligand", ligand, "--out", output]
        done = subprocess.run(
            [program.command, *map(str, names), *self._arguments, *program.arguments, *self._search_arguments()],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
            raise MoleculeError(
                f"{program.command} ended {describe_end(done.returncode)}: {lines[-1][:200] if lines else 'no message'}"
            )
        if mode == "score" and not output.exists():
            return Found(f"MODEL 1\n{ligand_pdbqt}ENDMDL\n", [_stated_affinity(done.stdout, program)])
        text = output.read_text(encoding="utf-8") if output.exists() else ""
        found = _found(text, self.search.energy_range_kcal_per_mol)
        if mode != "dock" and text and not found.scores_kcal_per_mol:
            return Found(f"MODEL 1\n{text}ENDMDL\n", [_stated_affinity(done.stdout, program)])
        if not found.scores_kcal_per_mol:
            raise MoleculeError(f"{program.command} wrote no pose")
        return found

    def _search_arguments(self) -> list[str]:
        search, program = self.search, self.program
        arguments = ["--seed", str(search.vina_seed), "--cpu", str(search.threads)]
        if search.mode != "dock":
            return [*arguments, *(program.score if search.mode == "score" else program.minimize)]
        arguments += ["--exhaustiveness", str(search.exhaustiveness), "--num_modes", str(search.n_poses)]
        if program.has_energy_range:
            arguments += ["--energy_range", str(search.energy_range_kcal_per_mol)]
        return arguments

    def close(self) -> None:
        """Remove its files."""
        self._folder.cleanup()


_SCORE = re.compile(r"^REMARK (?:VINA RESULT:|minimizedAffinity)\s+(-?[\d.]+(?:e[-+]?\d+)?)", re.MULTILINE)
_RUN_ON = re.compile(r"(REMARK (?:minimized|CNN)\w+ -?[\d.]+(?:e[-+]?\d+)?)(?=[A-Z])")


def _found(text: str, energy_range_kcal_per_mol: float) -> Found:
    """Parse the poses and scores that a program wrote, without poses beyond the range.

    gnina writes no line break after its own remarks, so that the ligand's first line continues the last of them.
    """
    models = re.split(r"^(?=MODEL\b)", _RUN_ON.sub(r"\1\n", text), flags=re.MULTILINE)
    scored = [(float(score[1]), model) for model in models if (score := _SCORE.search(model))]
    worst = min((score for score, _ in scored), default=0.0) + energy_range_kcal_per_mol
    kept = [(score, model) for score, model in scored if score <= worst]
    found = "".join(model for _, model in kept)
    return Found(found if "MODEL" in found else f"MODEL 1\n{found}ENDMDL\n", [score for score, _ in kept])


def _stated_affinity(text: str, program: Program) -> float:
    """Parse the score that a program prints: ``Affinity: -8.1 (kcal/mol)``."""
    for line in text.splitlines():
        words = line.replace(":", " ").split()
        if words[:1] in (["Affinity"], ["Estimated"]):
            for word in words:
                try:
                    return float(word)
                except ValueError:
                    continue
    raise MoleculeError(f"{program.command} printed no score")


def version_of(engine: str) -> str:
    """Return the version of the vina package; empty for a program, as it would have to be started."""
    if engine != "vina":
        return ""
    try:
        return version("vina")
    except PackageNotFoundError:
        return ""


def start(engine: str, target: Target, search: Search) -> Engine:
    """Return an engine by a name from :func:`choose`."""
    return VinaEngine(target, search) if engine == "vina" else ProgramEngine(engine, target, search)
