"""The trade-off: which ways of choosing lose what, which limits they keep, and its figure."""

import json
from typing import Any

import polars as pl
import pytest
from planted import planted_evaluations, planted_evidence

from blocksieve.analysis import pruning_recommendations, trade_off
from blocksieve.figures.trade_off import CURVES, draw

# Shares of the baseline, which is 1: block 0 is cheap for a, block 1 for b and c.
SINGLES = {"a": (0.005, 0.06, 0.2), "b": (0.04, 0.01, 0.2), "c": (0.04, 0.01, 0.2)}


def evaluations(roles: tuple[str, ...] = ("search", "holdout")) -> pl.DataFrame:
    drops = {}
    for dataset, (first, second, third) in SINGLES.items():
        drops[dataset] = {
            (0,): first,
            (1,): second,
            (2,): third,
            (0, 1): first + second,
            (0, 2): first + third,
            (1, 2): second + third,
        }
    return planted_evaluations(drops, dict.fromkeys(drops, 1.0), roles=roles, se=0.001)


def document() -> Any:
    evidence = planted_evidence(evaluations())
    return trade_off.analyse(evidence, recommendations=pruning_recommendations.analyse(evidence))


def points(curve: str) -> list[Any]:
    return [point for point in document()["points"] if point["curve"] == curve]


def test_a_list_for_each_dataset_loses_less_than_one_for_all() -> None:
    own, generic = points("own"), points("generic")
    assert [(point["size"], point["combination"], point["combinations"]) for point in own] == [
        (1, None, 2),
        (2, "0-1", 1),
    ]
    assert own[0]["drop"] == pytest.approx((0.5 + 1 + 1) / 3)
    assert (generic[0]["combination"], generic[1]["combination"]) == ("1", "0-1")
    assert generic[0]["drop"] == pytest.approx((6 + 1 + 1) / 3)
    assert generic[0]["low"] < generic[0]["drop"] < generic[0]["high"]
    assert {point["samples"] for point in own + generic} == {300}


@pytest.mark.parametrize(
    ("datasets", "task_types", "curves"),
    [
        (["a", "b", "c"], ["VQA", "VQA", "VQA"], ["own", "pooled", "generic"]),
        (["a", "b", "c"], ["VQA", "VQA", "Captioning"], list(trade_off.CURVES)),
        (["a"], ["VQA"], ["generic"]),
    ],
)
def test_ways_that_choose_on_the_same_samples_are_drawn_once(
    datasets: list[str], task_types: list[str], curves: list[str]
) -> None:
    """With one task type, or one dataset, its list is the list for all."""
    task_type = pl.col("dataset").replace_strict(datasets, task_types)
    table = evaluations().filter(pl.col("dataset").is_in(datasets))
    document = trade_off.analyse(planted_evidence(table.with_columns(task_type=task_type)))
    assert list(dict.fromkeys(point["curve"] for point in document["points"])) == curves


def test_the_strictest_limit_that_the_upper_end_keeps_is_named() -> None:
    # 0.8, 5.5 %; 2.7, 5.5 %: limits at 1.5, 3 and 10.
    assert [point["keeps"] for point in points("own")] == ["conservative", "aggressive"]
    assert [point["keeps"] for point in points("generic")] == ["balanced", "aggressive"]
    (balanced, aggressive) = document()["recommended"]
    assert (balanced["strategies"], balanced["combination"]) == (["balanced"], "1")
    assert (aggressive["strategies"], aggressive["combination"]) == (["aggressive"], "0-1")


def test_what_lists_save_is_the_mean_over_the_datasets() -> None:
    shares = {"0": 0.1, "1": 0.3, "0-1": 0.4}
    saved = pl.col("combination").replace_strict(shares, default=0.5)
    table = evaluations().with_columns(removed_parameters=saved)
    (one, two) = [
        point
        for point in trade_off.analyse(planted_evidence(table))["points"]
        if point["curve"] == "own"
    ]
    assert one["removed_parameters"] == pytest.approx((0.1 + 0.3 + 0.3) / 3)
    assert two["removed_parameters"] == pytest.approx(0.4)
    assert one["removed_flops"] is None


def test_a_point_is_off_the_front_where_more_blocks_cost_less() -> None:
    costs = [{"size": 1, "drop": 2.0}, {"size": 2, "drop": 1.0}, {"size": 3, "drop": None}]
    trade_off._mark_front(costs)  # type: ignore[arg-type]
    assert [point["on_front"] for point in costs] == [False, True, True]


def test_without_holdout_samples_nothing_is_claimed() -> None:
    empty = trade_off.analyse(planted_evidence(evaluations(roles=("search",))))
    assert (empty["points"], empty["recommended"]) == ([], [])
    text = draw(empty, "relative").to_json()  # type: ignore[arg-type]
    assert "No list was measured on samples that were never used to choose." in text


def median(value: float) -> dict[str, float]:
    return {"median": value, "low": value - 0.1, "high": value + 0.1}


def deployment() -> Any:
    def model(size: int) -> dict[str, Any]:
        timing = {"seconds": median(0.5), "of_whole": median(1 - 0.2 * size)}
        at_batch = [
            {"batch_size": batch, "repeats": 20, "first_token": timing, "further_token": timing}
            for batch in (1, 16)
        ]
        parameters = 3_000_000 - 600_000 * size
        return {"combination": "", "size": size, "parameters": parameters, "at_batch": at_batch}

    conditions = {"device_name": "Chip", "dtype": "float32", "threads": 1}
    return {"conditions": conditions, "models": [model(size) for size in range(3)]}


def test_the_figure_has_parameters_and_times_only_where_they_were_measured() -> None:
    assert len(draw(document(), "relative").to_dict()["vconcat"]) == 1
    spec = draw(document(), "relative", deployment()).to_dict()
    titles = [panel["title"]["text"] for panel in spec["vconcat"]]
    assert titles[1:] == [
        "Parameters, % of the whole model's 3.0 million",
        "Time to the first token, % of the whole model's",
        "Time per further token, % of the whole model's",
    ]
    text = json.dumps(spec)
    assert "16 prompts at once: 100 % is 500 ms" in text
    rows = [row for rows in spec["datasets"].values() for row in rows if "share" in row]
    assert sorted({row["share"] for row in rows}) == pytest.approx([60, 80, 100])


def test_healed_lists_are_a_curve_of_their_own() -> None:
    def row(dataset: str | None, after: float) -> Any:
        return {
            "combination": "4-9",
            "size": 6,
            "dataset": dataset,
            "n": 400,
            "after": after,
            "after_low": after - 1,
            "after_high": after + 1,
        }

    healing: Any = {"rows": [row("a", 30.0), row(None, 20.0)]}
    chart = draw(document(), "relative", deployment(), healing)
    rows = [row for rows in chart.to_dict()["datasets"].values() for row in rows]
    healed = {row["drop"] for row in rows if row.get("curve") == "healed"}
    assert healed == {20.0}


def test_curves_differ_in_colour_and_shape_and_limits_and_lists_are_named() -> None:
    spec = draw(document(), "relative").to_dict()
    text = json.dumps(spec)
    for words in ("balanced limit, 3 %", "conservative limit, 1.5 %", "remove 0-1", "remove 1"):
        assert words in text
    assert "limits beyond the axis: aggressive 10 %" in spec["vconcat"][0]["title"]["text"]
    (encoding,) = [
        layer["encoding"]
        for layer in spec["vconcat"][0]["layer"]
        if layer["mark"].get("filled") and "shape" in layer["encoding"]
    ]
    labels = [label for curve, label in CURVES.items() if curve in trade_off.CURVES]
    assert encoding["color"]["scale"]["domain"] == labels
    for channel in ("color", "shape"):
        assert len(set(encoding[channel]["scale"]["range"])) == len(labels)


def test_the_figure_knows_the_curves_of_the_analysis() -> None:
    assert set(CURVES) == {*trade_off.CURVES, trade_off.WHOLE_BLOCKS, "healed"}
