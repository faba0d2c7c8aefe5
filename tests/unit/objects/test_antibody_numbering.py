"""Regions of antibodies, against trastuzumab's published CDRs and the annotations of the shared records."""

from __future__ import annotations

import json
import lzma
import sys
from itertools import islice, pairwise
from pathlib import Path

import pytest

from logos_cli.errors import InputError, MissingError, UsageError
from logos_cli.objects import antibody_numbering as numbering
from logos_cli.objects.antibody_numbering import Scheme, domains_of, number_chain, number_chains, regions
from logos_cli.tasks.design.cdr import plan_design

HEAVY = (
    "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYC"
    "SRWGGDGFYAMDYWGQGTLVTVSS"
)
LIGHT = "DIQMTQSPSSLSASVGDRVTITCRASQDVNTAVAWYQQKPGKAPKLLIYSASFLYSGVPSRFSGSRSGTDFTLTISSLQPEDFATYYCQQHYTTPPTFGQGTKVEIK"
LYSOZYME = (
    "KVFGRCELAAAMKRHGLDNYRGYSLGNWVCAAKFESNFNTQATNRNTDGSTDYGILQINSRWWCNDGRTPGSRNLCNIPCSALLSSDITASVNCAKK"
    "IVSDGNGMNAWVAWRNRCKGTDVQAWIRGCRL"
)
TRASTUZUMAB = {
    Scheme.IMGT: ("GFNIKDTY", "IYPTNGYT", "SRWGGDGFYAMDY", "QDVNTA", "SAS", "QQHYTTPPT"),
    Scheme.CHOTHIA: ("GFNIKDT", "YPTNGY", "WGGDGFYAMDY", "RASQDVNTAVA", "SASFLYS", "QQHYTTPPT"),
    Scheme.KABAT: ("DTYIH", "RIYPTNGYTRYADSVKG", "WGGDGFYAMDY", "RASQDVNTAVA", "SASFLYS", "QQHYTTPPT"),
    Scheme.MARTIN: ("GFNIKDT", "YPTNGY", "WGGDGFYAMDY", "RASQDVNTAVA", "SASFLYS", "QQHYTTPPT"),
}

ALPHA = (
    "AQTVTQSQPEMSVQEAETVTLSCTYDTSESDYYLFWYKQPPSRQMILVIRQEAYKQQNATENRFSVNFQKAAKSFSLKISDSQLGDAAMYFCAYRSAVNARLMFGDGTQLVVKP"
)
BETA = (
    "NAGVTQTPKFRVLKTGQSMTLLCAQDMNHEYMYWYRQDPGMGLRLIHYSVGEGTTAKGEVPDGYNVSRLKKQNFLLGLESAAPSQTSVYFCASSYVGNTGELFFGEGSRLTVL"
)
GAMMA = (
    "SSNLEGRTKSVIRQTGSSAEITCDLAEGSTGYIHWYLHQEGKAPQRLLYYDSYTSSVVLESGISPGKYDTYGSTRKNLRMILRNLIENDSGVYYCATWDRN"
    "NKKLFGSGTTLVVT"
)
LINKER = "GGGGS" * 3
CH1 = "ASTKGPSVFPLAPSSKSTSGGTAALGCLVKDYFPEPVTVSWNSGALTSGVHTFPAVLQSSGLYSLSSVVTVPSSSLGTQTYICNVNHKPSNTKVDKKV"
HINGE_CH2 = (
    "EPKSCDKTHTCPPCPAPELLGGPSVFLFPPKPKDTLMISRTPEVTCVVVDVSHEDPEVKFNWYVDGVEVHNAKTKPREEQYNSTYRVVSVLTVLHQDWLNGKEYKCKVS"
    "NKALPAPIEKTISKAK"
)
CATTLE_H3 = "TTVHQETRKTCSDGYIAVDSCGRGQSDGCVNDCNSCYYGWRNCRRQPAIHSYEFHVDA"
CATTLE = (
    "QVQLRESGPSLVQPSQTLSLTCTASGFSLSDKAVGWVRQAPGKALEWLGSIDTGGSTGYNPGLKSRLSITKDNSKSQVSLSVSSVTTEDSATYYC"
    f"{CATTLE_H3}WGRGLLVTVSS"
)
LEADING = "MGWSCIILFLVATATGVHS" + HEAVY + "ASTKGPSVFPLAPSSKSTSGG"
ODD = HEAVY.replace("WGGDG", "WGUXG")
UNTIL_H3 = HEAVY[: HEAVY.index("FYAMDY")]
FUSED_T_CELL = f"{BETA}{LINKER}{ALPHA}"
SINGLE_FV = [(HEAVY, LIGHT), (LIGHT, HEAVY)]
WHOLE = HEAVY + CH1 + HINGE_CH2

pytest.importorskip("anarcii")


@pytest.fixture(scope="module", autouse=True)
def _numbered() -> None:
    """Number the chains together, which takes a third of the time; the results stay in memory."""
    number_chains([HEAVY, LIGHT, LYSOZYME, BETA, CATTLE, LEADING, ODD, UNTIL_H3, f"{HEAVY}{LINKER}{LIGHT}HHHHHH"])


@pytest.mark.parametrize("scheme", Scheme)
def test_the_cdrs_of_trastuzumab(scheme: Scheme) -> None:
    found = [chain[start:end] for chain in (HEAVY, LIGHT) for start, end in regions(chain, scheme).values()]
    assert tuple(found) == TRASTUZUMAB[scheme]
    assert list(regions(HEAVY, scheme)) == ["CDR-H1", "CDR-H2", "CDR-H3"]
    assert list(regions(LIGHT, scheme)) == ["CDR-L1", "CDR-L2", "CDR-L3"]


def test_regions_together_are_the_domain_wherever_it_stands_in_the_chain() -> None:
    domain = number_chain(LEADING, "chothia")
    assert (domain.start, domain.end) == (19, 19 + len(HEAVY))
    spans = sorted({**domain.cdrs, **domain.frameworks}.values())
    assert "".join(LEADING[start:end] for start, end in spans) == HEAVY
    assert all(end == start for (_, end), (start, _) in pairwise(spans))


def test_chothia_writes_insertions_with_letters() -> None:
    domain = number_chain(HEAVY, "Chothia")
    labels = dict(zip(domain.labels, HEAVY, strict=True))
    assert [labels[label] for label in ("95", "100", "100A", "100B", "100C", "101", "102")] == list("WFYAMDY")
    assert domain.chain_type == "H"
    assert domain.is_typical
    assert number_chain(LIGHT).chain_type == "K"


def test_odd_residues_are_numbered_like_any_other() -> None:
    start, end = regions(ODD)["CDR-H3"]
    assert ODD[start:end] == "SRWGUXGFYAMDY"


def test_a_cut_region_is_left_out() -> None:
    assert list(regions(UNTIL_H3)) == ["CDR-H1", "CDR-H2"]
    assert number_chain(UNTIL_H3).frameworks == {}


def test_what_does_not_number_has_its_reason() -> None:
    answers = number_chains([LYSOZYME, HEAVY, "", "heavy", LYSOZYME])
    assert answers[0] == answers[4] == "fewer than 50 residues fit a variable domain"
    assert answers[2:4] == ["it is empty", "it holds characters that are no residue letters"]
    assert not isinstance(answers[1], str)
    with pytest.raises(InputError, match="does not number as an antibody: fewer than 50") as caught:
        regions(LYSOZYME)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("chain", "name"),
    [
        (BETA, "beta"),
        *(
            pytest.param(*each, marks=pytest.mark.slow)
            for each in ((ALPHA, "alpha"), (GAMMA, "gamma"), (FUSED_T_CELL, "beta"))
        ),
    ],
)
def test_a_receptor_of_t_cells_is_named(chain: str, name: str) -> None:
    assert number_chains([chain]) == [f"it is the {name} chain of a T-cell receptor"]
    with pytest.raises(InputError, match="T-cell receptor"):
        plan_design([chain], ["H3"], "imgt", {})


def test_two_heavy_domains_are_not_designed() -> None:
    with pytest.raises(InputError, match="2 heavy chains"):
        plan_design([f"{HEAVY}{LINKER}{LIGHT}HHHHHH", HEAVY], ["H3"], "imgt", {})


@pytest.mark.parametrize(("first", "second"), [SINGLE_FV[0], pytest.param(*SINGLE_FV[1], marks=pytest.mark.slow)])
def test_both_domains_of_a_single_chain_fv(first: str, second: str) -> None:
    chain = f"{first}{LINKER}{second}HHHHHH"
    domains = domains_of(chain)
    assert [(domain.start, domain.end) for domain in domains] == [
        (0, len(first)),
        (len(first) + len(LINKER), len(chain) - 6),
    ]
    assert {domain.locus for domain in domains} == {"H", "L"}
    assert {name: chain[start:end] for name, (start, end) in regions(chain).items()} == {
        f"CDR-{name}": loop
        for name, loop in zip(("H1", "H2", "H3", "L1", "L2", "L3"), TRASTUZUMAB[Scheme.IMGT], strict=True)
    }
    design = plan_design([chain], ["H3", "L3"], "imgt", {})
    assert design.chains == (chain,)
    assert {loop.name: chain[loop.start : loop.end] for loop in design.loops} == {
        "H3": "SRWGGDGFYAMDY",
        "L3": "QQHYTTPPT",
    }
    assert [loop.start for loop in design.loops] == sorted(loop.start for loop in design.loops)


@pytest.mark.slow
def test_constant_domains_are_no_variable_ones() -> None:
    (domain,) = domains_of(WHOLE)
    assert (domain.chain_type, domain.start, domain.end) == ("H", 0, len(HEAVY))
    assert number_chains([CH1 + HINGE_CH2]) == ["fewer than 50 residues fit a variable domain"]


@pytest.mark.parametrize("scheme", Scheme)
def test_the_very_long_h3_of_cattle(scheme: Scheme) -> None:
    domain = number_chain(CATTLE, scheme)
    start, end = domain.cdrs["CDR-H3"]
    assert CATTLE[start:end] == (CATTLE_H3 if scheme is Scheme.IMGT else CATTLE_H3[2:])
    assert (domain.start, domain.end) == (0, len(CATTLE))
    assert len(set(domain.labels)) == len(CATTLE)
    if scheme is not Scheme.IMGT:
        labels = dict(zip(domain.labels, CATTLE, strict=True))
        assert [labels[label] for label in ("95", "100", "100A", "101", "102", "103")] == list("VRKDAW")


def test_what_is_kept_is_bounded_and_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numbering, "_N_KEPT", 1)
    monkeypatch.setattr(numbering, "_NUMBERED", {})
    first = number_chains([UNTIL_H3, LIGHT, UNTIL_H3], "kabat")
    assert len(numbering._NUMBERED) == 1
    assert number_chains([UNTIL_H3], "kabat") == first[:1]
    assert number_chains([], "kabat") == []


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(UsageError, match="aho") as caught:
        regions(HEAVY, "aho")
    assert "chothia" in (caught.value.hint or "")


def test_without_anarcii_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "anarcii", None)
    numbering._anarcii.cache_clear()
    monkeypatch.setattr(numbering, "_NUMBERED", {})
    with pytest.raises(MissingError, match="ANARCII") as caught:
        regions(HEAVY)
    assert "pip install" in (caught.value.hint or "")


def test_threads_of_the_process_are_left_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    try:
        numbering._anarcii.cache_clear()
        monkeypatch.setattr(numbering, "_NUMBERED", {})
        regions(UNTIL_H3, "kabat")
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)
    assert capsys.readouterr() == ("", "")


@pytest.mark.slow
def test_imgt_regions_agree_with_annotated_records(shared_data: Path) -> None:
    """CDRs that OAS and three more sources give; one whose definition of H2 is not IMGT's is left out."""
    wanted = []
    with lzma.open(shared_data / "antibodies" / "antibodies.train.jsonl.xz", "rt", encoding="utf-8") as stream:
        for row in islice(map(json.loads, stream), 0, None, 3000):
            if row["source"] != "harvey_vhh":
                wanted += [
                    (row[chain], f"CDR-{letter.upper()}{n}", row[f"cdr{letter}{n}"])
                    for chain, letter in (("heavy", "h"), ("light", "l"))
                    for n in (1, 2, 3)
                    if row[chain] and row.get(f"cdr{letter}{n}")
                ]
    domains = number_chains([chain for chain, _, _ in wanted])
    same = 0
    for (chain, name, cdr), domain in zip(wanted, domains, strict=True):
        assert not isinstance(domain, str), chain
        start, end = domain.cdrs.get(name, (0, 0))
        same += chain[start:end] == cdr
    assert len(wanted) > 40
    assert same / len(wanted) > 0.95, f"{same} of {len(wanted)}"
