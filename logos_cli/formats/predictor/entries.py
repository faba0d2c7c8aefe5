"""Make proteins, complexes and molecules of the jobs of structure predictors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from logos_cli.chemistry.notes import NOT_CARRIED
from logos_cli.errors import FormatError, LogosError, MoleculeError, UsageError
from logos_cli.formats.base import Entry, ReadOptions
from logos_cli.formats.predictor.definitions import component_of
from logos_cli.formats.predictor.job import Job, JobLigand
from logos_cli.grammar import Form
from logos_cli.io.ids import UniqueIds
from logos_cli.objects.antibody import Antibody
from logos_cli.objects.base import ScienceObject
from logos_cli.objects.complex import Complex
from logos_cli.objects.molecule import Molecule
from logos_cli.objects.protein import Protein
from logos_cli.records import Source
from logos_cli.records.parts import LigandSource

if TYPE_CHECKING:
    from rdkit import Chem

_MOST_CHAINS = 2
_FEWEST_HEAVY_ATOMS = 5
"""A ligand of fewer atoms (an ion) is left out if there is a larger one, as in structures."""
_SITE_FORMS = (Form.SITE, Form.EXPANDED, Form.TRANSFORMATION)


@dataclass(frozen=True, slots=True)
class _Chain:
    """One copy of a protein."""

    id: str
    protein: Protein


@dataclass(frozen=True, slots=True)
class _Ligand:
    """A ligand with its SMILES and their origin (``file``, ``chem_comp``, ``ccd``), or the reason why it has none."""

    entity: JobLigand
    smiles: str = ""
    origin: str = ""
    error: LogosError | None = None

    @property
    def n_heavy_atoms(self) -> int:
        if self.error is not None:
            return 0
        from logos_cli.chemistry.smiles import parse_smiles

        return int(parse_smiles(self.smiles).GetNumHeavyAtoms())


def job_entries(job: Job, options: ReadOptions, source: Source, name: str, ids: UniqueIds) -> Iterator[Entry]:
    """Yield the entries of one job.

    Each ligand gives a complex with all protein chains; without ligands each chain is a protein, without proteins each
    ligand is a molecule. ``options.form`` may select either alone.

    Parameters
    ----------
    name : str
        Name of the job, for ids.
    """
    base = "_".join((job.name or name).split())
    form = options.form or Form.COMPLEX
    try:
        if job.error is not None:
            raise job.error
        notes = [*job.notes]
        chains = _chains(job, options, notes)
        ligands = _ligands(job, options, notes)
    except LogosError as error:
        yield Entry(ids.take(base), None, source, error.at(str(source.get("path", name))), form)
        return
    own: Source = {**source, "notes": notes} if notes else source
    is_sequence = options.form in (Form.PROTEIN, Form.ANTIBODY, Form.SEARCH)
    if options.form is Form.MOLECULE or (ligands and not chains and not is_sequence):
        yield from _molecules(ligands, own, base, ids)
    elif chains and (is_sequence or not ligands):
        yield from _sequences(chains, options, own, base, ids)
    elif chains:
        yield from _complexes(job, chains, ligands, options, own, (base, ids))
    else:
        what = "protein" if is_sequence else "protein and no ligand"
        absent = FormatError(
            f"the job has no {what}", hint="nucleic acids and glycans have no sentence", source=own.get("path")
        )
        yield Entry(ids.take(base), None, own, absent, form)


def _chains(job: Job, options: ReadOptions, notes: list[str]) -> list[_Chain]:
    """Return the protein chains to keep, with the residues of the pocket; note the other polymers.

    Raises
    ------
    LogosError
        If a sequence has a letter that is not a residue, a position is not in its chain, or a chain of the options is absent.
    """
    from logos_cli.structure.sequences import clean_sequence

    found: list[_Chain] = []
    for polymer in job.polymers:
        listed = ", ".join(polymer.ids)
        if polymer.kind != "protein":
            notes.append(f"{NOT_CARRIED}the {polymer.kind} {listed} of {len(polymer.sequence)} letters")
            continue
        sequence, changes = clean_sequence([(1, polymer.sequence)], f"the protein {listed}")
        notes += changes
        for position, code in polymer.modifications:
            if position > len(sequence):
                raise FormatError(f"the protein {listed} has no residue {position} to be {code}")
            letter = sequence[position - 1]
            notes.append(f"{NOT_CARRIED}{code} at residue {position} of {listed}, which is written {letter}")
        found += [_Chain(id, Protein(sequence, _site(job, id, len(sequence)))) for id in polymer.ids]
    if unknown := sorted(set(options.chains) - {chain.id for chain in found}):
        raise UsageError(f"the job has no protein chain {unknown[0]!r}", hint=f"it has {_listed(c.id for c in found)}")
    return [chain for chain in found if not options.chains or chain.id in options.chains]


def _site(job: Job, chain: str, length: int) -> tuple[int, ...]:
    site = sorted(job.pocket.get(chain, ()))
    if site and site[-1] > length:
        raise FormatError(f"the pocket has residue {site[-1]} of {chain}, which has {length} residues")
    return tuple(position - 1 for position in site)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def _ligands(job: Job, options: ReadOptions, notes: list[str]) -> list[_Ligand]:
    """Return the ligands that the options select, each with its SMILES; note components that the job defines anew.

    Raises
    ------
    UsageError
        If ``options.ligand`` names no ligand of the job.
    """
    wanted = options.ligand
    entities = [each for each in job.ligands if wanted is None or wanted in (*each.ids, each.name)]
    if wanted is not None and not entities:
        names = _listed(f"{each.ids[0]} ({each.name})" for each in job.ligands)
        raise UsageError(f"the job has no ligand {wanted!r}", hint=f"it has {names}")
    found = []
    for entity in entities:
        try:
            found.append(_Ligand(entity, *_smiles(entity, job, notes)))
        except LogosError as error:
            found.append(_Ligand(entity, error=error))
    if wanted is None and any(each.n_heavy_atoms >= _FEWEST_HEAVY_ATOMS for each in found):
        return [each for each in found if each.error is not None or each.n_heavy_atoms >= _FEWEST_HEAVY_ATOMS]
    return found


def _smiles(ligand: JobLigand, job: Job, notes: list[str]) -> tuple[str, str]:
    """Return the SMILES of a ligand and their origin."""
    from logos_cli.chemistry.smiles import checked_smiles

    if ligand.smiles:
        return checked_smiles(ligand.smiles, canonical=False), "file"
    if len(ligand.components) != 1:
        raise MoleculeError(
            f"the ligand {ligand.ids[0]} is made of {len(ligand.components)} components: {ligand.name}",
            hint="give one molecule as SMILES",
        )
    return _smiles_of_component(ligand.components[0], job, notes)


def _smiles_of_component(code: str, job: Job, notes: list[str]) -> tuple[str, str]:
    """Return the SMILES of a component that the job or the dictionary defines, and their origin."""
    from logos_cli.structure.ligand import chemistry

    component, origin, note = component_of(code, job)
    if note and note not in notes:
        notes.append(note)
    molecule = chemistry.molecule_of(component)
    if origin == "chem_comp" and not any(atom.hydrogens for atom in component.atoms):
        molecule = _with_implicit_hydrogens(molecule)
    return chemistry.to_smiles(molecule), origin


def _with_implicit_hydrogens(molecule: Chem.Mol) -> Chem.Mol:
    """Fill the valences of a definition without hydrogens, which jobs may leave out."""
    from rdkit import Chem

    from logos_cli.structure.ligand.build import sanitize

    filled = Chem.RWMol(molecule)
    for atom in filled.GetAtoms():
        atom.SetNoImplicit(False)
        atom.SetNumRadicalElectrons(0)
    sanitize(filled, "defined by the job")
    return filled


def _molecules(ligands: list[_Ligand], source: Source, base: str, ids: UniqueIds) -> Iterator[Entry]:
    for ligand in ligands:
        name = ids.take(base if len(ligands) == 1 else f"{base}:{ligand.entity.ids[0]}")
        own: Source = {**source, "ligand": _ligand_source(ligand)}
        item = None if ligand.error is not None else Molecule(ligand.smiles)
        yield Entry(name, item, own, ligand.error, Form.MOLECULE)


def _sequences(
    chains: list[_Chain], options: ReadOptions, source: Source, base: str, ids: UniqueIds
) -> Iterator[Entry]:
    """Yield each chain as a protein, or all of them as one antibody or search."""
    if options.form in (Form.ANTIBODY, Form.SEARCH):
        own: Source = {**source, "chains": [chain.id for chain in chains]}
        if options.form is Form.ANTIBODY and len(chains) > _MOST_CHAINS:
            error = UsageError(f"the job has {len(chains)} protein chains", hint="name two of them with --chain")
            yield Entry(ids.take(base), None, own, error, Form.ANTIBODY)
            return
        item: ScienceObject = (
            Antibody(tuple(chain.protein.sequence for chain in chains))
            if options.form is Form.ANTIBODY
            else Complex(tuple(chain.protein for chain in chains))
        )
        yield Entry(ids.take(base), item, own)
        return
    for chain in chains:
        name = ids.take(base if len(chains) == 1 else f"{base}:{chain.id}")
        yield Entry(name, Protein(chain.protein.sequence), {**source, "chains": [chain.id]})


def _complexes(
    job: Job,
    chains: list[_Chain],
    ligands: list[_Ligand],
    options: ReadOptions,
    source: Source,
    naming: tuple[str, UniqueIds],
) -> Iterator[Entry]:
    """Yield a complex for each ligand; its site is the pocket in the job."""
    base, ids = naming
    for ligand in ligands:
        entity = ligand.entity
        own: Source = {**source, "chains": [chain.id for chain in chains], "ligand": _ligand_source(ligand)}
        notes = [*source.get("notes", ()), *_beside(job, entity)]
        is_binder = job.binder in entity.ids
        proteins = tuple(chain.protein if is_binder else Protein(chain.protein.sequence) for chain in chains)
        has_site = any(protein.site for protein in proteins)
        name = ids.take(base if len(ligands) == 1 else f"{base}:{entity.ids[0]}")
        error = ligand.error
        if error is None and not has_site:
            if options.form in _SITE_FORMS:
                error = FormatError("the job states no pocket", hint="encode it as a complex: --as complex")
            else:
                notes.append("no site is known: level 1")
        if notes:
            own["notes"] = notes
        item = Complex(proteins, ligand.smiles) if error is None else None
        form = Form.COMPLEX if options.form is None else options.form
        yield Entry(name, item, own, error, form, level=None if has_site else 1)


def _beside(job: Job, ligand: JobLigand) -> Iterator[str]:
    """Yield notes on the copies of a ligand and on the other ligands."""
    if len(ligand.ids) > 1:
        yield f"{NOT_CARRIED}{len(ligand.ids)} copies of the ligand: {', '.join(ligand.ids)}"
    others = [f"{other.name} ({', '.join(other.ids)})" for other in job.ligands if other is not ligand]
    if others:
        yield f"{NOT_CARRIED}other ligands: {', '.join(others)}"


def _ligand_source(ligand: _Ligand) -> LigandSource:
    entity = ligand.entity
    origin = ligand.origin or ("ccd" if entity.components else "file")
    found: LigandSource = {"chain": entity.ids[0], "origin": origin}
    if entity.components:
        found["component"] = entity.name
    if ligand.smiles:
        found["smiles"] = ligand.smiles
    return found
