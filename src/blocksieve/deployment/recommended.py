"""Which combination a name stands for: a strategy, a task type, or the blocks themselves."""

from blocksieve.analysis.pruning_recommendations import RecommendationsDocument
from blocksieve.combination import NONE, Combination
from blocksieve.errors import ConfigError

STRATEGIES = ("conservative", "balanced", "aggressive")
# The strategy whose limit a task type's list must keep.
TASK_TYPE_LIMIT = "balanced"


def combination_of(name: str, recommendations: RecommendationsDocument) -> Combination:
    """Return what a name stands for: `balanced`, a task type such as `VQA`, or blocks as `4-13`.

    A task type's list is its largest that keeps the balanced limit on search samples. ConfigError
    for any other name, and where no list keeps the limit.
    """
    if name in STRATEGIES:
        combination = Combination.parse(recommendations["strategies"][name]["combination"])
        if combination == NONE:
            raise ConfigError(f"no list of blocks keeps the {name} limit of this run")
        return combination
    task_types = {row["name"] for row in recommendations["scenarios"]["known_task"]}
    if name in task_types:
        return _of_task_type(name, recommendations)
    try:
        combination = Combination.parse(name)
    except ValueError as error:
        names = ", ".join([*STRATEGIES, *sorted(task_types)])
        raise ConfigError(f"{name!r} is no list of this run; name blocks, or one of {names}") from (
            error
        )
    if combination == NONE:
        raise ConfigError("a list must name a block to remove")
    return combination


def _of_task_type(name: str, recommendations: RecommendationsDocument) -> Combination:
    limit = recommendations["strategies"][TASK_TYPE_LIMIT]["max_drop"]
    within = []
    for row in recommendations["scenarios"]["known_task"]:
        if row["name"] == name and row["high"] is not None and row["high"] <= limit:
            within.append(row)
    if not within:
        raise ConfigError(f"no list of {name} keeps the {TASK_TYPE_LIMIT} limit of this run")
    largest = max(within, key=lambda row: row["size"])
    return Combination.parse(largest["combination"])
