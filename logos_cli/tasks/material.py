"""Metal-organic frameworks, from nothing or with a given metal node."""

from __future__ import annotations

from logos_cli.engine.sampling import Sampling
from logos_cli.errors import MoleculeError
from logos_cli.grammar import Form, Sentence
from logos_cli.grammar.constrain import grammar
from logos_cli.grammar.spec import Kind
from logos_cli.objects.base import ScienceObject
from logos_cli.objects.material import Material
from logos_cli.objects.molecule import Molecule
from logos_cli.tasks.base import OpenSentence, Task


class MaterialTask(Task):
    """Designs linkers, and the metal node too unless it is given."""

    name = "material"
    help = "A metal-organic framework: metal node and linkers."
    details = "From nothing, or the linkers for a metal node."
    prompts = "the SMILES of a metal node, or a framework whose node to take"
    examples = (
        "logos generate material -n 20",
        "logos generate material '[O-2].[Zn+2]' -n 20",
    )
    form = Form.MATERIAL
    preset = Sampling(temperature=1.2, top_p=0.85, repetition_penalty=1.05)

    def from_nothing(self) -> OpenSentence:
        """Return the opening tag."""
        return self.from_beginning(Kind.MATERIAL.start)

    def from_object(self, item: ScienceObject, level: int | None = None) -> OpenSentence:  # noqa: ARG002
        """Take the metal node of a framework, or a molecule as one."""
        if isinstance(item, Material):
            return self.from_payload(item.metal)
        if isinstance(item, Molecule):
            return self.from_payload(item.smiles)
        raise self.refuse(item)

    def from_beginning(self, text: str) -> OpenSentence:
        """Take an open material block."""
        return OpenSentence(text, grammar("material"), end=Kind.MATERIAL.end)

    def from_payload(self, text: str) -> OpenSentence:
        """Take the SMILES of a metal node."""
        return self.from_beginning(f"{Kind.MATERIAL.start}{Kind.METAL.start}{text}{Kind.METAL.end}")

    def judge(self, sentence: Sentence) -> str:
        """Return node and canonical linkers, sorted; the node holds a metal, RDKit accepts the linkers."""
        from logos_cli.formats._smiles import canonical_smiles

        metal, *linkers = (block.payload for block in sentence.left[0].blocks)
        _check_node(metal)
        return "/".join((metal, *sorted(map(canonical_smiles, linkers))))


def _check_node(smiles: str) -> None:
    """Refuse a node that is no SMILES or has no metal; RDKit's rules of valence are not for nodes."""
    from rdkit import Chem, rdBase
    from rdkit.Chem import rdqueries

    with rdBase.BlockLogs():
        node = Chem.MolFromSmiles(smiles, sanitize=False)
    if node is None:
        raise MoleculeError(f"the metal node {smiles} is no SMILES")
    if not node.GetAtomsMatchingQuery(rdqueries.MAtomQueryAtom()):
        raise MoleculeError(f"the metal node {smiles} holds no metal")


PLUGIN = MaterialTask()
