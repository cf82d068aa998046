"""Who is measured again: winners of beams, removal orders, and what the user names."""

from planted import planted_evaluations, planted_evidence

from blocksieve.importance import importance_scores
from blocksieve.search.finalists import select_finalists

DROPS = {"a": {(0,): 0.4, (1,): 0.1, (2,): 0.0}, "b": {(0,): 0.2, (1,): 0.0, (2,): 0.1}}
SCORES = [found for _, found in importance_scores(planted_evidence(planted_evaluations(DROPS, {"a": 1.0, "b": 1.0})))]
BEAMS = {"a": {1: ["2", "1"], 2: ["0-2"]}, "generic": {1: ["1"]}}


def test_every_source_is_there_once_with_its_reasons():
    found = {entry["combination"]: entry["reasons"] for entry in select_finalists(BEAMS, SCORES, ["0-1"], 2)}
    assert list(found) == ["0-1", "0-2", "1", "1-2", "2"]
    assert found["0-1"] == ["named in the config"]
    assert found["0-2"] == ["first of the a beam at size 2"]
    assert found["1"][0] == "first of the generic beam at size 1"
    assert "1 least important of b (dataset)" in found["1"]
    assert "2 least important of generic (generic)" in found["1-2"]


def test_no_order_removes_every_block():
    found = select_finalists({}, SCORES, [], 5)
    assert max(entry["combination"].count("-") + 1 for entry in found) == 2


def test_a_deeper_search_keeps_earlier_finalists():
    shallow, deep = (select_finalists(BEAMS, SCORES, [], depth) for depth in (1, 2))
    assert {entry["combination"] for entry in shallow} <= {entry["combination"] for entry in deep}
