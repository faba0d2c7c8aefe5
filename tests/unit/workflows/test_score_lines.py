"""Scores in a record's line: nothing else of it may change."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from logos_cli.workflows.score.lines import with_scores

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.dictionaries(st.text(max_size=5), _VALUES, max_size=4),
    st.none() | st.dictionaries(st.sampled_from(["qed", "sa", 'a"b', "é"]), _VALUES, max_size=3),
    st.dictionaries(st.sampled_from(["qed", "sa", "ppl"]), st.floats(0, 1), min_size=1),
    st.sampled_from([(",", ":"), (", ", ": "), (" ,  ", "\t: ")]),
    st.booleans(),
)
def test_an_object_with_scores_is_the_object_and_the_scores(rest, before, scores, separators, ascii):  # type: ignore[no-untyped-def]
    record = dict(rest)
    record.pop("scores", None)
    if before is not None:
        record["scores"] = before
    line = json.dumps(record, separators=separators, ensure_ascii=ascii)
    read = json.loads(with_scores(line, scores))
    assert read == {**record, "scores": {**(before or {}), **scores}}
    assert list(read) == [*record, *([] if before is not None else ["scores"])]


def test_every_other_byte_stays() -> None:
    line = '{ "n":1.50e3,"text" : "\\u00e9<x>" , "scores":{"vina":{"value":-7.90},"qed":0.10},"z":[1 ,2 ] }'
    assert with_scores(line, {"qed": {"value": 0.5}, "sa": 1}) == (
        '{ "n":1.50e3,"text" : "\\u00e9<x>" , "scores":{"vina":{"value":-7.90},"qed":{"value": 0.5}, "sa": 1},'
        '"z":[1 ,2 ] }'
    )
    assert with_scores('{"a":1}', {"q": 1}) == '{"a":1, "scores": {"q": 1}}'
    assert with_scores("{}", {"q": 1}) == '{"scores": {"q": 1}}'
    assert with_scores(line, {}) == line
