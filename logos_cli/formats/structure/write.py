"""Write structures with the site as B-factors, and scripts that show the site in viewers."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from logos_cli.errors import InputError, OutputError
from logos_cli.formats.base import Stream, WriteOptions, Writer
from logos_cli.io.input import Input
from logos_cli.io.reopen import reopen
from logos_cli.io.visible import one_line
from logos_cli.objects.base import ScienceObject
from logos_cli.objects.complex import Complex
from logos_cli.objects.material import Material
from logos_cli.objects.protein import Protein
from logos_cli.records import Record
from logos_cli.structure.residues.map import ResidueMap, ResidueName

SITE_B_FACTOR = 100.0
_COLORS = ("orange", "blue", "magenta", "yellow", "cyan", "salmon", "purple", "olive")
_COMMANDS = re.compile(r"""[\x00-\x1f\x7f"'`;,|$#\\{}\[\]<>*?!&\ud800-\udfff]""")
"""Characters that end a name or begin a command, comment or variable in PyMOL or ChimeraX."""
_SAFE_CHAIN = re.compile(r"[\w.-]*")
_SAFE_NUMBER = re.compile(r"-?\d+\w?")
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")


def site_residues(record: Record, item: ScienceObject) -> list[ResidueName]:
    """Return the residues of the source file that a record tags.

    Raises
    ------
    OutputError
        If the record has no residue map, or the map is of other chains than the sentence.
    """
    names, chains = residue_map(record, item)
    found = (names.name((number, place)) for number, chain in enumerate(chains) for place in chain.site)
    return [name for name in found if name is not None]


def residue_map(record: Record, item: ScienceObject) -> tuple[ResidueMap, tuple[Protein, ...]]:
    """Return the map from a record's residues to those of its source file, and the record's chains.

    Raises
    ------
    OutputError
        If the record has no residue map, or the map is of other chains than the sentence.
    """
    if isinstance(item, Complex):
        chains = item.chains
    elif isinstance(item, Protein):
        chains = (item,)
    else:
        raise OutputError(
            f"a {type(item).__name__.lower()} has no residues to show", hint="write it --to smi, fasta, csv or json"
        )
    maps = record.source.get("residues")
    if not isinstance(maps, list) or not maps:
        raise OutputError(
            "the record has no residue map (source.residues) to a structure",
            hint="encode the structure file itself; its records have a residue map",
        )
    try:
        return ResidueMap(record.source, [len(chain.sequence) for chain in chains]), chains
    except InputError as error:
        raise OutputError(error.message) from error


def source_structure(record: Record) -> Input:
    """Open the structure of a record, unchanged since it was encoded.

    Raises
    ------
    OutputError
        If there is none, or its SHA-256 has changed.
    """
    try:
        return reopen(record.source)
    except InputError as error:
        raise OutputError(
            f"its structure {error.message}" if error.source else error.message,
            source=error.source,
            hint=error.hint if error.source is None else "restore the file, or encode again",
        ) from error


def source_path(record: Record) -> Path:
    """Return the file of a record, for a program that opens it by its name.

    Raises
    ------
    OutputError
        If there is none, or its SHA-256 has changed.
    """
    with closing(source_structure(record)) as source:
        if source.path is None:
            raise OutputError(
                "the structure came from a pipe, and a script needs a file to open",
                hint="write --to cif, or give the structure as a file",
            )
        return source.path.resolve()


def single_model(structure: Any, number: int) -> Any:
    """Return a structure (gemmi) with one of its models only."""
    for index in range(len(structure) - 1, -1, -1):
        if index != number - 1:
            del structure[index]
    return structure


def block_name(text: str) -> str:
    """Return a name for a data block."""
    return _UNSAFE.sub("_", text) or "structure"


class CifWriter(Writer):
    """mmCIF of the source structure: B-factor 100 on the site's residues, 0 elsewhere; one data block a record.

    A framework has no source structure here: its parts are assembled on a net, where that is known.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".cif", ".mmcif")

    def write(self, record: Record, item: ScienceObject) -> None:
        """Write the model that the record came from, or the assembled framework.

        Raises
        ------
        OutputError
            If the record has no structure, or its file is gone or has changed; if the framework cannot be assembled.
        """
        if isinstance(item, Material):
            self.stream.write(self._framework(record, item))
            return
        values = dict.fromkeys(site_residues(record, item), SITE_B_FACTOR)
        self.stream.write(structure_with(record, values))

    def _framework(self, record: Record, material: Material) -> str:
        net = self.options.topology or record.extra.get("topology")
        if not isinstance(net, str) or not net:
            raise OutputError(
                "a sentence does not hold the net of a framework, so that it has no coordinates",
                hint="give --topology pcu (the RCSR code), or records with the key topology; a record that was encoded from "
                "a crystal goes --to poscar",
            )
        from logos_cli.crystal.assembly.assemble import assemble

        try:
            return assemble(material, net, block_name(record.id), self.options.seed).cif
        except OutputError as error:
            raise OutputError(error.message, hint=error.hint) from error


def structure_with(record: Record, values: Mapping[ResidueName, float], title: str | None = None) -> str:
    """Return the mmCIF of the model that a record came from, with values as B-factors; other residues have 0.

    Parameters
    ----------
    title : str, optional
        Name of the data block; the default is the record's id.

    Raises
    ------
    OutputError
        If the record has no structure, or its file is gone or has changed.
    """
    from logos_cli.structure import read as reading

    with closing(source_structure(record)) as source:
        structure = reading.load(source.read(), source.name, record.source.get("block")).structure
    structure = single_model(structure, int(record.source.get("model", 1)))
    for chain in structure[0]:
        for residue in chain:
            name = ResidueName(chain.name, residue.seqid.num, residue.seqid.icode.strip())
            value = values.get(name, 0.0)
            for atom in residue:
                atom.b_iso = value
                atom.aniso = type(atom.aniso)(0, 0, 0, 0, 0, 0)
    if record.source.get("format") in ("pdb", "pdbqt", "pqr"):
        structure.setup_entities()
    document = structure.make_mmcif_document()
    document[0].name = block_name(title or record.id)
    text: str = document.as_string()
    return text


@dataclass(frozen=True, slots=True)
class _Scene:
    """What a viewer script shows of one record."""

    name: str
    path: Path
    site: list[ResidueName]
    ligand: list[ResidueName]
    rank: int = 1

    @property
    def color(self) -> str:
        """Colour of the site by its rank; PyMOL and ChimeraX know the names."""
        return _COLORS[(self.rank - 1) % len(_COLORS)]

    def by_chain(self, residues: list[ResidueName]) -> Iterator[tuple[str, list[str]]]:
        """Yield (chain, numbers) in file order."""
        chains: dict[str, list[str]] = {}
        for residue in residues:
            chains.setdefault(residue.chain, []).append(residue.number_text)
        yield from chains.items()


def _scene(record: Record, item: ScienceObject) -> _Scene:
    site = site_residues(record, item)
    name = _UNSAFE.sub("_", record.id).replace(".", "_").replace("-", "_") or "structure"
    rank = record.scores.get("rank")
    number = rank.get("value") if isinstance(rank, dict) else None
    ligand = _ligand_residues(record.source.get("ligand"))
    path = source_path(record)
    if _COMMANDS.search(str(path)):
        raise OutputError(
            f"{one_line(record.id)}: the name of its structure has characters that viewers read as commands",
            source=one_line(str(path)),
            hint="rename the file: letters, digits, spaces and - _ . + are safe",
        )
    for residue in (*site, *ligand):
        if not _SAFE_CHAIN.fullmatch(residue.chain) or not _SAFE_NUMBER.fullmatch(residue.number_text):
            raise OutputError(
                f"{one_line(record.id)}: the name {residue.chain!r} of a chain cannot be written into a script",
                hint="write --to cif",
            )
    return _Scene(name, path, site, ligand, number if isinstance(number, int) else 1)


def _ligand_residues(ligand: Any) -> list[ResidueName]:
    if not isinstance(ligand, dict) or "chain" not in ligand:
        return []
    if members := ligand.get("residues"):
        parts = [str(member).split(":") for member in members]
        found = [(part[0], re.fullmatch(r"(-?\d+)(\w?)", part[-1])) for part in parts]
        return [ResidueName(chain, int(match[1]), match[2]) for chain, match in found if match]
    return [ResidueName(str(ligand["chain"]), int(ligand["number"]), str(ligand.get("insertion", "")))]


class _ScriptWriter(Writer):
    """A script that opens each structure once and shows the site of each record."""

    header: ClassVar[str]

    def __init__(self, stream: Stream, options: WriteOptions) -> None:
        super().__init__(stream, options)
        self._opened: dict[Path, str] = {}

    def write(self, record: Record, item: ScienceObject) -> None:
        """Write the lines of one record.

        Raises
        ------
        OutputError
            If the record has no structure, or its file is gone or has changed.
        """
        scene = _scene(record, item)
        lines = [] if self._opened else [self.header]
        if scene.path not in self._opened:
            self._opened[scene.path] = f"structure_{len(self._opened) + 1}"
            lines += self.open(scene.path, self._opened[scene.path])
        lines += [f"# {one_line(record.id)}", *self.show(scene, self._opened[scene.path])]
        self.stream.write("\n".join(lines) + "\n")

    @abstractmethod
    def open(self, path: Path, name: str) -> list[str]:
        """Return the lines that open a file under a name."""

    @abstractmethod
    def show(self, scene: _Scene, name: str) -> list[str]:
        """Return the lines that show a site of an opened structure."""


class PymolWriter(_ScriptWriter):
    """PyMOL script: a selection for each site and each ligand, the site in orange."""

    suffixes: ClassVar[tuple[str, ...]] = (".pml",)
    header = "# PyMOL script written by logos: run it with  pymol SCRIPT.pml"

    def open(self, path: Path, name: str) -> list[str]:
        """Return the ``load`` line and the common style."""
        return [f"load {path}, {name}", f"hide everything, {name}", f"show cartoon, {name}", f"color gray80, {name}"]

    def show(self, scene: _Scene, name: str) -> list[str]:
        """Return selections and colours."""
        lines = []
        if scene.site:
            lines += [
                f"select site_{scene.name}, {self._selection(scene, scene.site, name)}",
                f"show sticks, site_{scene.name}",
                f"color {scene.color}, site_{scene.name}",
            ]
        if scene.ligand:
            lines += [
                f"select ligand_{scene.name}, {self._selection(scene, scene.ligand, name)}",
                f"show sticks, ligand_{scene.name}",
                f"color green, ligand_{scene.name} and elem C",
                f"zoom ligand_{scene.name}, 8",
            ]
        return [*lines, "deselect"]

    @staticmethod
    def _selection(scene: _Scene, residues: list[ResidueName], name: str) -> str:
        parts = []
        for chain, numbers in scene.by_chain(residues):
            # PyMOL reads an unescaped minus sign as a range
            listed = "+".join(number.replace("-", "\\-") for number in numbers)
            parts.append(f'(chain "{chain}" and resi {listed})')
        return f"{name} and ({' or '.join(parts)})"


class ChimeraxWriter(_ScriptWriter):
    """ChimeraX commands: the site in orange sticks, the ligand in green, a named selection for each."""

    suffixes: ClassVar[tuple[str, ...]] = (".cxc",)
    header = "# ChimeraX commands written by logos: open the file with ChimeraX"

    def open(self, path: Path, name: str) -> list[str]:
        """Return the ``open`` line and the common style."""
        return [f'open "{path}" name {name}', f'cartoon ##name="{name}"', f'color ##name="{name}" light gray']

    def show(self, scene: _Scene, name: str) -> list[str]:
        """Return named selections and colours."""
        lines = []
        for kind, residues, color in (("site", scene.site, scene.color), ("ligand", scene.ligand, "green")):
            if residues:
                spec = "".join(f"/{chain}:{','.join(numbers)}" for chain, numbers in scene.by_chain(residues))
                spec = f'(##name="{name}" & {spec})'
                lines += [
                    f"name {kind}_{scene.name} {spec}",
                    f"show {spec} atoms",
                    f"style {spec} stick",
                    f"color {spec} {color}",
                ]
        if scene.ligand:
            lines.append(f"view ligand_{scene.name}")
        return lines
