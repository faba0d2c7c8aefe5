"""Read and write macromolecular structures: PDB, mmCIF, BinaryCIF and mmJSON."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from logos_cli.formats.base import Entry, Format, ReadOptions, Writer
from logos_cli.io.input import Input
from logos_cli.structure.kinds import is_mmjson, is_pdbqt, is_pqr

_PDB_ATOM = re.compile(rb"^(?:ATOM[ \d]{2}|HETATM)[ \d*A-Za-z]{5}.{15}", re.MULTILINE | re.IGNORECASE)
_PDB_HEADER = re.compile(
    rb"\s*(?:HEADER|OBSLTE|TITLE|COMPND|SOURCE|KEYWDS|EXPDTA|AUTHOR|REVDAT|REMARK|SEQRES|CRYST1|ORIGX1|SCALE1|"
    rb"MODEL |NUMMDL|MODRES|CAVEAT|SPLIT |DBREF )[ \d]"
)
_CIF_BLOCK = re.compile(rb"^data_", re.MULTILINE | re.IGNORECASE)
_MMCIF_ITEM = re.compile(
    rb"^\s*_(?:atom_site\.(?:Cartn_|group_PDB|auth_|label_)|entry\.id|entity(?:_poly)?\.|struct(?:_asym)?\.|audit_conform\.dict|"
    rb"chem_comp(?:_atom|_bond)?\.|pdbx_\w+\.|database_2\.|citation\.id)",
    re.MULTILINE,
)


class StructureFormat(Format):
    """Proteins with and without ligands.

    Each relevant ligand gives a complex with the chains that line it; a structure without such a ligand gives its
    protein chains.
    """

    name = "structure"
    suffixes = (".pdb", ".ent", ".pdb1", ".cif", ".mmcif", ".bcif", ".mmjson", ".pdbx")
    is_list = False

    def sniff(self, head: bytes) -> float:
        """Recognise ATOM lines or PDB headers, items of the mmCIF dictionary, or the keys of BinaryCIF and mmJSON."""
        if head[:1] and head[0] & 0xF0 == 0x80 and (b"dataBlocks" in head or b"encoder" in head):
            return 0.99
        if is_mmjson(head):
            return 0.97
        if _CIF_BLOCK.search(head):
            return 0.95 if _MMCIF_ITEM.search(head) else 0.0
        if _PDB_ATOM.search(head):
            return 0.0 if is_pdbqt(head) or is_pqr(head) else 0.95
        return 0.9 if _PDB_HEADER.match(head) else 0.0

    def read(self, source: Input, options: ReadOptions) -> Iterator[Entry]:
        """Yield one entry a ligand, or one a chain."""
        from logos_cli.formats.structure.file import read

        return read(source, options)

    def not_carried(self, entry: Entry) -> list[str]:
        """List what the sentence leaves out: coordinates, numbers, waters, other conformers."""
        atoms, waters = entry.source.get("atoms"), entry.source.get("waters")
        if atoms is None:
            return []
        found = [f"coordinates, occupancies and B-factors of {atoms:,} atoms", "residue numbers (in source.residues)"]
        if waters:
            found.append(f"{waters:,} waters")
        if entry.source.get("ligand"):
            found.append("the position of the ligand, other ligands and ions")
        return found + [note for note in entry.source.get("notes", ()) if "alternative" in note or "models" in note]

    def writers(self) -> Mapping[str, type[Writer]]:
        """Return the writers of structures, of viewer scripts that show the site, and of ranked sites."""
        from logos_cli.formats.structure.write import ChimeraxWriter, CifWriter, PymolWriter
        from logos_cli.formats.structure.write_sites import P2RankResiduesWriter, P2RankWriter, SiteCifWriter

        return {
            "cif": CifWriter,
            "cif-sites": SiteCifWriter,
            "cxc": ChimeraxWriter,
            "pml": PymolWriter,
            "p2rank": P2RankWriter,
            "p2rank-residues": P2RankResiduesWriter,
        }


PLUGIN = StructureFormat()
