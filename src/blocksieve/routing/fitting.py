"""Fit a router on the search samples' prompts, and try it on prompts of unseen wording."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold

from blocksieve.choices import RECOMMENDED, Choice, Scope
from blocksieve.routing.router import Blocks, BlocksBySize, Detection, Router, n_grams

FOLDS = 10
MAX_FEATURES = 20_000
INVERSE_PENALTY = 10.0
MAX_ERROR = 0.05
"""Of the prompts that take a task type's combination, the share that may be of another type."""
UNFAMILIAR = 0.05
"""The share of cross-validated prompts that counts as unlike all others."""
# Solvers agree to more digits than these, so that the same prompts give the same file.
DIGITS = 5


def fit_router(
    prompts: pl.DataFrame, generic: BlocksBySize, task_types: Mapping[str, BlocksBySize]
) -> tuple[Router, pl.DataFrame]:
    """Fit a router, and return what it detects on every prompt, too.

    `prompts`: see `prompts_of`. Only search samples fit, calibrate, and choose the threshold.
    Holdout samples are detected by the fitted router and decide nothing. The table has the columns
    of `prompts` without text, and detected, confidence, routed (takes its task type's combination);
    these are null where a search prompt could not be cross-validated.
    """
    is_search = pl.col("role") == "search"
    search = prompts.filter(is_search)
    not_search = prompts.filter(~is_search)
    router = _trained(search)
    router = replace(router, generic=generic, task_types=task_types)
    detections = cross_validated(search)
    router = _calibrated(router, detections, search)
    for text in not_search["text"]:
        detections.append(router.detect(text))
    reordered = pl.concat([search, not_search])
    return router, _table(router, reordered, detections)


def cross_validated(prompts: pl.DataFrame) -> list[Detection | None]:
    """Return each prompt's detection by a router fitted without any prompt of its wording.

    Folds keep a wording together and the shares of task types alike. The prompts of a task type
    with a single wording are None: without them, their type is unknown. They are in every fit but
    those that test this wording. All are None if fewer than two task types are left to tell apart.
    """
    num_wordings = pl.col("wording").n_unique().over("task_type")
    is_testable = prompts.select(num_wordings > 1).to_series()
    detections: list[Detection | None] = [None] * len(prompts)
    if prompts.filter(is_testable)["task_type"].n_unique() < 2:
        return detections
    texts = prompts["text"].to_list()
    wordings = prompts["wording"].to_numpy()
    for rows in _folds(prompts, is_testable.to_numpy()):
        is_tested = np.isin(wordings, wordings[rows])
        router = _trained(prompts.filter(~is_tested))
        for row in rows:
            detections[row] = router.detect(texts[row])
    return detections


def _folds(prompts: pl.DataFrame, is_testable: NDArray[np.bool_]) -> Iterator[NDArray[np.intp]]:
    """Yield the rows of `prompts` that each fold tests."""
    rows = np.flatnonzero(is_testable)
    types = prompts["task_type"].to_numpy()[rows]
    wordings = prompts["wording"].to_numpy()[rows]
    num_wordings = len(np.unique(wordings))
    _, type_counts = np.unique(types, return_counts=True)
    num_folds = min(FOLDS, num_wordings, type_counts.min())
    splitter = StratifiedGroupKFold(num_folds)
    for _, fold in splitter.split(rows, types, wordings):
        yield rows[fold]


def _calibrated(
    router: Router, detections: list[Detection | None], prompts: pl.DataFrame
) -> Router:
    """Return the router with rules by cross-validated detections; nothing is routed without any.

    Those of plain prompts count, as users ask: a dataset's instructions, which the classifier has
    learnt, would make each of its questions look sure.
    `threshold` is the least confidence at which at most MAX_ERROR of the routed prompts are of
    another type. A familiarity below the detections' quantile UNFAMILIAR is too little.
    """
    tried = []
    right_or_wrong = []
    is_plain = prompts["form"] == "plain"
    for detection, task_type, plain in zip(detections, prompts["task_type"], is_plain, strict=True):
        if plain and detection is not None:
            tried.append(detection)
            right_or_wrong.append(detection.task_type == task_type)
    if not tried:
        return router
    is_right = np.array(right_or_wrong)
    margins = np.array([detection.margin for detection in tried])
    slope, offset = calibrated(margins, is_right)
    familiarities = [detection.familiarity for detection in tried]
    min_familiarity = float(np.quantile(familiarities, UNFAMILIAR))
    router = replace(
        router,
        slope=slope,
        offset=offset,
        min_familiarity=round(min_familiarity, DIGITS),
    )
    confidences = np.array([router.confidence(detection) for detection in tried])
    threshold = least_threshold(confidences, is_right)
    return replace(router, threshold=threshold)


def calibrated(margins: NDArray[np.float64], is_right: NDArray[np.bool_]) -> tuple[float, float]:
    """Fit slope (0 or more) and offset of the confidence to whether detections were right.

    Platt's logistic fit. His targets, (n + 1) / (n + 2) and 1 / (n + 2), keep it finite where all
    were right ("Probabilistic outputs for support vector machines", Advances in Large Margin
    Classifiers, 1999). Both arrays: (detections,).
    """
    num_right = is_right.sum()
    num_wrong = (~is_right).sum()
    right_target = (num_right + 1) / (num_right + 2)
    wrong_target = 1 / (num_wrong + 2)
    targets = np.where(is_right, right_target, wrong_target)

    def loss(parameters: NDArray[np.float64]) -> float:
        """Return the mean cross-entropy; `parameters`: slope and offset."""
        slope, offset = parameters
        log_odds = slope * margins + offset
        losses = np.logaddexp(0, log_odds) - targets * log_odds
        return float(losses.mean())

    start = np.array([1.0, 0.0])
    bounds = [(0, None), (None, None)]
    minimum = minimize(loss, start, method="L-BFGS-B", bounds=bounds)
    slope, offset = map(float, minimum.x)
    return round(slope, DIGITS), round(offset, DIGITS)


def least_threshold(confidences: NDArray[np.float64], is_right: NDArray[np.bool_]) -> float | None:
    """Return the least confidence above 0 from which on at most MAX_ERROR are wrong.

    None if there is none. Both arrays: (detections,).
    """
    for threshold in np.unique(confidences[confidences > 0]):
        is_right_routed = is_right[confidences >= threshold]
        if (~is_right_routed).mean() <= MAX_ERROR:
            return float(threshold)
    return None


def _trained(prompts: pl.DataFrame) -> Router:
    """Return a router that detects, without rules or combinations.

    A router of fewer than two task types knows none. Repeated prompts count for the classifier, in
    which all task types weigh the same, and not for the idf.
    """
    counts = prompts.group_by("task_type", "text").len()
    counts = counts.sort("task_type", "text")
    num_types = counts["task_type"].n_unique()
    if num_types < 2:
        return _untrained()
    vectors = TfidfVectorizer(analyzer=n_grams, max_features=MAX_FEATURES)
    matrix = vectors.fit_transform(counts["text"])  # (texts, n-grams)
    shares = counts.select(pl.col("len") / pl.sum("len").over("task_type")).to_series()
    # They sum to the number of prompts, so that the penalty weighs as without weights.
    weights = len(prompts) / num_types * shares.to_numpy()
    classifier = LogisticRegression(C=INVERSE_PENALTY, max_iter=1000)
    classifier.fit(matrix, counts["task_type"], weights)
    coefficients = classifier.coef_  # (types, n-grams)
    intercepts = classifier.intercept_  # (types,)
    if num_types == 2:  # then both have one row, for the second type
        coefficients = np.concatenate([0 * coefficients, coefficients])
        intercepts = np.concatenate([0 * intercepts, intercepts])
    return Router(
        types=tuple(map(str, classifier.classes_)),
        vocabulary=tuple(vectors.get_feature_names_out()),
        idf=vectors.idf_.round(DIGITS),
        # scikit-learn's smooth idf of an n-gram that no text has.
        unknown_idf=round(float(np.log(1 + len(counts)) + 1), DIGITS),
        coefficients=coefficients.T.round(DIGITS),
        intercepts=intercepts.round(DIGITS),
    )


def _untrained() -> Router:
    """Return a router that knows no task type."""
    return Router(
        types=(),
        vocabulary=(),
        idf=np.zeros(0),
        unknown_idf=1.0,
        coefficients=np.zeros((0, 0)),
        intercepts=np.zeros(0),
    )


def _table(
    router: Router, prompts: pl.DataFrame, detections: list[Detection | None]
) -> pl.DataFrame:
    types: list[str | None] = []
    confidences: list[float | None] = []
    for detection in detections:
        if detection is None:
            types.append(None)
            confidences.append(None)
        else:
            types.append(detection.task_type)
            confidences.append(router.confidence(detection))
    threshold = np.inf if router.threshold is None else router.threshold
    table = prompts.drop("text").with_columns(
        detected=pl.Series(types, dtype=pl.String),
        confidence=pl.Series(confidences, dtype=pl.Float64),
    )
    return table.with_columns(routed=pl.col("confidence") >= threshold)


def combinations_by_task_type(
    choices: Iterable[Choice],
) -> tuple[BlocksBySize, dict[str, BlocksBySize]]:
    """Return the generic combinations and those of each task type, from size 1 up to a gap.

    `choices`: what the run chose. Only the recommended ones count.
    """
    generic: dict[int, Blocks] = {}
    task_types: dict[str, dict[int, Blocks]] = {}
    for choice in choices:
        if choice.method != RECOMMENDED:
            continue
        blocks = choice.combination.names
        if choice.scope == Scope.GENERIC:
            generic[choice.size] = blocks
        elif choice.scope == Scope.TASK_TYPE:
            by_size = task_types.setdefault(choice.name, {})
            by_size[choice.size] = blocks
    by_task_type = {}
    for name, by_size in sorted(task_types.items()):
        by_task_type[name] = _up_to_gap(by_size)
    return _up_to_gap(generic), by_task_type


def _up_to_gap(by_size: dict[int, Blocks]) -> BlocksBySize:
    combinations: list[Blocks] = []
    size = 1
    while size in by_size:
        combinations.append(by_size[size])
        size += 1
    return tuple(combinations)
