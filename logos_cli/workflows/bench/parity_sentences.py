"""Default sentences for the comparison of models: well-known objects in every form."""

from __future__ import annotations

from logos_cli.grammar.spec import Kind, Operator


def _block(kind: Kind, *payload: str) -> str:
    return f"{kind.start}{''.join(payload)}{kind.end}"


def _pocket(residues: str) -> str:
    return _block(Kind.POCKET, residues)


_UBIQUITIN = "MQIFVKTLTGKTITLEVEPSDTIENVKAKIQDKEGIPPDQQRLIFAGKQLEDGRTLSDYNIQKESTLHLVLRLRGG"
_LYSOZYME = (
    "KVFGRCELAAAMKRHGLDNYRGYSLGNWVCAAKFESNFNTQATNRNTDGSTDYGILQINSRWWCNDGRTPGSRNLCNIPCSALLSSDITASVNCAKKIVSDGNGMN"
    "AWVAWRNRCKGTDVQAWIRGCRL"
)
_CRAMBIN = "TTCCPSIVARSNFNVCRLPGTPEALCATYTGCIIIPGATCPGDYAN"
_INSULIN_B = "FVNQHLCGSHLVEALYLVCGERGFFYTPKT"
_TRASTUZUMAB_HEAVY = (
    "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYA"
    "MDYWGQGTLVTVSS"
)
_TRASTUZUMAB_LIGHT = (
    "DIQMTQSPSSLSASVGDRVTITCRASQDVNTAVAWYQQKPGKAPKLLIYSASFLYSGVPSRFSGSRSGTDFTLTISSLQPEDFATYYCQQHYTTPPTFGQGTKVEIK"
)
_ASPIRIN, _SALICYLIC_ACID, _ACETIC_ANHYDRIDE = ("CC(=O)Oc1ccccc1C(=O)O", "O=C(O)c1ccccc1O", "CC(=O)OC(C)=O")
_MOLECULES = (
    _ASPIRIN,
    "Cn1c(=O)c2c(ncn2C)n(C)c1=O",
    "CC(C)Cc1ccc(C(C)C(=O)O)cc1",
    "CC(=O)Nc1ccc(O)cc1",
    "Cc1ccc(NC(=O)c2ccc(CN3CCN(C)CC3)cc2)cc1Nc1nccc(-c2cccnc2)n1",
    "CC1(C)S[C@@H]2[C@H](NC(=O)Cc3ccccc3)C(=O)N2[C@H]1C(=O)O",
)
_GLUCOSAMINE = "CC(=O)N[C@H]1C(O)O[C@H](CO)[C@@H](O)[C@@H]1O"


def _tagged(sequence: str, places: tuple[int, ...]) -> str:
    """Return a protein with tags around the residues at some positions, counted from 0."""
    return _block(Kind.PROTEIN, *(_pocket(one) if place in places else one for place, one in enumerate(sequence)))


SENTENCES: tuple[str, ...] = (
    *(_block(Kind.PROTEIN, one) for one in (_UBIQUITIN, _LYSOZYME, _CRAMBIN, _INSULIN_B)),
    _block(Kind.ANTIBODY, _TRASTUZUMAB_HEAVY) + _block(Kind.ANTIBODY, _TRASTUZUMAB_LIGHT),
    *(_block(Kind.MOLECULE, one) for one in _MOLECULES),
    _tagged(_LYSOZYME, (34, 51, 56, 58, 61, 62, 100, 106, 107)),
    _block(Kind.PROTEIN, _CRAMBIN) + Operator.SEARCH.value + _tagged(_CRAMBIN, (6, 9, 22, 33)),
    _block(Kind.PROTEIN, _LYSOZYME) + _block(Kind.MOLECULE, _GLUCOSAMINE),
    _tagged(_UBIQUITIN, (7, 43, 67, 69)) + _block(Kind.MOLECULE, _MOLECULES[3]),
    _block(
        Kind.MATERIAL,
        _block(Kind.METAL, "[Zn][O]([Zn])([Zn])[Zn]"),
        _block(Kind.MOLECULE, "O=C([O-])c1ccc(C(=O)[O-])cc1"),
    ),
    _block(Kind.MOLECULE, _SALICYLIC_ACID)
    + _block(Kind.MOLECULE, _ACETIC_ANHYDRIDE)
    + Operator.REACT.value
    + _block(Kind.MOLECULE, _ASPIRIN),
    _block(Kind.MOLECULE, _ASPIRIN)
    + Operator.REVERSE_REACT.value
    + _block(Kind.MOLECULE, _SALICYLIC_ACID)
    + _block(Kind.MOLECULE, _ACETIC_ANHYDRIDE),
    _block(Kind.MOLECULE, "Brc1ccccc1")
    + _block(Kind.MOLECULE, "OB(O)c1ccccc1")
    + Operator.REACT.value
    + _block(Kind.MOLECULE, "c1ccc(-c2ccccc2)cc1"),
)
"""Ubiquitin, lysozyme, crambin, insulin, trastuzumab, six drugs, sites, a search, complexes, MOF-5, reactions."""
