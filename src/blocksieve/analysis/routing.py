"""Routing by the prompt: how well task types are detected, and what it saves against one list."""

from collections.abc import Mapping, Sequence
from typing import TypedDict

import numpy as np
import polars as pl

from blocksieve.combination import Combination
from blocksieve.evidence import Evidence, clustered_drops
from blocksieve.routing.router import BlocksBySize, Router
from blocksieve.statistics import (
    clustered_mean,
    false_discovery_of_signs,
    macro_contrasts,
    none_if_nan,
    p_values,
)
from blocksieve.units import Scale

GAIN_OF = {"gain": "hybrid", "possible": "task"}
"""What a policy loses less than `generic`, by the name of the gain.

Policies: `generic`, always the generic list; `task`, always that of the dataset's task type;
`hybrid`, the one that the router picks for each prompt.
"""
CURVE_POINTS = 60
SAMPLE_COLUMNS = ("sample_id", "cluster", "split", "role", "baseline")
NO_SAMPLES = (
    "A given table has no prompts, so that no router is fitted and nothing can be said about"
    " routing."
)
NO_HOLDOUT = "No drop is known on holdout samples, so that what routing saves is not known either."
ONE_TYPE = (
    "All datasets are of one task type, so that there is nothing to tell apart: the generic list is"
    " its list."
)
UNTRIED = (
    "Fewer than two task types have prompts of two wordings, so that detection cannot be tried on"
    " unseen ones: every prompt takes the generic list."
)


class Accuracy(TypedDict):
    """The share of right detections, the share routed, and the share of these that is wrong."""

    prompts: int
    wordings: int
    accuracy: float | None
    low: float | None
    high: float | None
    routed: float | None
    error: float | None


class DetectedType(TypedDict):
    """How well a task type is detected."""

    task_type: str
    datasets: list[str]
    wordings: int
    unseen: Accuracy
    holdout: Accuracy


class Confusion(TypedDict):
    """How many prompts of a true task type were detected as another, or as it."""

    tried: str
    task_type: str
    detected: str
    prompts: int


class CurvePoint(TypedDict):
    """Which share of prompts reaches a confidence, and which share of these is wrong."""

    threshold: float
    coverage: float
    error: float


class DetectionRecord(TypedDict):
    """How often the detected type is right, on unseen wordings and on holdout prompts."""

    threshold: float | None
    min_familiarity: float
    unseen: Accuracy
    holdout: Accuracy
    seen: float | None
    types: list[DetectedType]
    confusion: list[Confusion]
    curve: list[CurvePoint]


class RouterList(TypedDict):
    """What the router removes at a size: for a task type, or `generic`."""

    size: int
    name: str
    combination: str


class MeasuredPolicy(TypedDict):
    """A policy's mean drop, and the share of samples whose list is not the generic one."""

    drop: float
    low: float | None
    high: float | None
    changed: float


class MeasuredGain(MeasuredPolicy):
    """What a policy loses less than the generic list."""

    q: float | None


class PoliciesOfSize(TypedDict):
    """The policies and gains at a size."""

    size: int
    generic: MeasuredPolicy
    task: MeasuredPolicy
    hybrid: MeasuredPolicy
    gain: MeasuredGain
    possible: MeasuredGain


class RoutingDocument(TypedDict):
    """Content of routing.json."""

    across_datasets: Scale
    unit: str
    notes: list[str]
    detection: DetectionRecord | None
    lists: list[RouterList]
    sizes: list[PoliciesOfSize]


def analyse(
    evidence: Evidence,
    *,
    router: Router | None = None,
    detections: pl.DataFrame | None = None,
    finalist_samples: pl.LazyFrame | None = None,
) -> RoutingDocument:
    """Describe routing, drops in % or pp; schema routing.schema.json.

    `detections`: as `fit_router` gives them. `finalist_samples`: pairs of the finalists as
    `shards.paired` gives them. Without a router (a given table) the document holds sentences that
    say why it is empty.
    """
    document: RoutingDocument = {
        "across_datasets": evidence.scale,
        "unit": evidence.unit,
        "notes": [NO_SAMPLES],
        "detection": None,
        "lists": [],
        "sizes": [],
    }
    if router is None or detections is None:
        return document
    if router.types:
        document["detection"] = _detection(router, detections)
    if evidence.holdout is not None and finalist_samples is not None:
        sums = sums_of_policies(finalist_samples, detections, router)
        document["sizes"] = _sizes(evidence.holdout, sums)
    document["notes"] = _notes(document)
    document["lists"] = _router_lists(router)
    return document


def _notes(document: RoutingDocument) -> list[str]:
    """Return what is missing, in sentences."""
    detection = document["detection"]
    notes = []
    if detection is None:
        notes.append(ONE_TYPE)
    elif not detection["unseen"]["prompts"]:
        notes.append(UNTRIED)
    if not document["sizes"]:
        notes.append(NO_HOLDOUT)
    return notes


def _router_lists(router: Router) -> list[RouterList]:
    lists: list[RouterList] = []
    for name, by_size in {"generic": router.generic, **router.task_types}.items():
        for size, blocks in enumerate(by_size, 1):
            combination = Combination.of(blocks)
            lists.append(
                {
                    "size": size,
                    "name": name,
                    "combination": str(combination),
                }
            )
    return lists


def sums_of_policies(
    finalist_samples: pl.LazyFrame, detections: pl.DataFrame, router: Router
) -> dict[str, pl.DataFrame]:
    """Sum for each dataset what the policies lose on its holdout samples; see `policy_sums`."""
    pairs = finalist_samples.filter(pl.col("role") == "holdout")
    prompts = detections.filter(role="holdout", form="plain")
    sums = {}
    for dataset in prompts["dataset"].unique(maintain_order=True):
        its_pairs = pairs.filter(pl.col("dataset") == dataset).collect()
        its_prompts = prompts.filter(pl.col("dataset") == dataset)
        sums[dataset] = policy_sums(its_pairs, its_prompts, router)
    return sums


def policy_sums(pairs: pl.DataFrame, prompts: pl.DataFrame, router: Router) -> pl.DataFrame:
    """Sum what the policies lose on one dataset's samples, like `shards.by_cluster`.

    One row per policy, size, role, split and cluster; what a gain sums is how much less its policy
    loses than the generic one. `changed` counts the samples for which the policy's list is not the
    generic one. A size has no rows where one of its lists was not evaluated on all samples.

    `pairs`: rows of `shards.paired`. `prompts`: the dataset's `sample_id`, `task_type`, `detected`
    and `routed`.
    """
    measured = pairs.drop_nulls("score")
    samples = measured.select(SAMPLE_COLUMNS).unique("sample_id")
    samples = samples.join(prompts.select("sample_id", "detected", "routed"), on="sample_id")
    task_type = prompts["task_type"][0]
    tables = []
    for size in range(1, len(router.generic) + 1):
        losses = _losses(samples, measured, router, task_type, size)
        if min(map(len, losses.values())) == len(samples) > 0:
            tables += _with_gains(losses, size)
    if not tables:
        return pl.DataFrame(schema={"policy": pl.String, "size": pl.Int64})
    key = ["policy", "size", "role", "split", "cluster"]
    # Sorted, so that rounding does not depend on the order in which rows come.
    sums = (
        pl.concat(tables)
        .group_by(key)
        .agg(
            n=pl.len(),
            drop=pl.col("drop").sort().sum(),
            baseline=pl.col("baseline").sort().sum(),
            changed=pl.col("changed").sum(),
        )
    )
    return sums.sort(key)


def _losses(
    samples: pl.DataFrame, measured: pl.DataFrame, router: Router, task_type: str, size: int
) -> dict[str, pl.DataFrame]:
    """Return for each policy its samples with their drop, those whose list was evaluated."""
    generic = _text(router.generic, size)
    by_type = {
        name: _text(lists, size) for name, lists in router.task_types.items() if len(lists) >= size
    }
    detected = pl.col("detected").replace_strict(by_type, default=generic, return_dtype=pl.String)
    picked = {
        "generic": pl.lit(generic),
        "task": pl.lit(by_type.get(task_type, generic)),
        "hybrid": pl.when("routed").then(detected).otherwise(pl.lit(generic)),
    }
    drops = measured.select("combination", "sample_id", "drop")
    losses = {}
    for policy, combination in picked.items():
        chosen = samples.with_columns(combination=combination)
        loss = chosen.join(drops, on=["combination", "sample_id"]).sort("sample_id")
        changed = (pl.col("combination") != generic).cast(pl.Int64)
        losses[policy] = loss.with_columns(changed=changed)
    return losses


def _text(lists: BlocksBySize, size: int) -> str:
    """Return the list of a size as frames hold a combination."""
    blocks = lists[size - 1]
    return str(Combination.of(blocks))


def _with_gains(losses: Mapping[str, pl.DataFrame], size: int) -> list[pl.DataFrame]:
    """Return the policies' samples and those of the gains, whose drop is what is lost less."""
    tables = dict(losses)
    for gain, policy in GAIN_OF.items():
        lost_less = losses["generic"]["drop"] - losses[policy]["drop"]
        tables[gain] = losses[policy].with_columns(drop=lost_less)
    return [
        table.with_columns(policy=pl.lit(policy), size=pl.lit(size, pl.Int64))
        for policy, table in tables.items()
    ]


def _sizes(holdout: Evidence, sums: Mapping[str, pl.DataFrame]) -> list[PoliciesOfSize]:
    """Return the policies' mean drops and gains at every size that all datasets have."""
    sizes = _common_sizes(holdout, sums)
    gains = _gains(holdout, sums, sizes, "gain")
    possible_gains = _gains(holdout, sums, sizes, "possible")
    rows: list[PoliciesOfSize] = []
    for size, gain, possible in zip(sizes, gains, possible_gains, strict=True):
        rows.append(
            {
                "size": size,
                "generic": _mean(holdout, sums, "generic", size)[0],
                "task": _mean(holdout, sums, "task", size)[0],
                "hybrid": _mean(holdout, sums, "hybrid", size)[0],
                "gain": gain,
                "possible": possible,
            }
        )
    return rows


def _common_sizes(holdout: Evidence, sums: Mapping[str, pl.DataFrame]) -> list[int]:
    sizes_by_dataset: list[set[int]] = []
    for dataset in holdout.datasets:
        sizes: set[int] = set()
        if dataset in sums:
            sizes = set(sums[dataset]["size"])
        sizes_by_dataset.append(sizes)
    return sorted(set.intersection(*sizes_by_dataset))


def _gains(
    holdout: Evidence, sums: Mapping[str, pl.DataFrame], sizes: Sequence[int], gain: str
) -> list[MeasuredGain]:
    """Return a gain at every size, with p adjusted over the sizes."""
    means: list[MeasuredPolicy] = []
    p: list[float] = []
    for size in sizes:
        mean, p_of_size = _mean(holdout, sums, gain, size)
        means.append(mean)
        p.append(p_of_size)
    gains = [mean["drop"] for mean in means]
    adjusted = false_discovery_of_signs(p, gains).tolist()
    return [{**mean, "q": none_if_nan(q)} for mean, q in zip(means, adjusted, strict=True)]


def _mean(
    holdout: Evidence, sums: Mapping[str, pl.DataFrame], policy: str, size: int
) -> tuple[MeasuredPolicy, float]:
    """Average a policy's drop, or a gain, over datasets; with two-sided p."""
    drops = []
    num_changed, num_samples = 0, 0
    over = holdout.counted(holdout.datasets)
    for dataset in over:
        rows = sums[dataset].filter(policy=policy, size=size, role=holdout.role)
        changed = int(rows["changed"].sum())
        # A dataset on which no list differs has a gain of 0 without any doubt.
        certain = policy in GAIN_OF and changed == 0
        max_change = 0 if certain else holdout.max_change[dataset]
        by_policy = rows.rename({"policy": "combination"})
        drops.append(clustered_drops(by_policy, [policy], holdout.scale, max_change))
        num_changed += changed
        num_samples += int(rows["n"].sum())
    alone = np.ones((1, 1))  # one sum, of one combination
    mean = macro_contrasts(drops, [alone] * len(drops), holdout.weights_of(over))
    p = p_values(mean.means, mean.se, mean.freedom)
    measured: MeasuredPolicy = {
        "drop": float(mean.means[0]),
        "low": none_if_nan(float(mean.low[0])),
        "high": none_if_nan(float(mean.high[0])),
        "changed": num_changed / num_samples,
    }
    return measured, float(p[0])


def _detection(router: Router, detections: pl.DataFrame) -> DetectionRecord:
    """Return how often the detected type is right, on unseen wordings and on holdout prompts.

    Of plain prompts, as users ask, without the datasets' instructions.
    """
    plain = detections.filter(form="plain")
    right = plain.with_columns(right=pl.col("detected") == pl.col("task_type"))
    detected = right.drop_nulls("detected")
    unseen = detected.filter(pl.col("role") == "search")
    holdout = detected.filter(pl.col("role") == "holdout")
    types: list[DetectedType] = []
    for (task_type,), group in right.sort("task_type").group_by("task_type", maintain_order=True):
        types.append(
            {
                "task_type": str(task_type),
                "datasets": group["dataset"].unique().sort().to_list(),
                "wordings": group.filter(role="search")["wording"].n_unique(),
                "unseen": _accuracy(unseen.filter(task_type=task_type)),
                "holdout": _accuracy(holdout.filter(task_type=task_type)),
            }
        )
    share_seen = None
    if not holdout.is_empty():
        share_seen = float(holdout["seen"].sum() / len(holdout))
    return {
        "threshold": router.threshold,
        "min_familiarity": router.min_familiarity,
        "unseen": _accuracy(unseen),
        "holdout": _accuracy(holdout),
        "seen": share_seen,
        "types": types,
        "confusion": [*_confusion(unseen, "unseen"), *_confusion(holdout, "holdout")],
        "curve": _curve(unseen),
    }


def _accuracy(rows: pl.DataFrame) -> Accuracy:
    """Return the share of right detections with its interval, clustered by wording.

    And who is routed, and how often wrongly.
    """
    accuracy: Accuracy = {
        "prompts": len(rows),
        "wordings": rows["wording"].n_unique(),
        "accuracy": None,
        "low": None,
        "high": None,
        "routed": None,
        "error": None,
    }
    if rows.is_empty():
        return accuracy
    wrong = clustered_mean(1 - rows["right"].cast(pl.Float64), rows["wording"], max_change=1)
    routed = rows.filter("routed")
    accuracy["accuracy"] = 1 - wrong.mean
    accuracy["low"] = _share_right(wrong.high)
    accuracy["high"] = _share_right(wrong.low)
    accuracy["routed"] = len(routed) / len(rows)
    if not routed.is_empty():
        accuracy["error"] = 1 - float(routed["right"].cast(pl.Float64).to_numpy().mean())
    return accuracy


def _share_right(share_wrong: float) -> float | None:
    """Return an end of the interval as a share, None where it is not known."""
    if np.isnan(share_wrong):
        return None
    share_right = 1 - share_wrong
    return float(np.clip(share_right, 0, 1))


def _confusion(rows: pl.DataFrame, tried: str) -> list[Confusion]:
    counts = rows.group_by("task_type", "detected").len().sort("task_type", "detected")
    confusion: list[Confusion] = []
    for task_type, detected, prompts in counts.iter_rows():
        confusion.append(
            {"tried": tried, "task_type": task_type, "detected": detected, "prompts": prompts}
        )
    return confusion


def _curve(rows: pl.DataFrame) -> list[CurvePoint]:
    """Return coverage and error at some thresholds, the least confidence first."""
    confidences = rows["confidence"].to_numpy()  # (prompts,)
    wrong = ~rows["right"].to_numpy().astype(bool)  # (prompts,)
    distinct = np.unique(confidences)
    num_points = min(CURVE_POINTS, len(distinct))
    places = np.linspace(0, len(distinct) - 1, num_points).round().astype(int)
    curve: list[CurvePoint] = []
    for threshold in distinct[np.unique(places)]:
        reaching = confidences >= threshold
        curve.append(
            {
                "threshold": float(threshold),
                "coverage": float(reaching.mean()),
                "error": float(wrong[reaching].mean()),
            }
        )
    return curve
