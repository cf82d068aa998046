"""Measure what a model without some blocks gains: size, time, memory, against the whole model.

All models are in memory at once and share their weights, so that whole and pruned ones take turns
on the same prompts. Their modules are those of the exports, which compare them with stock ones.
"""

import hashlib
import itertools
import logging
import os
import platform
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple, TypedDict

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from scipy.stats import binom
from torch.profiler import ProfilerActivity, profile
from transformers import LogitsProcessor, PreTrainedModel

from blocksieve.analysis.pruning_recommendations import (
    BestOfSize,
    DropInterval,
    RecommendationsDocument,
)
from blocksieve.combination import NONE, Combination
from blocksieve.datasets.sample import SampleRow
from blocksieve.deployment.timing import AtBatch, Median, Timing
from blocksieve.engine.attempt import out_of_memory
from blocksieve.engine.generation import extra_processors, generate_greedily
from blocksieve.engine.inputs import learnt_positions, make_inputs, sample_rows
from blocksieve.engine.positions import rotary_state_kept
from blocksieve.engine.prefixes import Inputs
from blocksieve.models.loading import LoadedModel, load_model
from blocksieve.models.view import skipping, without_blocks
from blocksieve.pareto import on_front
from blocksieve.specs import DatasetSpec, EvaluationSpec, ModelSpec, Role
from blocksieve.version import VERSION

logger = logging.getLogger("blocksieve")

# Batches that each model answers at most, and at least, however long that takes.
REPEATS = 20
FEWEST_REPEATS = 8
SECONDS_OF_REPEATS = 180
ANSWER_TOKENS = 6
# The batch where the evaluation's is `auto`, which depends on the memory that was free.
AUTOMATIC_BATCH = 16
# At least so sure is the interval of a median.
CONFIDENCE = 0.95
INTERVAL = (
    "of the median, by order statistics, at least 95 % (David and Nagaraja, Order Statistics, 2003,"
    " section 7.1)"
)
PEAK = "bytes of the weights, and the most that answering one batch took beside them"
# A record of torch's profiler: some memory was taken, or given back.
MEMORY_EVENT = "[memory]"


class ModelGain(TypedDict):
    """What a model without some blocks takes; `none` is the whole one.

    `strategies` recommend it. `holdout` is what it loses there, in the unit of the run.
    `cache_bytes_per_token` are those of keys and values, `state_bytes` those that each prompt
    takes however long it is: recurrent states, full windows, an encoder's keys and values.
    Both are None where `generate` does not return its cache.
    `skipping`: the same as `at_batch` where removed halves do not run (`blocksieve.halves.apply`),
    while stock classes compute with their zeros; empty if it lacks whole blocks only.
    """

    combination: str
    size: int
    strategies: list[str]
    parameters: int
    bytes: int
    at_batch: list[AtBatch]
    skipping: list[AtBatch]
    cache_bytes_per_token: float | None
    state_bytes: float | None
    holdout: DropInterval | None


class Range(TypedDict):
    """The least, the middle and the greatest of some counts."""

    least: int
    median: float
    greatest: int


class Conditions(TypedDict):
    """All that the times depend on; lengths in tokens, without padding."""

    device: str
    device_name: str
    dtype: str
    attention: str
    threads: int
    datasets: list[str]
    role: Role
    prompt_tokens: Range
    answer_tokens: Range
    interval: str
    peak: str
    versions: dict[str, str]


class DeploymentDocument(TypedDict):
    """Content of deployment.json; schema deployment.schema.json.

    `pareto`: the combinations than which no other saves more parameters, and loses less on holdout
    samples; zeros in place of removed halves are saved, too. `unit` is that of drops.
    """

    conditions: Conditions
    unit: str
    models: list[ModelGain]
    pareto: list[str]


class Variant(NamedTuple):
    """A model that is measured: removed halves have zeros for weights there, or do not run."""

    combination: Combination
    skips_halves: bool = False


WHOLE = Variant(NONE)


@dataclass
class Lengths:
    """Tokens of the prompts that were asked, and of the answers to them."""

    prompts: list[int] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Questions:
    """A run's samples of one role, by dataset in the order of a hash, and how they are asked."""

    role: Role
    definitions: Mapping[str, DatasetSpec]
    rows: Mapping[str, Sequence[SampleRow]]

    def batches(self, batch_size: int) -> Iterator[tuple[str, list[SampleRow]]]:
        """Yield batches without end, one dataset after the other, each from its samples in turn."""
        streams = {dataset: itertools.cycle(rows) for dataset, rows in self.rows.items()}
        for dataset in itertools.cycle(streams):
            yield dataset, list(itertools.islice(streams[dataset], batch_size))


class Clock(LogitsProcessor):  # type: ignore[misc]
    """A model's last logits processor: it changes nothing, but notes when a step's scores come."""

    def __init__(self, gpus: Sequence[torch.device]) -> None:
        self.gpus = gpus
        self.times: list[float] = []

    def __call__(self, _: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Note the time, once all work on the scores is done."""
        self.times.append(now(self.gpus))
        return scores


def measure_gain(
    model: ModelSpec,
    evaluation: EvaluationSpec,
    recommendations: RecommendationsDocument,
    definitions: Mapping[str, DatasetSpec],
    tables: Mapping[str, Path],
) -> DeploymentDocument:
    """Measure the whole model and the best combination of every size, on a run's own prompts."""
    loaded = load_model(model)
    questions = read_questions(definitions, tables)
    variants = [WHOLE]
    for best in recommendations["sizes"]:
        combination = Combination.parse(best["combination"])
        variants.append(Variant(combination))
        if combination.halves:
            variants.append(Variant(combination, skips_halves=True))
    models = {variant: _model_of(loaded, variant) for variant in variants}
    lengths = Lengths()
    at_batch: dict[Variant, list[AtBatch]] = {variant: [] for variant in variants}
    for batch_size in batch_sizes(evaluation):
        measured = _measure_with_room(loaded, models, questions, batch_size, lengths)
        for variant, result in measured.items():
            at_batch[variant].append(result)
    gains = []
    for variant, pruned in models.items():
        if not variant.skips_halves:
            gains.append(_gain(loaded, pruned, variant, questions, recommendations, at_batch))
    _log(gains)
    return {
        "conditions": _conditions(loaded, questions, lengths),
        "unit": recommendations["unit"],
        "models": gains,
        "pareto": pareto(recommendations["sizes"]),
    }


def _model_of(loaded: LoadedModel, variant: Variant) -> PreTrainedModel:
    """Return a model that shares its weights with the whole one."""
    build = skipping if variant.skips_halves else without_blocks
    return build(loaded.model, variant.combination, loaded.blocks.path)


def batch_sizes(evaluation: EvaluationSpec) -> list[int]:
    """Return 1, and how many samples the evaluation answers at once."""
    size = evaluation.batch_size
    return sorted({1, AUTOMATIC_BATCH if size == "auto" else size})


def read_questions(definitions: Mapping[str, DatasetSpec], tables: Mapping[str, Path]) -> Questions:
    """Read the holdout samples of a run's datasets; the search samples if it has none."""
    samples = {dataset: pl.read_parquet(tables[dataset]) for dataset in definitions}
    roles: tuple[Role, Role] = ("holdout", "search")
    for role in roles:
        rows = {}
        for dataset, table in samples.items():
            of_role = sample_rows(table.filter(role=role))
            rows[dataset] = sorted(of_role, key=_hash_of)
        if all(rows.values()):
            break
    return Questions(role, definitions, rows)


def _hash_of(row: SampleRow) -> str:
    return hashlib.sha256(row["sample_id"].encode()).hexdigest()


def median_of(values: Sequence[float] | NDArray[np.float64]) -> Median:
    """Return the median of some values with its interval, which takes six values at least.

    The r-th smallest and the r-th largest value hold the true median between them with probability
    1 - 2 P(B < r), where B is binomial with as many tries as there are values; see INTERVAL.
    """
    ordered = sorted(float(value) for value in values)
    rank = int(binom.ppf((1 - CONFIDENCE) / 2, len(ordered), 0.5))
    return {
        "median": float(np.median(ordered)),
        "low": ordered[rank - 1],
        "high": ordered[-rank],
    }


def pareto(lists: Sequence[BestOfSize]) -> list[str]:
    """Return the lists on the front of saved parameters and holdout drop; `none` loses nothing."""
    costs = [(0.0, 0.0)]
    measured = [str(NONE)]
    for best in lists:
        drop = best["holdout"]["drop"] if best["holdout"] else None
        if drop is not None and best["removed_parameters"] is not None:
            costs.append((-best["removed_parameters"], drop))
            measured.append(best["combination"])
    is_on_front = on_front(costs)
    return list(itertools.compress(measured, is_on_front))


def gpus_of(model: PreTrainedModel) -> list[torch.device]:
    """Return the GPUs that hold a model's weights; none for one on the CPU."""
    devices = {weight.device for weight in model.parameters()}
    return sorted((device for device in devices if device.type == "cuda"), key=str)


def now(gpus: Sequence[torch.device]) -> float:
    """Return the time in seconds, once the GPUs have done all that they were asked to do."""
    for gpu in gpus:
        torch.cuda.synchronize(gpu)
    return time.perf_counter()


def _measure_with_room(
    loaded: LoadedModel,
    models: Mapping[Variant, PreTrainedModel],
    questions: Questions,
    batch_size: int,
    lengths: Lengths,
) -> dict[Variant, AtBatch]:
    """Measure at a batch size; with half as many samples at once where memory runs out."""
    try:
        return _measure(loaded, models, questions, batch_size, lengths)
    except Exception as error:
        if not out_of_memory(error) or batch_size == 1:
            raise
        logger.warning("not enough memory for batches of %d samples: half as many", batch_size)
    return _measure_with_room(loaded, models, questions, batch_size // 2, lengths)


def _measure(
    loaded: LoadedModel,
    models: Mapping[Variant, PreTrainedModel],
    questions: Questions,
    batch_size: int,
    lengths: Lengths,
) -> dict[Variant, AtBatch]:
    """Let all models answer the same batches in turns, in another order each time.

    The first batch warms up, and is where memory is measured. Slow models answer fewer batches.
    """
    gpus = gpus_of(loaded.model)
    batches = questions.batches(batch_size)
    inputs, num_tokens = _inputs(loaded, questions, batches, None)
    peaks = {}
    for variant, model in models.items():
        peaks[variant] = peak_bytes(gpus, _answering(model, inputs, num_tokens))
    first: dict[Variant, list[float]] = {each: [] for each in models}
    further: dict[Variant, list[float]] = {each: [] for each in models}
    start = time.monotonic()
    for repeat in range(REPEATS):
        if repeat >= FEWEST_REPEATS and time.monotonic() - start > SECONDS_OF_REPEATS:
            break
        inputs, num_tokens = _inputs(loaded, questions, batches, lengths)
        order = list(models)
        random.Random(repeat).shuffle(order)
        for variant in order:
            times = _times(models[variant], inputs, num_tokens, gpus)
            first[variant].append(times[0])
            further[variant].append(times[1])
    results: dict[Variant, AtBatch] = {}
    for variant, model in models.items():
        results[variant] = {
            "batch_size": batch_size,
            "repeats": len(first[variant]),
            "first_token": _timing(first[variant], first[WHOLE]),
            "further_token": _timing(further[variant], further[WHOLE]),
            "peak_bytes": weights_bytes(model) + peaks[variant],
        }
    return results


def _inputs(
    loaded: LoadedModel,
    questions: Questions,
    batches: Iterator[tuple[str, list[SampleRow]]],
    lengths: Lengths | None,
) -> tuple[Inputs, int]:
    """Return the next batch as the model takes it, and how many tokens answer it."""
    dataset, rows = next(batches)
    inputs = make_inputs(loaded, rows, questions.definitions[dataset].prompt)
    token_counts = [inputs["input_ids"].shape[1]] * len(rows)
    if "attention_mask" in inputs:
        token_counts = inputs["attention_mask"].sum(dim=1).tolist()  # (rows, width) -> (rows,)
    num_tokens = ANSWER_TOKENS
    positions = learnt_positions(loaded)
    if positions is not None and not loaded.model.config.is_encoder_decoder:
        # The last token is not read any more.
        num_tokens = max(2, min(ANSWER_TOKENS, positions - max(token_counts) + 1))
    if lengths is not None:
        lengths.prompts += token_counts
        lengths.answers.append(num_tokens)
    return inputs, num_tokens


def _answering(model: PreTrainedModel, inputs: Inputs, num_tokens: int) -> Callable[[], object]:
    return lambda: _answer(model, inputs, num_tokens)


def _answer(
    model: PreTrainedModel, inputs: Inputs, num_tokens: int, *, with_cache: bool = False
) -> object:
    """Answer with exactly so many tokens; return what `generate` does, with its cache if wanted."""
    with rotary_state_kept(model):
        return generate_greedily(
            model,
            inputs,
            num_tokens,
            min_new_tokens=num_tokens,
            return_dict_in_generate=with_cache,
        )


def _times(
    model: PreTrainedModel, inputs: Inputs, num_tokens: int, gpus: Sequence[torch.device]
) -> tuple[float, float]:
    """Return the seconds to the first token, and on average to each further one."""
    clock = Clock(gpus)
    copies = {name: value.clone() for name, value in inputs.items()}
    with extra_processors(model, [clock]), rotary_state_kept(model):
        start = now(gpus)
        model.generate(
            **copies,
            max_new_tokens=num_tokens,
            min_new_tokens=num_tokens,
            do_sample=False,
            num_beams=1,
        )
    first, last = clock.times[0], clock.times[-1]
    return first - start, (last - first) / (len(clock.times) - 1)


def _timing(seconds: Sequence[float], of_whole_model: Sequence[float]) -> Timing:
    shares = np.array(seconds) / np.array(of_whole_model)  # (repeats,)
    return {"seconds": median_of(seconds), "of_whole": median_of(shares)}


def peak_bytes(gpus: Sequence[torch.device], answer: Callable[[], object]) -> int:
    """Return the most memory that a call held at once, beside what was there before it.

    On the GPUs, or in main memory if there are none.
    """
    if gpus:
        for gpu in gpus:
            torch.cuda.reset_peak_memory_stats(gpu)
        before: int = sum(torch.cuda.memory_allocated(gpu) for gpu in gpus)
        answer()
        most: int = sum(torch.cuda.max_memory_allocated(gpu) for gpu in gpus)
        return most - before
    # The profiler would write a line to stderr whenever it starts or stops.
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        answer()
    events = profiler.profiler.kineto_results.events()
    changes = [event for event in events if event.name() == MEMORY_EVENT]
    held, peak = 0, 0
    for change in sorted(changes, key=lambda event: event.start_ns()):
        held += change.nbytes()  # below 0 where memory was given back
        peak = max(peak, held)
    return peak


def weights_bytes(model: PreTrainedModel) -> int:
    """Return the bytes of a model's weights, tied ones counted once."""
    total: int = sum(weight.nbytes for weight in model.parameters())
    return total


def _gain(
    loaded: LoadedModel,
    model: PreTrainedModel,
    variant: Variant,
    questions: Questions,
    recommendations: RecommendationsDocument,
    at_batch: Mapping[Variant, list[AtBatch]],
) -> ModelGain:
    combination = variant.combination
    name = str(combination)
    strategies = []
    for strategy, recommended in recommendations["strategies"].items():
        if recommended["combination"] == name != str(NONE):
            strategies.append(strategy)
    holdout = None
    for best in recommendations["sizes"]:
        if best["combination"] == name:
            holdout = best["holdout"]
    per_token, state = cache_bytes(loaded, model, questions)
    return {
        "combination": name,
        "size": combination.size,
        "strategies": strategies,
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "bytes": weights_bytes(model),
        "at_batch": at_batch[variant],
        "skipping": at_batch.get(Variant(combination, skips_halves=True), []),
        "cache_bytes_per_token": per_token,
        "state_bytes": state,
        "holdout": holdout,
    }


def cache_bytes(
    loaded: LoadedModel, model: PreTrainedModel, questions: Questions
) -> tuple[float | None, float | None]:
    """Return the bytes of a prompt's cache that each token adds, and those that stay the same.

    Tensors of the cache that grow from an answer of two tokens to a longer one are keys and values.
    """
    inputs, num_tokens = _inputs(loaded, questions, questions.batches(1), None)
    few, many = 2, num_tokens + 1
    short, long = (_cache_sizes(model, inputs, count) for count in (few, many))
    if not long:
        return None, None
    growth = sum(after - before for before, after in zip(short, long, strict=True))
    same = sum(after for before, after in zip(short, long, strict=True) if after == before)
    return growth / (many - few), float(same)


def _cache_sizes(model: PreTrainedModel, inputs: Inputs, num_tokens: int) -> list[int]:
    """Return the bytes of each tensor that the cache holds after an answer."""
    output = _answer(model, inputs, num_tokens, with_cache=True)
    cache = getattr(output, "past_key_values", None)
    return [tensor.nbytes for tensor in _tensors_of(cache)]


def _tensors_of(holder: object) -> Iterator[torch.Tensor]:
    """Yield the tensors in an object and in what it holds, as a cache holds its layers."""
    if isinstance(holder, torch.Tensor):
        yield holder
    elif isinstance(holder, Mapping):
        for part in holder.values():
            yield from _tensors_of(part)
    elif isinstance(holder, (list, tuple)):
        for part in holder:
            yield from _tensors_of(part)
    elif "cache" in f"{type(holder).__module__}.{type(holder).__name__}".lower():
        yield from _tensors_of(vars(holder))


def _conditions(loaded: LoadedModel, questions: Questions, lengths: Lengths) -> Conditions:
    model = loaded.model
    return {
        "device": loaded.device.type,
        "device_name": device_name(loaded.device),
        "dtype": str(model.dtype).removeprefix("torch."),
        "attention": str(getattr(model.config, "_attn_implementation", None)),
        "threads": torch.get_num_threads(),
        "datasets": list(questions.rows),
        "role": questions.role,
        "prompt_tokens": _range(lengths.prompts),
        "answer_tokens": _range(lengths.answers),
        "interval": INTERVAL,
        "peak": PEAK,
        "versions": {
            "blocksieve": VERSION,
            "python": platform.python_version(),
            "torch": version("torch"),
            "transformers": version("transformers"),
        },
    }


def device_name(device: torch.device) -> str:
    """Return what the device is called by its maker."""
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    description = Path("/proc/cpuinfo")
    if description.is_file():
        for line in description.read_text(encoding="utf-8").splitlines():
            key, _, name = line.partition(":")
            if key.strip() == "model name":
                return name.strip()
    return platform.processor() or platform.machine()


def _range(counts: Sequence[int]) -> Range:
    return {
        "least": min(counts),
        "median": float(np.median(counts)),
        "greatest": max(counts),
    }


def _log(gains: Sequence[ModelGain]) -> None:
    for gain in gains:
        for measured in gain["at_batch"]:
            logger.info(
                "%s: %.1f MB; batches of %d: %.1f ms to the first token, %.1f ms per further one",
                gain["combination"],
                gain["bytes"] / 1e6,
                measured["batch_size"],
                1000 * measured["first_token"]["seconds"]["median"],
                1000 * measured["further_token"]["seconds"]["median"],
            )
