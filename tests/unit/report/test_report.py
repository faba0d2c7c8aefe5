"""Report pages: nothing from outside gets in unescaped, and nothing outside is asked for."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest

from logos_cli.report import benchmarks
from logos_cli.report.page import Page, Structure
from logos_cli.report.plots import Range, ranges

HOSTILE = '<script>alert("&")</script>'
SVG = '<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"><circle r="1"/></svg>'


class Outline(HTMLParser):
    """Collects tags, attributes and text; complains of tags that are not closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("script", "style"):
            self.text.append(data)


def full_page() -> Page:
    page = Page(HOSTILE, HOSTILE)
    page.heading(HOSTILE)
    page.paragraph(HOSTILE, soft=True)
    page.table(["figure", "value"], [[HOSTILE, "1.0"]])
    page.plot(ranges([Range(HOSTILE, 1.0, 0.5, 1.5, 0.1, {HOSTILE: 2.0}, "%")]), HOSTILE)
    page.drawings([(SVG, HOSTILE)])
    page.tokens([(HOSTILE, "#ffffff", HOSTILE)])
    page.structure(Structure(f"REMARK {HOSTILE}\n", labels=[(HOSTILE, {})]), HOSTILE)
    return page


def test_what_comes_from_outside_is_text() -> None:
    outline = Outline(full_page().render())
    assert [tag for tag, _ in outline.tags].count("script") == 2  # the viewer's library and its call
    assert "".join(outline.text).count(HOSTILE) == 12
    assert HOSTILE in [attributes.get("title") for tag, attributes in outline.tags if tag == "span"]


def test_a_page_asks_for_nothing() -> None:
    outline = Outline(full_page().render())
    assert not [a for _, a in outline.tags if {"src", "href", "srcset", "data"} & a.keys()]
    policy = next(a["content"] for t, a in outline.tags if t == "meta" and "http-equiv" in a)
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "connect-src" not in policy
    assert "http" not in policy


def test_structures_go_into_the_page_whole() -> None:
    text = "ATOM      1  CA  ALA A   1      11.104   6.134  -6.504  1.00  0.00           C\n</script><b>\n"
    page = Page("structures")
    page.structure(Structure(text, styles=[({"chain": "A"}, {"stick": {}})]))
    html = page.render()
    assert "</script><b>" not in html
    found = re.search(r"window\.logosStructures = (\[.*?\]);\n", html, re.DOTALL)
    assert found is not None
    (shown,) = json.loads(found[1])
    assert shown["text"] == text
    assert shown["styles"] == [[{"chain": "A"}, {"stick": {}}]]


def test_the_library_is_there_only_where_it_is_needed() -> None:
    assert len(Page("bare").render()) < 10_000
    assert "BSD-3-Clause" in full_page().render()


@pytest.mark.parametrize(
    "row",
    [
        Range("nothing", None),
        Range("below zero", -7.0, -8.0, -6.0, -5.0, {"a": -7.7}, "kcal/mol"),
        Range("zero", 0.0, 0.0, 0.0),
        Range("one value", 3.0),
    ],
)
def test_plots_stay_inside_their_frame(row: Range) -> None:
    root = ET.fromstring(ranges([row]))
    width = float(root.attrib["width"])
    places = [float(v) for e in root.iter() for k, v in e.attrib.items() if k in ("x", "x1", "x2", "cx")]
    assert places
    assert all(0 <= place <= width for place in places)


def test_figures_are_written_with_intervals_and_reasons() -> None:
    assert benchmarks.format_estimate({"value": 8.04, "low": 3.0, "high": 13.21, "n": 10}, "%") == "8.0 [3.0, 13.2]"
    assert benchmarks.format_estimate({"value": None, "n": 0, "reason": "no model"}, "%") == "– (no model)"
    assert benchmarks.format_estimate(None, "%") == "–"


def test_figures_that_do_not_compare_are_marked() -> None:
    figure = {
        "help": "",
        "unit": "%",
        "better": "higher",
        "model": {"value": 57.0, "n": 100},
        "baseline": None,
        "published": {"LOGOS-8B": 39.02},
        "comparable": False,
        "remark": "Sequence level.",
    }
    rows = [
        {"benchmark": "material", "help": "Frameworks.", "baseline_help": "", "n_cases": 1, "figures": {"VNU": figure}}
    ]
    facts = {"model": "logos-nano", "logos": "0", "seed": 0}
    text = benchmarks.markdown(rows, facts)
    assert "| VNU (%) | 57.0 | – | (LOGOS-8B 39.02) | 100 |" in text
    assert "- Sequence level." in text
    assert "not comparable" in text
    html = benchmarks.page(rows, facts)
    assert "(LOGOS-8B 39.02)" in html
    assert "<title>LOGOS-8B" not in html  # no mark in the plot either
