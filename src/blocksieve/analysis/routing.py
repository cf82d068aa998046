"""Routing by the prompt: how well task types are detected, and what it saves against one list for all."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from blocksieve.combination import Combination
from blocksieve.evidence import Evidence, clustered_drops
from blocksieve.routing.router import Router
from blocksieve.statistics import clustered_mean, false_discovery, macro_contrasts, p_values

POLICIES = ("generic", "task", "hybrid")
"""Always the generic list; always that of the dataset's task type; the one that the router picks for each prompt."""
GAINS = ("gain", "possible")
"""What hybrid, and task, lose less than generic."""
POINTS = 60
SAMPLE = ("sample_id", "cluster", "split", "role")
NO_SAMPLES = "A given table has no prompts, so that no router is fitted and nothing can be said about routing."
NO_HOLDOUT = (
    "No combination was measured on holdout samples, so that what routing saves is not known."
)
ONE_TYPE = "All datasets are of one task type, so that there is nothing to tell apart: the generic list is its list."
UNTRIED = (
    "Fewer than two task types have prompts of two wordings, so that detection cannot be tried on unseen ones: every"
    " prompt takes the generic list."
)


def analyse(
    evidence: Evidence,
    router: Router | None = None,
    detections: pl.DataFrame | None = None,
    sums: Mapping[str, pl.DataFrame] | None = None,
) -> dict[str, Any]:
    """Describe routing in a document, drops in % or pp; schema routing.schema.json.

    `detections`: as `fit_router` gives them. `sums`: for each dataset `policy_sums` of its holdout samples. Without a
    router (a given table) the document holds sentences that say why it is empty.
    """
    about = {
        "across_datasets": evidence.scale,
        "unit": "%" if evidence.scale == "relative" else "pp",
    }
    if router is None or detections is None:
        return about | {"notes": [NO_SAMPLES], "detection": None, "lists": [], "sizes": []}
    detection = _detection(router, detections) if router.types else None
    held_out = evidence.held_out
    sizes = _sizes(held_out, sums or {}) if held_out else []
    notes = {
        ONE_TYPE: detection is None,
        UNTRIED: detection is not None and not detection["unseen"]["prompts"],
        NO_HOLDOUT: not sizes,
    }
    lists = {"generic": router.generic, **router.task_types}
    return about | {
        "notes": [note for note, holds in notes.items() if holds],
        "detection": detection,
        "lists": [
            {"size": size, "name": name, "combination": _name(blocks)}
            for name, found in lists.items()
            for size, blocks in enumerate(found, 1)
        ],
        "sizes": sizes,
    }


def sums_of_policies(
    shards: Iterable[Path], detections: pl.DataFrame, router: Router
) -> dict[str, pl.DataFrame]:
    """Sum up for each dataset what the policies lose on its holdout samples; see `policy_sums`."""
    rows = pl.scan_parquet(list(shards)).filter(pl.col("role") == "holdout")
    scores = rows.select("dataset", "combination", *SAMPLE, "score")
    prompts = detections.filter(role="holdout", form="plain").partition_by("dataset", as_dict=True)
    return {
        str(dataset): policy_sums(
            scores.filter(dataset=dataset).drop("dataset").collect(),
            own,
            own["task_type"][0],
            router,
        )
        for (dataset,), own in prompts.items()
    }


def policy_sums(
    scores: pl.DataFrame, prompts: pl.DataFrame, task_type: str, router: Router
) -> pl.DataFrame:
    """A row a policy with a size ("hybrid 2"), role, split and cluster of one dataset, else as `sum_clusters` gives.

    `scores`: sample-level rows of combinations, `none` among them. `prompts`: the dataset's `sample_id`, `detected` and
    `routed`. `changed` counts the samples for which the policy's list is not the generic one. The drop of a gain is
    what the policy loses less than the generic list. A size has no rows where one of its lists was not evaluated.
    """
    rows = scores.drop_nulls("score").with_columns(pl.col("score").cast(pl.Float64)).unique()
    baseline = rows.filter(combination="none").drop("combination").rename({"score": "baseline"})
    samples = baseline.join(prompts.select("sample_id", "detected", "routed"), on="sample_id")
    tables = []
    for size, blocks in enumerate(router.generic, 1):
        whole = _name(blocks)
        own = {
            name: _name(found[size - 1])
            for name, found in router.task_types.items()
            if len(found) >= size
        }
        detected = pl.col("detected").replace_strict(own, default=whole, return_dtype=pl.String)
        picked = {
            "generic": pl.lit(whole),
            "task": pl.lit(own.get(task_type, whole)),
            "hybrid": pl.when("routed").then(detected).otherwise(pl.lit(whole)),
        }
        lost = {
            name: _lost(samples.with_columns(combination=one), rows, whole)
            for name, one in picked.items()
        }
        if min(map(len, lost.values())) == len(samples):
            for gain, policy in (("gain", "hybrid"), ("possible", "task")):
                lost[gain] = lost[policy].with_columns(
                    drop=lost["generic"]["drop"] - lost[policy]["drop"]
                )
            tables += [
                table.with_columns(combination=pl.lit(f"{name} {size}"))
                for name, table in lost.items()
            ]
    if not tables:
        return pl.DataFrame({"combination": []})
    by = ["combination", "role", "split", "cluster"]
    sums = {name: pl.col(name).sort().sum() for name in ("drop", "baseline", "changed")}
    return pl.concat(tables).group_by(by).agg(n=pl.len(), **sums).sort(by)


def _lost(samples: pl.DataFrame, scores: pl.DataFrame, whole: str) -> pl.DataFrame:
    """Each sample's drop under the combination picked for it."""
    paired = samples.join(
        scores.select("combination", "sample_id", "score"), on=["combination", "sample_id"]
    )
    changed = (pl.col("combination") != whole).cast(pl.Int64)
    return paired.with_columns(drop=pl.col("baseline") - pl.col("score"), changed=changed).sort(
        "sample_id"
    )


def _name(blocks: Iterable[int]) -> str:
    return str(Combination.of(blocks))


def _sizes(evidence: Evidence, sums: Mapping[str, pl.DataFrame]) -> list[dict[str, Any]]:
    """For every size that all datasets have: the policies' mean drops, and the gains with `q` over the sizes."""
    measured = [
        set(sums[name]["combination"]) if name in sums else set() for name in evidence.names
    ]
    sizes = sorted({int(name.split()[1]) for name in set.intersection(*measured)})
    found: list[dict[str, Any]] = [
        {
            "size": size,
            **{name: _mean(evidence, sums, f"{name} {size}") for name in (*POLICIES, *GAINS)},
        }
        for size in sizes
    ]
    for name in (*POLICIES, *GAINS):
        p = [entry[name].pop("p") for entry in found]
        for entry, q in zip(found, false_discovery(p), strict=True):
            entry[name] |= {"q": None if np.isnan(q) else float(q)} if name in GAINS else {}
    return found


def _mean(evidence: Evidence, sums: Mapping[str, pl.DataFrame], name: str) -> dict[str, Any]:
    """The macro-average over datasets; a dataset on which no list differs has a gain of 0 without any doubt."""
    rows = {
        dataset: sums[dataset].filter(combination=name, role=evidence.role)
        for dataset in evidence.names
    }
    certain = {
        dataset: name.startswith(GAINS) and not own["changed"].sum()
        for dataset, own in rows.items()
    }
    drops = [
        clustered_drops(
            own, [name], evidence.scale, 0 if certain[dataset] else evidence.change[dataset]
        )
        for dataset, own in rows.items()
    ]
    found = macro_contrasts(drops, [np.ones((1, 1))] * len(drops))
    mean, low, high = (float(part[0]) for part in (found.means, found.low, found.high))
    changed, samples = (
        sum(int(own[column].sum()) for own in rows.values()) for column in ("changed", "n")
    )
    unknown = bool(np.isnan(found.se[0]))
    return {
        **(
            {"drop": mean, "low": None, "high": None}
            if unknown
            else {"drop": mean, "low": low, "high": high}
        ),
        "changed": changed / samples,
        "p": float(p_values(found.means, found.se, found.freedom)[0]),
    }


def _detection(router: Router, detections: pl.DataFrame) -> dict[str, Any]:
    """How often the detected type is right, on unseen wordings and on holdout prompts."""
    right = detections.with_columns(right=pl.col("detected") == pl.col("task_type"))
    unseen = right.filter(pl.col("role") == "search").drop_nulls("detected")
    holdout = right.filter(pl.col("role") == "holdout").drop_nulls("detected")
    types = [
        {
            "task_type": name,
            "datasets": own["dataset"].unique().sort().to_list(),
            "wordings": own.filter(role="search")["wording"].n_unique(),
            "unseen": _accuracy(unseen.filter(task_type=name)),
            "holdout": _accuracy(holdout.filter(task_type=name)),
        }
        for (name,), own in right.sort("task_type").group_by("task_type", maintain_order=True)
    ]
    return {
        "threshold": router.threshold,
        "min_familiarity": router.min_familiarity,
        "unseen": _accuracy(unseen),
        "holdout": _accuracy(holdout),
        "seen": None if holdout.is_empty() else float(holdout["seen"].sum() / len(holdout)),
        "types": types,
        "confusion": [*_confusion(unseen, "unseen"), *_confusion(holdout, "holdout")],
        "curve": _curve(unseen),
    }


def _accuracy(rows: pl.DataFrame) -> dict[str, Any]:
    """The share of right detections with its interval, clustered by wording; who is routed, and how often wrongly."""
    about: dict[str, Any] = {"prompts": len(rows), "wordings": rows["wording"].n_unique()}
    if rows.is_empty():
        return about | dict.fromkeys(("accuracy", "low", "high", "routed", "error"))
    wrong = clustered_mean(1 - rows["right"].cast(pl.Float64), rows["wording"], max_change=1)
    low, high = (
        None if np.isnan(end) else float(np.clip(1 - end, 0, 1)) for end in (wrong.high, wrong.low)
    )
    routed = rows.filter("routed")
    error = (
        None if routed.is_empty() else 1 - float(routed["right"].cast(pl.Float64).to_numpy().mean())
    )
    return about | {
        "accuracy": 1 - wrong.mean,
        "low": low,
        "high": high,
        "routed": len(routed) / len(rows),
        "error": error,
    }


def _confusion(rows: pl.DataFrame, tried: str) -> list[dict[str, Any]]:
    counts = rows.group_by("task_type", "detected").len("prompts").sort("task_type", "detected")
    return [{"tried": tried, **row} for row in counts.to_dicts()]


def _curve(rows: pl.DataFrame) -> list[dict[str, float]]:
    """Coverage and error at some thresholds, the least confidence first."""
    confidences, right = rows["confidence"].to_numpy(), rows["right"].to_numpy().astype(bool)
    distinct = np.unique(confidences)
    chosen = distinct[
        np.unique(np.linspace(0, len(distinct) - 1, min(POINTS, len(distinct))).round().astype(int))
    ]
    return [
        {
            "threshold": float(limit),
            "coverage": float((confidences >= limit).mean()),
            "error": float((~right[confidences >= limit]).mean()),
        }
        for limit in chosen
    ]
