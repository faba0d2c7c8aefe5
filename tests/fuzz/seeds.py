"""Small files of every kind, written here, and random edits of them."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
from functools import cache

# fmt: off
TOKENS = (
    b"\0", b"\n", b"\r\n", b"nan", b"NaN", b"inf", b"-1", b"0", b"99999999999999999999", b"1e999", b"'", b'"',
    b";", b"?", b".", b"loop_\n", b"data_", b"_atom_site.id", b"#\n", b"M  END\n", b"$$$$\n", b"V2000", b"V3000",
    b"END\n", b"TER\n", b"MODEL     1\n", b"HETATM", b"ATOM  ", b">", b">>", b"|", b":", b"[", b"]", b"(", b")",
    b"{", b"}", b"%", b"\\", b"\xff\xfe", b"\xc3", b"\x1f\x8b", b"<MoleculeS>", b"<ProteinE>", b"<PocketS>",
    b"<React>", b"<Sear", b'"text"', b"null", b"[[[[[[[[", b"C1CC", b"c1ccc", b" " * 80,
)
# fmt: on

FASTA = b">sp|P1|A first\nMKVLLAGG\nEEKKLL*\n>b|heavy\nEVQLVES\n>b|light\nDIQMTQ\n"
SMILES = b"SMILES name\nCCO ethanol\nc1ccccc1 benzene\nC[C@H](F)Cl\nCC(=O)O.OCC>[Na+]>CC(=O)OCC ester\n"
CSV = b'id,smiles,x\na,CCO,1\nb,c1ccccc1,"2,3"\n'
REACTIONS = b"class\tproduct\treactants\n1\tCN\tCBr.N\n"
STOCKHOLM = b"# STOCKHOLM 1.0\na MKT-AYIAKQRW\nb MKTLAY--KQRW\n//\n"
SWISS = (
    b"ID   TEST_HUMAN              Reviewed;          12 AA.\nAC   P12345;\nFT   CHAIN           3..12\n"
    b"SQ   SEQUENCE   12 AA;  1300 MW;  0 CRC64;\n     MKTAYIAKQR QI\n//\n"
)
JSON_ROWS = b'[{"id": "a", "heavy": "EVQL", "light": "DIQM"}, {"id": "b", "nodes": ["[Zn]"], "linkers": ["CCO"]}]'
RECORDS = (
    b'{"schema": 1, "id": "a", "kind": "molecule", "text": "<MoleculeS>CCO<MoleculeE>", "status": "ok", "scores": {}}\n'
    b'{"schema": 1, "id": "b", "kind": "site", "text": "", "status": "error", "reason": "none"}\n'
)
SENTENCES = (
    b"<ProteinS>JFDS<PocketS>S<PocketE>KJEF<PocketS>K<PocketE>KSD<ProteinE><MoleculeS>CCO<MoleculeE>\n"
    b"<MoleculeS>CBr<MoleculeE><MoleculeS>N<MoleculeE><React><MoleculeS>CN<MoleculeE>\n"
    b"<MaterialS><MetalS>[Zn]<MetalE><MoleculeS>C<MoleculeE><MaterialE>\n<ProteinS>MK<ProteinE><Search><ProteinS>MK<ProteinE>\n"
)
MOL2 = b"""@<TRIPOS>MOLECULE
x
 2 1 0 0 0
SMALL
NO_CHARGES

@<TRIPOS>ATOM
      1 C1          0.0000    0.0000    0.0000 C.3
      2 O1          1.4000    0.0000    0.0000 O.3
@<TRIPOS>BOND
     1     1     2 1
"""
PDB = b"""HEADER    HYDROLASE                               01-JAN-20   1ABC
SEQRES   1 A    3  MET LYS SER
HETNAM     LIG ETHANOL
ATOM      1  N   MET A   1       0.000   0.000   0.000  1.00 10.00           N
ATOM      2  CA  MET A   1       1.450   0.000   0.000  1.00 10.00           C
ATOM      3  C   MET A   1       2.000   1.400   0.000  1.00 10.00           C
ATOM      4  O   MET A   1       1.300   2.400   0.000  1.00 10.00           O
ATOM      5  N   LYS A   2       3.300   1.500   0.000  1.00 10.00           N
ATOM      6  CA ALYS A   2       3.900   2.800   0.000  0.50 10.00           C
ATOM      7  CA BLYS A   2       3.950   2.850   0.100  0.50 10.00           C
ATOM      8  C   LYS A   2       5.400   2.700   0.000  1.00 10.00           C
ATOM      9  N   SER A   2A      6.000   3.900   0.000  1.00 10.00           N
ATOM     10  CA  SER A   2A      7.400   4.000   0.000  1.00 10.00           C
TER      11      SER A   2A
HETATM   12  C1  EOH A 101       3.900   5.000   1.000  1.00 10.00           C
HETATM   13  C2  EOH A 101       4.900   6.000   1.300  1.00 10.00           C
HETATM   14  O   EOH A 101       6.200   5.500   1.200  1.00 10.00           O
HETATM   15  O   HOH A 201       9.200   5.500   1.200  1.00 10.00           O
CONECT   12   13
END
"""
CRYSTAL = b"""data_mof
_cell_length_a 10
_cell_length_b 10
_cell_length_c 10
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'P 1'
loop_
_symmetry_equiv_pos_as_xyz
'x,y,z'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Zn1 Zn 0 0 0 1
O1 O 0.19 0 0 1
C1 C 0.26 0.1 0 1
O2 O 0.2 0.2 0 1
C2 C 0.41 0.1 0 1.0(2)
"""
POSCAR = b"MgO\n1.0\n4.2 0 0\n0 4.2 0\n0 0 4.2\nC O\n1 1\nSelective dynamics\nDirect\n0 0 0 T T F\n0.5 0.5 0.5 T T T\n"
CSSR = b"4.2 4.2 4.2\n90 90 90 SPGR =  1 P 1    OPT = 1\n2 0\n0 CO\n1 C1 0.0 0.0 0.0\n2 O1 0.3 0.0 0.0\n"
XSF = b"CRYSTAL\nPRIMVEC\n4.2 0 0\n0 4.2 0\n0 0 4.2\nPRIMCOORD\n2 1\nC 0 0 0\nO 1.2 0 0\n"
PYMATGEN = (
    b'{"@module": "pymatgen.core.structure", "@class": "Structure", "lattice": {"matrix": [[5, 0, 0], [0, 5, 0], [0, 0, 5]]},'
    b' "sites": [{"species": [{"element": "C", "occu": 1}], "abc": [0, 0, 0]}, {"species": [{"element": "O", "occu": 1}],'
    b' "abc": [0.24, 0, 0]}]}'
)
SELFIES = b"[C][=C][C][=C][C][=C][Ring1][=Branch1] benzene\n[C][C][O] ethanol\n[O][=Cl][=Branch1][C][=O][O] acid\n"
HELM = b"PEPTIDE1{A.C.D}$$$$ a\nPEPTIDE1{A.C.[dA].C}$PEPTIDE1,PEPTIDE1,2:R3-4:R3$$$V2.0 b\nCCO c\n"
A3M = b"#4,3\t1,1\n>101\t102\nMKTAIAK\n>hit\nMKaaTA-AK\n"
ALPHAFOLD3 = (
    b'{"name": "a", "modelSeeds": [1], "sequences": [{"protein": {"id": ["A", "B"], "sequence": "MKTAYIAK", "modifications": '
    b'[{"ptmType": "SEP", "ptmPosition": 2}]}}, {"ligand": {"id": "C", "smiles": "CCO"}}, {"ligand": {"id": "D", "ccdCodes": '
    b'["MG"]}}], "dialect": "alphafold3", "version": 1}'
)
BOLTZ = (
    b"version: 1\nsequences:\n  - protein:\n      id: [A, B]\n      sequence: MKTAYIAK\n  - ligand:\n      id: C\n"
    b"      smiles: 'CCO'\nconstraints:\n  - pocket:\n      binder: C\n      contacts: [[A, 2], [B, 3]]\n"
)
CHAI = b">protein|name=A\nMKT(SEP)AY\n>ligand|name=B\nCCO\n>rna|C\nACGU\n"


@cache
def seeds() -> dict[str, bytes]:
    """Return the files by name; those that libraries write are written now."""
    import gemmi
    from rdkit import Chem
    from rdkit.Chem import AllChem

    found = {
        "fasta": FASTA,
        "smiles": SMILES,
        "csv": CSV,
        "reactions": REACTIONS,
        "json": JSON_ROWS,
        "stockholm": STOCKHOLM,
        "swiss": SWISS,
        "records": RECORDS,
        "sentences": SENTENCES,
        "mol2": MOL2,
        "pdb": PDB,
        "crystal": CRYSTAL,
        "poscar": POSCAR,
        "cssr": CSSR,
        "xsf": XSF,
        "pymatgen": PYMATGEN,
        "selfies": SELFIES,
        "helm": HELM,
        "a3m": A3M,
        "alphafold3": ALPHAFOLD3,
        "boltz": BOLTZ,
        "chai": CHAI,
    }
    structure = gemmi.read_pdb_string(PDB.decode())
    structure.setup_entities()
    found["mmcif"] = structure.make_mmcif_document().as_string().encode()
    found["mmjson"] = structure.make_mmcif_document().as_json(mmjson=True).encode()
    found |= {kind: _table(kind) for kind in ("parquet", "sqlite", "xlsx")}
    molecule = Chem.AddHs(Chem.MolFromSmiles("C[C@H](F)Cl"))
    AllChem.EmbedMolecule(molecule, randomSeed=1)
    found["sdf"] = (Chem.MolToMolBlock(molecule) + "> <ID>\nx\n\n$$$$\n").encode() * 2
    found["sdf_v3000"] = (Chem.MolToV3KMolBlock(molecule) + "$$$$\n").encode()
    reaction = AllChem.ReactionFromSmarts("[CH3:1][Br:2].[NH3:3]>[Na+]>[CH3:1][NH2:3]", useSmiles=True)
    found["rxn"] = AllChem.ReactionToRxnBlock(reaction, separateAgents=True).encode()
    found["rxn_v3000"] = AllChem.ReactionToV3KRxnBlock(reaction, separateAgents=True).encode()
    found["rdf"] = b"$RDFILE 1\n$DATM\n$RFMT $RIREG 1\n" + found["rxn"] + b"$DTYPE A\n$DATUM 1\n"
    found["gzip"] = gzip.compress(FASTA, mtime=0)
    found["bzip2"] = bz2.compress(SMILES)
    found["xz"] = lzma.compress(PDB)
    return found


def _table(kind: str) -> bytes:
    """Return a binary table of two molecules."""
    import io

    from logos_cli.formats.base import WriteOptions
    from logos_cli.objects.molecule import Molecule
    from logos_cli.records import Record
    from logos_cli.workflows.decode import writers

    stream = io.BytesIO()
    writer = writers()[kind](stream, WriteOptions())
    for smiles in ("CCO", "CCC"):
        writer.write(Record(smiles, "molecule", ""), Molecule(smiles))
    writer.close()
    return stream.getvalue()


def mutate(content: bytes, rng: random.Random) -> bytes:
    """Return the content with one to eight random edits."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 3, 5, 8))):
        at = rng.randrange(len(data) + 1)
        end = min(len(data), at + int(rng.expovariate(0.05)) + 1)
        kind = rng.randrange(8)
        if kind == 0:
            data[at : at + 1] = bytes((rng.randrange(256),))
        elif kind == 1:
            del data[at:end]
        elif kind == 2:
            data[at:at] = rng.choice(TOKENS)
        elif kind == 3:
            data[at:end] = rng.choice(TOKENS)
        elif kind == 4:
            data[at:at] = data[at:end] * rng.choice((1, 2, 50))
        elif kind == 5:
            del data[at:]
        elif kind == 6:
            _edit_line(data, rng)
        else:
            data[at:at] = mutate_number(rng)
    return bytes(data)


def mutate_number(rng: random.Random) -> bytes:
    """Return a number that readers rarely see."""
    return rng.choice(
        (b"-0", b"1e308", b"0.0000000001", b"2147483648", b"-32769", b"1.5.2", b"+", b"1_000", b"\xd9\xa3")
    )


def _edit_line(data: bytearray, rng: random.Random) -> None:
    """Drop, double, or swap a line."""
    lines = bytes(data).split(b"\n")
    at = rng.randrange(len(lines))
    kind = rng.randrange(3)
    if kind == 0:
        del lines[at]
    elif kind == 1:
        lines.insert(at, lines[at])
    else:
        other = rng.randrange(len(lines))
        lines[at], lines[other] = lines[other], lines[at]
    data[:] = b"\n".join(lines)
