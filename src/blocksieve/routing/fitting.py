"""Fit a router on the search samples' prompts, and try it on prompts whose wording it has not seen."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import count, takewhile
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold

from blocksieve.combination import Combination
from blocksieve.routing.router import Detection, Lists, Router, n_grams

FOLDS = 10
MAX_FEATURES = 20_000
INVERSE_PENALTY = 10.0
MAX_ERROR = 0.05
"""Of the prompts that take a task type's list, at most this share may be of another type, in cross-validation."""
UNFAMILIAR = 0.05
"""The share of cross-validated prompts that counts as unlike all others."""
# Solvers agree to more digits than these, so that the same prompts give the same file.
DIGITS = 5


def fit_router(
    prompts: pl.DataFrame, generic: Lists, task_types: Mapping[str, Lists]
) -> tuple[Router, pl.DataFrame]:
    """Fit a router, and say what it detects on every prompt of `prompts_of`.

    Only search samples fit, calibrate, and choose the threshold. Each is detected by a router fitted without its
    wording; of these detections the confidence is calibrated, and familiarity below their quantile `UNFAMILIAR` is too
    little. `threshold` is the least confidence at which at most `MAX_ERROR` of those who take a task type's list are of
    another type; where there is none, nothing was cross-validated, or there are not two task types, all is generic.
    Holdout samples are detected by the fitted router and decide nothing.

    The second table: the columns of `prompts` without text, `detected`, `confidence` and `routed` (takes the task
    type's list), null where a search prompt could not be cross-validated.
    """
    search, rest = prompts.filter(role="search"), prompts.filter(pl.col("role") != "search")
    router, tried = _trained(search), cross_validated(search)
    known = [(found, true) for found, true in zip(tried, search["task_type"], strict=True) if found]
    router = replace(router, generic=generic, task_types=task_types)
    if known:
        detections = [found for found, _ in known]
        right = np.array([found.task_type == true for found, true in known])
        slope, offset = calibrated(np.array([found.margin for found in detections]), right)
        familiar = float(np.quantile([found.familiarity for found in detections], UNFAMILIAR))
        router = replace(
            router, slope=slope, offset=offset, min_familiarity=round(familiar, DIGITS)
        )
        confidences = np.array([router.confidence(found) for found in detections])
        router = replace(router, threshold=least_threshold(confidences, right))
    return router, _table(
        router, pl.concat([search, rest]), [*tried, *map(router.detect, rest["text"])]
    )


def cross_validated(prompts: pl.DataFrame) -> list[Detection | None]:
    """Each prompt's detection by a router that was fitted without any prompt of its wording.

    Folds keep a wording together and the shares of task types alike. The prompts of a task type with a single wording
    are in every fit but those that test this wording, and are None themselves: without them their type is unknown.
    All are None where that leaves fewer than two types to tell apart.
    """
    counts = prompts.group_by("task_type").agg(pl.col("wording").n_unique())
    several = counts.filter(pl.col("wording") > 1)["task_type"].to_list()
    types, groups = prompts["task_type"].to_numpy(), prompts["wording"].to_numpy()
    tested = np.flatnonzero(np.isin(types, several))
    found: list[Detection | None] = [None] * len(prompts)
    if len(several) < 2:
        return found
    fewest = min(np.unique(types[tested], return_counts=True)[1])
    folds = StratifiedGroupKFold(min(FOLDS, len(np.unique(groups[tested])), fewest))
    for _, places in folds.split(tested, types[tested], groups[tested]):
        test = tested[places]
        router = _trained(prompts.filter(~np.isin(groups, groups[test])))
        for place in test:
            found[place] = router.detect(prompts["text"][int(place)])
    return found


def calibrated(margins: NDArray[np.float64], right: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope (0 or more) and offset of the confidence, by Platt's logistic fit to whether detections were right.

    His targets, (n + 1) / (n + 2) and 1 / (n + 2), keep it finite where all were right ("Probabilistic outputs for
    support vector machines", Advances in Large Margin Classifiers, 1999).
    """
    targets = np.where(right, (right.sum() + 1) / (right.sum() + 2), 1 / ((~right).sum() + 2))

    def loss(parameters: NDArray[np.float64]) -> float:
        odds = parameters[0] * margins + parameters[1]
        return float((np.logaddexp(0, odds) - targets * odds).mean())

    slope, offset = minimize(
        loss, np.array([1.0, 0.0]), method="L-BFGS-B", bounds=[(0, None), (None, None)]
    ).x
    return round(float(slope), DIGITS), round(float(offset), DIGITS)


def least_threshold(confidences: NDArray[np.float64], right: NDArray[np.bool_]) -> float | None:
    """The least confidence above 0 at which at most `MAX_ERROR` of those at or above it are wrong, if there is one."""
    for threshold in np.unique(confidences[confidences > 0]):
        if (~right[confidences >= threshold]).mean() <= MAX_ERROR:
            return float(threshold)
    return None


def _trained(prompts: pl.DataFrame) -> Router:
    """A router that detects, without rules or lists; one of fewer than two task types knows none.

    Repeated prompts count for the classifier, in which all task types weigh the same, and not for the idf.
    """
    counts = prompts.group_by("task_type", "text").len().sort("task_type", "text")
    weights = counts.select(pl.col("len") / pl.sum("len").over("task_type")).to_series().to_numpy()
    types = counts["task_type"].unique().sort().to_list()
    if len(types) < 2:
        return Router((), (), np.zeros(0), 1.0, np.zeros((0, 0)), np.zeros(0))
    vectors = TfidfVectorizer(analyzer=n_grams, max_features=MAX_FEATURES)
    matrix = vectors.fit_transform(counts["text"])
    classifier = LogisticRegression(C=INVERSE_PENALTY, max_iter=1000)
    classifier.fit(matrix, counts["task_type"], len(prompts) / len(types) * weights)
    coefficients, intercepts = classifier.coef_, classifier.intercept_
    if len(types) == 2:  # then it has one row, for the second type
        coefficients, intercepts = (
            np.concatenate([0 * part, part]) for part in (coefficients, intercepts)
        )
    return Router(
        types=tuple(map(str, classifier.classes_)),
        vocabulary=tuple(vectors.get_feature_names_out()),
        idf=vectors.idf_.round(DIGITS),
        unknown_idf=round(float(np.log(1 + len(counts)) + 1), DIGITS),
        coefficients=coefficients.T.round(DIGITS),
        intercepts=intercepts.round(DIGITS),
    )


def _table(
    router: Router, prompts: pl.DataFrame, found: Sequence[Detection | None]
) -> pl.DataFrame:
    confidences = [None if one is None else router.confidence(one) for one in found]
    limit = np.inf if router.threshold is None else router.threshold
    columns = {
        "detected": pl.Series([one and one.task_type for one in found], dtype=pl.String),
        "confidence": pl.Series(confidences, dtype=pl.Float64),
    }
    return (
        prompts.drop("text")
        .with_columns(**columns)
        .with_columns(routed=pl.col("confidence") >= limit)
    )


def lists_of(choices: Iterable[Mapping[str, Any]]) -> tuple[Lists, dict[str, Lists]]:
    """The generic list and those of task types, at every size from 1 on: what the search chose (`finalists.json`).

    Both kinds are finalists, so that every dataset has them on holdout samples.
    """
    found: dict[tuple[str, str], dict[int, tuple[int, ...]]] = {}
    for choice in choices:
        if choice["method"] == "beam" and choice["scope"] in ("generic", "task_type"):
            blocks = Combination.parse(choice["combination"]).blocks
            found.setdefault((choice["scope"], choice["name"]), {})[choice["size"]] = blocks
    lists = {
        key: tuple(by_size[size] for size in takewhile(by_size.__contains__, count(1)))
        for key, by_size in sorted(found.items())
    }
    return lists.pop(("generic", "generic"), ()), {name: own for (_, name), own in lists.items()}
