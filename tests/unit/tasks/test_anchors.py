"""Designed loops that repeat what stands beside them, and designs that are numbered otherwise than designed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from logos_cli.errors import AnswerError
from logos_cli.grammar import parse
from logos_cli.grammar.constrain import free_spans
from logos_cli.grammar.spec import Kind
from logos_cli.records import Record
from logos_cli.tasks.antibody import AntibodyTask
from logos_cli.tasks.base import PromptInfo
from logos_cli.tasks.design.anchors import check_anchors, repeated_anchor
from logos_cli.tasks.design.cdr import Design, DesignPrompt, Loop
from logos_cli.tasks.design.loops import RENUMBERED, DesignCollector, TemplateCollector, TemplatePrompt
from logos_cli.workflows.generate.templates import Restriction

_BEFORE = "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYC"
_LOOP = "SRWGGDGFYAMDY"
_BEHIND = "WGQGTLVTVSS"


@pytest.mark.parametrize(
    ("loop", "anchor"),
    [
        (_LOOP, None),
        ("ARDYWGQG", "WGQG"),
        ("ARWGQGTLVTVSSGG", "WGQG"),
        ("ARVYYCAR", "VYYC"),
        ("ARDYWGQ", "WGQ"),
        ("YYCARDY", "YYC"),
        ("ARWGGWGDY", None),
    ],
)
def test_a_loop_may_not_repeat_its_anchors(loop: str, anchor: str | None) -> None:
    chain = _BEFORE + loop + _BEHIND
    span = (len(_BEFORE), len(_BEFORE) + len(loop))
    assert repeated_anchor(chain, *span) == anchor
    if anchor is not None:
        with pytest.raises(AnswerError, match=f"repeats {anchor}") as caught:
            check_anchors(chain, [span])
        assert caught.value.outcome == "with a loop that repeats its anchor"


def _design() -> Design:
    start = len(_BEFORE)
    return Design((_BEFORE + _LOOP + _BEHIND,), (Loop("H3", 0, start, start + len(_LOOP), 5, 20),), "imgt")


def _sentence(chain: str) -> Any:
    return parse(f"<AntibodyS>{chain}<AntibodyE>")


def test_the_prompt_of_a_design_refuses_the_answer() -> None:
    prompt = DesignPrompt.of(_design())
    prompt.check_answer(_sentence(_BEFORE + "ARDYSSYFDY" + _BEHIND))
    with pytest.raises(AnswerError, match="the loop ARDYWGQG repeats WGQG"):
        prompt.check_answer(_sentence(_BEFORE + "ARDYWGQG" + _BEHIND))
    # the loop of the given antibody may be whatever it is
    odd = replace(_design(), chains=(_BEFORE + "ARDYWGQG" + _BEHIND,))
    odd = replace(odd, loops=(replace(odd.loops[0], end=len(_BEFORE) + 8),))
    DesignPrompt.of(odd).check_answer(_sentence(odd.chains[0]))


def test_a_template_of_an_antibody_refuses_the_answer() -> None:
    text = f"{_BEFORE}{{X:5,30}}{_BEHIND}"
    prompt = Restriction(template=text).apply(AntibodyTask().from_nothing())
    assert isinstance(prompt, TemplatePrompt)
    prompt.check_answer(_sentence(_BEFORE + "ARDYSSYFDY" + _BEHIND))
    with pytest.raises(AnswerError, match="repeats WGQG"):
        prompt.check_answer(_sentence(_BEFORE + "ARDYWGQG" + _BEHIND))
    assert free_spans(Kind.ANTIBODY, "EV{X:2}Q{[ILV]:1,2}L", "EVAAQIL") == [(2, 4), (5, 6)]
    assert free_spans(Kind.ANTIBODY, "EV{X:2}Q", "EVA") == []


def _add(collector: DesignCollector | TemplateCollector, chains: list[str]) -> None:
    for number, chain in enumerate(chains, 1):
        text = f"<AntibodyS>{chain}<AntibodyE>"
        record = Record(f"p#{number:04d}", "antibody", text, sample={"logp": -float(number)})
        collector.add(record, chain, parse(text))


def test_designs_are_numbered_again() -> None:
    pytest.importorskip("anarcii")
    design = _design()
    collector = DesignCollector(PromptInfo("p", DesignPrompt.of(design)), design, None)
    moved = _BEFORE + _LOOP + "WGQG" + _BEHIND  # ANARCII takes the first of two anchors for framework 4
    good = _BEFORE + "ARDYSSYFDY" + _BEHIND
    _add(collector, [moved, good, moved])
    records = list(collector.results())
    assert [record.scores["cdr_h3"]["value"] for record in records] == ["ARDYSSYFDY"]
    assert records[0].scores["rank"]["value"] == 1
    (refusal,) = collector.refusals()
    assert (refusal.outcome, refusal.n_samples) == (RENUMBERED, 2)

    prompt = PromptInfo("p", TemplatePrompt("<AntibodyS>", "", template="{X}"))
    chains = TemplateCollector(prompt, None)
    _add(
        chains,
        [good, "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRVGDGTQDNLSGAEKAVQVKVKALPDAQFEVVHSLAKWKRQTLGQHDFSAGEGLYTH"],
    )
    (record,) = chains.results()
    assert record.scores["cdr_h3"]["value"] == "ARDYSSYFDY"
    assert record.scores["cdr_h1"]["value"] == "GFNIKDTY"
    assert [refusal.outcome for refusal in chains.refusals()] == [RENUMBERED]


def test_a_part_of_a_domain_has_no_numbers() -> None:
    chains = TemplateCollector(PromptInfo("p", TemplatePrompt("<AntibodyS>", "", template="{X}")), 1)
    _add(chains, ["CARDYWGQGTLV", "CARDDYWGQGTLV"])
    (record,) = chains.results()
    assert record.text == "<AntibodyS>CARDYWGQGTLV<AntibodyE>"
    assert not chains.refusals()
