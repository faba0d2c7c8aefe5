"""Scores of antibodies: designs of trastuzumab's loops, counted by hand."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from logos_cli.backends.base import LoadOptions
from logos_cli.errors import GrammarError, InputError, MissingError, ModelError, is_out_of_memory
from logos_cli.evaluators.antibodies.designs import AMINO_ACIDS, framework, pseudo_log_likelihood, recovery
from logos_cli.evaluators.antibodies.plugin import PLUGIN
from logos_cli.evaluators.base import Context, Need, Subject, Unavailable
from logos_cli.evaluators.reference import ReferenceSet
from logos_cli.grammar import Form, parse
from logos_cli.objects import antibody_numbering as numbering
from logos_cli.objects.antibody import Antibody
from logos_cli.objects.antibody_numbering import number_chain, number_chains
from logos_cli.objects.base import from_sentence, to_text
from logos_cli.records import Record

pytest.importorskip("anarcii")

HEAVY = (
    "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYC"
    "SRWGGDGFYAMDYWGQGTLVTVSS"
)
LIGHT = "DIQMTQSPSSLSASVGDRVTITCRASQDVNTAVAWYQQKPGKAPKLLIYSASFLYSGVPSRFSGSRSGTDFTLTISSLQPEDFATYYCQQHYTTPPTFGQGTKVEIK"
DESIGN = HEAVY.replace("SRWGGDGFYAMDY", "AKWGGDGFYAMDY").replace("GFNIKDTYIH", "GFNIKDTWIH")
OTHER = HEAVY.replace("EVQLVES", "QVQLQES")
CHEAP = [
    metric.name
    for metric in (*PLUGIN.metrics, *PLUGIN.summary_metrics)
    if not {Need.MODEL, Need.REQUEST} & set(metric.needs)
]


def subject(*chains: str) -> Subject:
    item = Antibody(chains)
    return Subject(Record("x", "antibody", to_text(item)), item, Form.ANTIBODY)


def malformed(text: str) -> Subject:
    try:
        return Subject(Record("x", "antibody", text), from_sentence(parse(text)), Form.ANTIBODY)
    except GrammarError as error:
        return Subject(Record("x", "antibody", text), None, Form.ANTIBODY, error)


def with_h3(loop: str) -> str:
    return HEAVY.replace("WGGDGFYAMDY", loop)


@pytest.fixture(scope="module", autouse=True)
def _numbered() -> None:
    """Number the chains together, which takes a third of the time; the results stay in memory."""
    loops = ("WGGDGFYAWWW", "WGGDGFMDY", "WGGDGFYAMDW", "AAAAA")
    number_chains([HEAVY, LIGHT, "A" * 120, DESIGN, OTHER, *map(with_h3, loops)])


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Context:
    path = tmp_path_factory.mktemp("truth") / "natives.jsonl"
    path.write_text(subject(HEAVY, LIGHT).record.to_json() + "\n" + subject(HEAVY).record.to_json() + "\n")
    context = Context(truth=ReferenceSet(str(path)))
    PLUGIN.prepare(CHEAP, context)
    return context


def test_a_pair_has_its_chains_and_loops() -> None:
    values = PLUGIN.score(subject(HEAVY, LIGHT), CHEAP, Context())
    assert values["antibody_numbered"] is True
    assert values["chain_types"] == "H/K"
    assert values["cdr_h3"] == "WGGDGFYAMDY"
    assert (values["length_h3"], values["length_l3"]) == (11, 9)
    assert isinstance(values["numbering_score"], float)


def test_what_does_not_number_has_a_reason_and_no_loops() -> None:
    values = PLUGIN.score(subject(HEAVY, "A" * 120), CHEAP, Context())
    assert values["antibody_numbered"] is False
    assert isinstance(values["cdr_h3"], Unavailable)
    assert values["cdr_h3"].reason.startswith("chain 2 does not number as an antibody")
    single = PLUGIN.score(subject(HEAVY), CHEAP, Context())
    assert isinstance(single["cdr_l1"], Unavailable)
    assert single["cdr_l1"].reason == "there is no light chain"
    twice = PLUGIN.score(subject(HEAVY, HEAVY), CHEAP, Context())
    assert twice["antibody_numbered"] is False, "two heavy chains are no pair"


def test_recovery_by_hand(truth: Context) -> None:
    same = PLUGIN.score(subject(HEAVY, LIGHT), CHEAP, truth)
    assert (same["recovery_h3"], same["recovery_l2"], same["length_match_h3"]) == (1.0, 1.0, True)
    three_other = PLUGIN.score(subject(with_h3("WGGDGFYAWWW"), LIGHT), CHEAP, truth)
    assert three_other["recovery_h3"] == pytest.approx(8 / 11)
    assert three_other["recovery_h1"] == 1.0
    shorter = PLUGIN.score(subject(with_h3("WGGDGFMDY"), LIGHT), CHEAP, truth)
    assert shorter["length_match_h3"] is False
    assert isinstance(shorter["recovery_h3"], float)
    # 95-100 are WGGDGF, 101 and 102 DY in both; 100A to 100C hold Y, A, M in the native and M alone in the design
    assert shorter["recovery_h3"] == pytest.approx(8 / 11)


def test_loops_of_any_scheme_may_change_and_the_native_is_found(truth: Context) -> None:
    """IMGT's H3 begins two residues before Chothia's, its H1 ends after it."""
    values = PLUGIN.score(subject(DESIGN, LIGHT), CHEAP, truth)
    assert values["recovery_h3"] == 1.0
    other = PLUGIN.score(subject(OTHER, LIGHT), CHEAP, truth)
    assert isinstance(other["recovery_h3"], Unavailable)
    assert "framework" in other["recovery_h3"].reason
    single = PLUGIN.score(subject(with_h3("WGGDGFYAMDW")), CHEAP, truth)
    assert single["recovery_h3"] == pytest.approx(10 / 11), "a heavy chain alone is another right answer"


def test_frameworks_and_recovery_of_the_domains_themselves() -> None:
    native, design = number_chain(HEAVY, "chothia"), number_chain(with_h3("WGGDGFYAMDW"), "chothia")
    assert recovery(native, design, "H3") == pytest.approx(10 / 11)
    assert recovery(native, number_chain(LIGHT, "chothia"), "H3") is None
    kept = framework([number_chain(LIGHT), number_chain(HEAVY)])
    assert kept == framework([number_chain(with_h3("AAAAA")), number_chain(LIGHT)])
    assert kept.startswith("EVQLVESGGG")


def test_rates_of_a_set_count_malformed_answers() -> None:
    subjects = [
        subject(HEAVY),
        subject(HEAVY),
        subject(with_h3("WGGDGFYAMDW")),
        subject("A" * 120),
        malformed("<AntibodyS>EVQL"),
    ]
    observed = [PLUGIN.observe(each, Context()) for each in subjects]
    found = PLUGIN.summarise([each for each in observed if each], CHEAP, Context())
    assert (found["antibody_rate"].value, found["antibody_rate"].n) == (0.6, 5)
    assert found["h3_unique_rate"].value == pytest.approx(2 / 3)


def test_pseudo_log_likelihood_of_a_known_distribution() -> None:
    """A model of independent residues: the conditional of a place is its own distribution."""
    shares = {letter: (index + 1) / 210 for index, letter in enumerate(AMINO_ACIDS)}

    def totals(texts: Sequence[str]) -> list[float]:
        return [sum(math.log(shares[letter]) for letter in text) for text in texts]

    expected = (math.log(shares["C"]) + math.log(shares["Y"])) / 2
    assert pseudo_log_likelihood("ACDY", [1, 3], totals) == pytest.approx(expected)
    assert pseudo_log_likelihood("ACDY", [0], lambda texts: [0.0] * len(texts)) == pytest.approx(-math.log(20))


def test_likelihood_by_the_embedded_model() -> None:
    context = Context(load=LoadOptions())
    PLUGIN.prepare(["own_logp_h3"], context)
    values = PLUGIN.score(subject(HEAVY), ["own_logp_h3", "own_logp_l3"], context)
    value = values["own_logp_h3"]
    assert isinstance(value, float)
    assert -6.0 < value < 0.0
    assert isinstance(values["own_logp_l3"], Unavailable)
    second = PLUGIN.score(subject(LIGHT, HEAVY), ["own_logp_h3"], context)["own_logp_h3"]
    assert isinstance(second, float)


def test_without_anarcii_the_reason_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "anarcii", None)
    numbering._anarcii.cache_clear()
    monkeypatch.setattr(numbering, "_NUMBERED", {})
    values = PLUGIN.score(subject(HEAVY), CHEAP, Context())
    assert isinstance(values["antibody_numbered"], Unavailable)
    assert "pip install" in values["antibody_numbered"].reason
    seen = PLUGIN.observe(subject(HEAVY), Context())
    figure = PLUGIN.summarise([seen], ["antibody_rate"], Context())["antibody_rate"]
    assert figure.value is None
    assert figure.reason == values["antibody_numbered"].reason


def test_lack_of_memory_for_anarcii_is_no_property_of_an_antibody(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(kind: str) -> None:
        try:
            raise ImportError("libtorch.so: cannot map zero-fill pages")
        except ImportError as error:
            raise MissingError("numbering antibodies needs ANARCII", hint="pip install anarcii") from error

    monkeypatch.setattr(numbering, "_anarcii", load)
    monkeypatch.setattr(numbering, "_NUMBERED", {})
    with pytest.raises(MissingError) as caught:
        PLUGIN.score(subject(HEAVY), CHEAP, Context())
    assert is_out_of_memory(caught.value)


def test_right_answers_that_do_not_number_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "none.jsonl"
    path.write_text(subject("A" * 120).record.to_json() + "\n")
    with pytest.raises(InputError, match="numbers as an antibody"):
        PLUGIN.prepare(["recovery_h3"], Context(truth=ReferenceSet(str(path))))


def test_plausibility_is_that_of_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mean over the chain is the package's own pseudo-log-likelihood, whose definition masks each residue."""
    import torch
    from transformers import BertForMaskedLM

    from logos_cli.evaluators.antibodies.antiberty import MOST_RESIDUES, load_antiberty

    model = load_antiberty()
    chain = "EVQLVESGGGLVQPG"
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"ACDEFGHIKLMNPQRSTVWY"]
    network = model._model
    assert isinstance(network, BertForMaskedLM)
    logps = []
    for place, letter in enumerate(chain):
        tokens = ["[CLS]", *chain[:place], "[MASK]", *chain[place + 1 :], "[SEP]"]
        with torch.inference_mode():
            logits = network(torch.tensor([[names.index(token) for token in tokens]])).logits[0, place + 1]
        logps.append(logits.log_softmax(-1)[names.index(letter)].item())
    assert model.residue_logps(chain) == pytest.approx(logps, abs=1e-4)
    with pytest.raises(ModelError, match="at most 510 residues"):
        model.residue_logps("E" * (MOST_RESIDUES + 1))

    load_antiberty.cache_clear()
    monkeypatch.setattr("logos_cli.evaluators.antibodies.antiberty.find_spec", lambda _name: None)
    missing = PLUGIN.score(subject(HEAVY), ["plausibility_heavy"], Context())["plausibility_heavy"]
    assert isinstance(missing, Unavailable)
    assert "logos-cli[plausibility]" in missing.reason


@pytest.mark.slow
def test_plausibility_of_loops_and_of_whole_chains() -> None:
    from logos_cli.evaluators.antibodies.antiberty import load_antiberty

    model = load_antiberty()
    values = PLUGIN.score(subject(HEAVY), ["plausibility_h3", "plausibility_light"], Context())
    loop = values["plausibility_h3"]
    assert isinstance(loop, float)
    start = HEAVY.index("WGGDGFYAMDY")
    assert loop == pytest.approx(model.residue_logps(HEAVY, range(start, start + 11)).mean(), abs=1e-4)
    assert -1.5 < loop < model.residue_logps(HEAVY, range(20)).mean() < -0.1  # the loop varies most
    assert isinstance(values["plausibility_light"], Unavailable)
    part = HEAVY[35:]  # the time grows with the square of the length
    heavy = PLUGIN.score(subject(part), ["plausibility_heavy"], Context())["plausibility_heavy"]
    assert isinstance(heavy, float)
    assert -1.5 < heavy < -0.1
