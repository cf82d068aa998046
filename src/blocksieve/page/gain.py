"""What is gained by removing the blocks of a list, as `deployment/deployment.json` measured it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypedDict

from blocksieve.combination import NONE, Combination
from blocksieve.deployment.timing import AtBatch
from blocksieve.model_description import ModelDescription, removed_shares
from blocksieve.report.numbers import whole_number
from blocksieve.units import PERCENT

MILLION = 1e6
MILLISECONDS = 1000
TIMES = {"first_token": "time to the first token", "further_token": "time per further token"}
NOT_MEASURED = "not measured; snakemake deploy measures it"


class ModelGain(TypedDict):
    """What a model without some blocks takes."""

    combination: str
    parameters: int
    bytes: int
    at_batch: list[AtBatch]
    skipping: list[AtBatch]


class Conditions(TypedDict):
    """What the times depend on, as far as the page says it."""

    device_name: str
    dtype: str


class Deployment(TypedDict):
    """What the page reads of deployment.json."""

    conditions: Conditions
    models: list[ModelGain]


class Fact(TypedDict):
    """A number of the answer, with its name."""

    name: str
    value: str


def gains(
    combination: Combination,
    description: ModelDescription | None,
    deployment: Deployment | None = None,
) -> list[Fact]:
    """Return what a list saves; empty where nothing is known of the model."""
    if description is None:
        return []
    models = _by_combination(deployment)
    baseline = models.get(str(NONE))
    pruned = models.get(str(combination))
    if deployment is None or baseline is None or pruned is None:
        return _without_measurement(combination, description)
    conditions = deployment["conditions"]
    return [
        _parameters(pruned, baseline),
        _bytes(pruned, baseline),
        *_zeros(combination, description),
        # Stock classes compute with zeros; `blocksieve.halves` skips them.
        *_times(pruned["skipping"] or pruned["at_batch"]),
        {"name": "measured on", "value": f"{conditions['device_name']}, {conditions['dtype']}"},
    ]


def _by_combination(deployment: Deployment | None) -> Mapping[str, ModelGain]:
    if deployment is None:
        return {}
    return {model["combination"]: model for model in deployment["models"]}


def _without_measurement(combination: Combination, description: ModelDescription) -> list[Fact]:
    parameters = whole_number(description["parameters"])
    num_blocks = description["num_blocks"]
    left = f"{num_blocks - len(combination.whole_blocks)} of {num_blocks} left"
    if combination.halves:
        left += f", less {len(combination.halves)} halves of them"
    return [
        {"name": "blocks", "value": f"{left}; the whole model has {parameters} parameters"},
        {"name": "time and memory", "value": NOT_MEASURED},
    ]


def _parameters(pruned: ModelGain, baseline: ModelGain) -> Fact:
    before, after = baseline["parameters"], pruned["parameters"]
    value = f"{_change(after / before)}, {whole_number(after)} of {whole_number(before)}"
    return {"name": "parameters", "value": value}


def _bytes(pruned: ModelGain, baseline: ModelGain) -> Fact:
    before, after = baseline["bytes"], pruned["bytes"]
    megabytes = f"{after / MILLION:,.1f} of {before / MILLION:,.1f} MB"
    return {"name": "weights", "value": f"{_change(after / before)}, {megabytes}"}


def _zeros(combination: Combination, description: ModelDescription) -> Iterator[Fact]:
    """Yield what removed halves of blocks are in an export, if there are any."""
    if not combination.halves:
        return
    share = removed_shares(combination, description["sites"])["removed_parameters"]
    number = (
        "" if share is None else f", {PERCENT * share:.1f} % of the parameters with whole blocks"
    )
    yield {
        "name": "removed halves",
        "value": f"zeros in the export{number}; times are those of blocksieve.halves, which skips"
        " them, since stock classes compute with zeros",
    }


def _times(at_batch: Sequence[AtBatch]) -> Iterator[Fact]:
    """Yield the change of each time at each batch size, with its interval."""
    for measured in at_batch:
        timings = {
            "first_token": measured["first_token"],
            "further_token": measured["further_token"],
        }
        for key, timing in timings.items():
            share = timing["of_whole"]
            milliseconds = MILLISECONDS * timing["seconds"]["median"]
            interval = f"[{_change(share['low'])}, {_change(share['high'])}]"
            yield {
                "name": f"{TIMES[key]}, {measured['batch_size']} at once",
                "value": f"{_change(share['median'])} {interval}, {milliseconds:,.1f} ms",
            }


def _change(share: float) -> str:
    """Return how much a share differs from the whole, in %."""
    return f"{PERCENT * (share - 1):+.0f} %"
