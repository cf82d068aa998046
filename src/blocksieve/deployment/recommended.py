"""Which combination a name stands for: a strategy, a task type, or the blocks themselves."""

from blocksieve.analysis.pruning_recommendations import (
    RecommendationsDocument,
    num_within,
    upper_end,
)
from blocksieve.combination import NONE, Combination
from blocksieve.errors import ConfigError

STRATEGIES = ("conservative", "balanced", "aggressive")
# The strategy whose limit a task type's list must keep.
TASK_TYPE_LIMIT = "balanced"


def combination_of(name: str, recommendations: RecommendationsDocument) -> Combination:
    """Return what a name stands for: `balanced`, a task type such as `VQA`, or blocks as `4-13`.

    A task type's list is the last, from one block upward, before the first that does not keep the
    balanced limit on holdout samples. ConfigError for any other name, and where no list keeps it.
    """
    if name in STRATEGIES:
        combination = Combination.parse(recommendations["strategies"][name]["combination"])
        if combination == NONE:
            raise ConfigError(f"no list of blocks is shown to keep the {name} limit of this run")
        return combination
    task_types = {row["name"] for row in recommendations["scenarios"]["known_task"]}
    if name in task_types:
        return _of_task_type(name, recommendations)
    try:
        combination = Combination.parse(name)
    except ValueError as error:
        names = ", ".join([*STRATEGIES, *sorted(task_types)])
        message = f"{name!r} is no list of this run; name blocks, or one of {names}"
        raise ConfigError(message) from error
    if combination == NONE:
        raise ConfigError("a list must name a block to remove")
    return combination


def _of_task_type(name: str, recommendations: RecommendationsDocument) -> Combination:
    limit = recommendations["strategies"][TASK_TYPE_LIMIT]["max_drop"]
    rows = [row for row in recommendations["scenarios"]["known_task"] if row["name"] == name]
    rows.sort(key=lambda row: row["size"])
    num_kept = num_within([upper_end(row["holdout"]) for row in rows], limit)
    if not num_kept:
        raise ConfigError(f"no list of {name} is shown to keep the {TASK_TYPE_LIMIT} limit")
    return Combination.parse(rows[num_kept - 1]["combination"])
