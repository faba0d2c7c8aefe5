"""Read entries of HELM: a plain peptide is a protein, any other HELM a molecule."""

from __future__ import annotations

from logos_cli.chemistry.notes import NOT_CARRIED
from logos_cli.errors import MoleculeError
from logos_cli.formats.base import Entry, ReadOptions
from logos_cli.formats.smiles_entries import place
from logos_cli.grammar import Form
from logos_cli.objects.antibody import Antibody
from logos_cli.objects.base import ScienceObject
from logos_cli.objects.molecule import Molecule
from logos_cli.objects.protein import Protein
from logos_cli.records import Source

_MOST_CHAINS = 2


def helm_entry(text: str, entry_id: str, source: Source, options: ReadOptions) -> Entry:
    """Return the entry of one HELM.

    One chain of the 20 amino acids without further bonds is a protein, or a molecule if ``options.form`` wants one. A HELM
    with modified residues, caps, cycles or several chains is a molecule; as a protein or antibody its bonds are noted.
    """
    try:
        return Entry(entry_id, _item(text, source, options), source)
    except MoleculeError as error:
        form = options.form if options.form in (Form.PROTEIN, Form.ANTIBODY) else Form.MOLECULE
        return Entry(entry_id, None, source, error.at(place(source)), form)


def _item(text: str, source: Source, options: ReadOptions) -> ScienceObject:
    from logos_cli.chemistry.helm import read_helm

    helm = read_helm(text)
    is_plain = len(helm.chains) == 1 and not helm.connections
    wanted = options.form or (Form.PROTEIN if is_plain else Form.MOLECULE)
    if wanted not in (Form.PROTEIN, Form.ANTIBODY):
        return Molecule(helm.smiles)
    if not helm.chains:
        raise MoleculeError(
            "the HELM has monomers that are none of the 20 amino acids", hint="encode it --as molecule", text=text
        )
    if len(helm.chains) > (_MOST_CHAINS if wanted is Form.ANTIBODY else 1):
        raise MoleculeError(f"the HELM has {len(helm.chains)} chains", hint="encode it --as molecule", text=text)
    if helm.connections:
        notes = [f"{NOT_CARRIED}the bond {connection}" for connection in helm.connections]
        source["notes"] = [*source.get("notes", ()), *notes]
    return Antibody(helm.chains) if wanted is Form.ANTIBODY else Protein(helm.chains[0])
