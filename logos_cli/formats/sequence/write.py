"""Write proteins as GenBank and EMBL records; the residues of a binding site are features."""

from __future__ import annotations

from typing import ClassVar

from logos_cli.errors import UsageError
from logos_cli.formats.base import Writer
from logos_cli.io.visible import visible
from logos_cli.objects.antibody import Antibody
from logos_cli.objects.base import ScienceObject
from logos_cli.objects.complex import Complex
from logos_cli.objects.protein import Protein
from logos_cli.records import Record

_NAME_LENGTH = 16


class _AnnotatedWriter(Writer):
    """Proteins, chains of antibodies, and protein chains of binding sites and complexes."""

    biopython_name: ClassVar[str]

    def write(self, record: Record, item: ScienceObject) -> None:
        """Write one record a chain."""
        if isinstance(item, Protein):
            chains = [item]
        elif isinstance(item, Antibody):
            chains = [Protein(chain) for chain in item.chains]
        elif isinstance(item, Complex):
            chains = list(item.chains)
        else:
            kind = type(item).__name__.lower()
            raise UsageError(f"a {kind} has no protein sequence", hint="write it --to smi, sdf, csv or json")
        for number, chain in enumerate(chains, 1):
            # a semicolon ends an accession of EMBL, for which Biopython has an error of its own
            name = "".join(visible(record.id).replace(";", ",").split()) or "record"
            self._write_chain(f"{name}_{number}" if len(chains) > 1 else name, record, chain)

    def _write_chain(self, name: str, record: Record, chain: Protein) -> None:
        from Bio.Seq import Seq
        from Bio.SeqFeature import SeqFeature, SimpleLocation
        from Bio.SeqRecord import SeqRecord

        description = " ".join(str(record.source.get("description", "")).split()) or "."
        written = SeqRecord(Seq(chain.sequence), id=name, name=name[:_NAME_LENGTH], description=description)
        written.annotations["molecule_type"] = "protein"
        written.features = [
            SeqFeature(SimpleLocation(place, place + 1), type="Site", qualifiers={"site_type": ["binding"]})
            for place in chain.site
        ]
        self.stream.write(written.format(self.biopython_name))


class GenBankWriter(_AnnotatedWriter):
    """GenBank (GenPept) records."""

    suffixes = (".gb", ".gbk", ".gp")
    biopython_name = "genbank"


class EmblWriter(_AnnotatedWriter):
    """EMBL records of proteins."""

    suffixes = (".embl",)
    biopython_name = "embl"
