"""All that a GPU has to show, in one run of a few minutes: `benchmarks/gpu.sh`.

Parts come in the order of their worth. Each has a time of its own and is left out, with a line that
says so, where the whole would take too long. Results are written after every measurement, so that
little is lost if the run is ended. `--small` runs every part with tiny models, on a CPU too.

Nothing but torch, transformers and what comes with them is needed, except by the part `workflow`.
"""

import argparse
import importlib.util
import json
import platform
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import torch
import transformers
import zoo
from large_llava import SIZES, NumberTokenizer, Size, build_model, corrupt_some, make_batch, measure
from large_llava import start as start_on
from timing import clock, one_block_candidates, peak_gb, tokens_in_way
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from blocksieve.combination import NONE, Combination
from blocksieve.engine.answers import Answer
from blocksieve.engine.continuation import Continuation
from blocksieve.engine.engines import Engine, start_engine
from blocksieve.engine.generation import missing_names
from blocksieve.engine.inputs import Batch
from blocksieve.engine.reference import generate
from blocksieve.engine.shared import SharedBatch
from blocksieve.engine.ways import VIEW, Way
from blocksieve.models.blocks import find_blocks
from blocksieve.models.loading import LoadedModel
from blocksieve.models.view import without_blocks

ROOT = Path(__file__).parents[1]
TOTAL_SECONDS = 400
QUESTIONS = (1, 5)  # per image
Result = dict[str, object]


@dataclass(frozen=True)
class Scale:
    """How large the models, batches and answers are.

    `types`: of the tiny models whose answers are checked. `batches`: rows; the plain loop's usual
    number comes first.
    """

    types: tuple[str, ...]
    model: Size
    large_model: Size
    batches: tuple[int, ...]
    large_batches: tuple[int, ...]
    lengths: tuple[int, ...]
    search_samples: int


TINY = replace(
    SIZES["small"],
    width=32,
    inner=48,
    heads=2,
    tower_width=32,
    tower_inner=48,
    tower_depth=1,
    tower_heads=2,
    pixels=28,
    blocks=4,
)
SCALES = {
    "real": Scale(
        types=("llava", "qwen2_5_vl", "gemma3", "idefics3"),
        model=SIZES["real"],
        large_model=replace(SIZES["real"], width=4096, inner=11008, heads=32, blocks=32),
        batches=(16, 128),
        large_batches=(16,),
        lengths=(4, 64),
        search_samples=64,
    ),
    "small": Scale(
        types=("llava",),
        model=TINY,
        large_model=replace(TINY, blocks=6),
        batches=(5, 10),
        large_batches=(5,),
        lengths=(2, 4),
        search_samples=4,
    ),
}


@dataclass
class Run:
    """What was measured so far, where it is written, and how long the run may go on."""

    scale: Scale
    device: str
    out: Path
    end: float
    part: str = ""
    part_end: float = 0.0
    results: dict[str, list[Result]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    about: Result = field(default_factory=dict)

    @property
    def dtype(self) -> torch.dtype:
        """The number format whose speed is measured: processors are slow in 16 bits."""
        return torch.float32 if self.device == "cpu" else torch.bfloat16

    def note(self, text: str) -> None:
        """Print a line, and keep it."""
        print(f"[{self.part}] {text}")
        self.notes.append(f"{self.part}: {text}")
        self.write()

    def add(self, rows: list[Result]) -> None:
        """Print rows, and keep them."""
        self.results.setdefault(self.part, []).extend(rows)
        for row in rows:
            cells = [f"{name} {_rounded(value)}" for name, value in row.items()]
            print(f"[{self.part}] " + ", ".join(cells))
        self.write()

    def write(self) -> None:
        """Write all that there is."""
        content = {"about": self.about, "notes": self.notes, **self.results}
        self.out.parent.mkdir(parents=True, exist_ok=True)
        self.out.write_text(json.dumps(content, indent=1) + "\n")

    def try_case(self, what: str, case: Callable[[], list[Result]]) -> None:
        """Keep what a measurement gives, unless the part's time is over; or why it failed."""
        if time.monotonic() > self.part_end:
            self.note(f"{what}: left out, no time")
            return
        try:
            self.add(case())
        except (Exception, SystemExit) as error:
            self.note(f"{what}: {type(error).__name__}: {str(error)[:300]}")
            traceback.print_exc()
            torch.cuda.empty_cache()


class Part(NamedTuple):
    """A part of the run.

    It is left out if fewer than `least` seconds are left, and begins no measurement after `most`.
    """

    name: str
    run: Callable[[Run], None]
    least: float
    most: float


def _rounded(value: object) -> object:
    return round(value, 4) if isinstance(value, float) else value


# ---- conformance --------------------------------------------------------------------------------


def conformance(run: Run) -> None:
    """Compare tokens with those of `generate` on copies that other code prunes."""
    for dtype in (torch.bfloat16, torch.float32):
        for name in run.scale.types:
            run.try_case(f"{name} {dtype}", partial(conformance_of, run, name, dtype))


def conformance_of(run: Run, name: str, dtype: torch.dtype) -> list[Result]:
    """Return in how many rows of a type a token differs before the first near tie."""
    model = zoo.make_model(name)
    inputs = zoo.make_inputs(name, model)
    model = model.to(run.device, dtype)
    on_device = {}
    for key, value in inputs.items():
        on_device[key] = value.to(run.device, dtype if value.is_floating_point() else None)
    batch = Batch(on_device)
    loaded = LoadedModel(model, NumberTokenizer(), model.device, find_blocks(model))
    engine = start_engine("shared", loaded, batch, max_new_tokens=8)
    combinations = [Combination.of(blocks) for blocks in ((), (0,), (2,), (5,), (1, 3), (0, 5))]
    rows = differing = tokens = 0
    for combination, answers in engine.answer_batch(batch, combinations, None):
        pruned = zoo.prune(model, combination.blocks)
        expected = generate(loaded, pruned, batch.inputs, max_new_tokens=8)
        for answer, reference in zip(answers, expected, strict=True):
            num_sure = tokens_before_near_tie(answer, engine) if answer.near_tie else 8
            rows += 1
            tokens += num_sure
            differing += answer.tokens[:num_sure] != reference.tokens[:num_sure]
    return [
        {
            "type": name,
            "dtype": _name_of(dtype),
            "rung": engine.rung,
            "reason": engine.reason,
            "rows": rows,
            "tokens_compared": tokens,
            "rows_differing": differing,
        }
    ]


def tokens_before_near_tie(answer: Answer, engine: Engine) -> int:
    """Return how many tokens were chosen before one nearly tied."""
    for place, margin in enumerate(answer.margins):
        if margin < engine.context.near_tie_steps:
            return place
    return len(answer.tokens)


def _name_of(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


# ---- speed --------------------------------------------------------------------------------------


def llava(run: Run) -> None:
    """Compare the plain loop and the shared engine on a LLaVA of real size."""
    loaded = build_model(run.scale.model, run.device, run.dtype)
    compare_all(run, loaded, run.scale.batches, run.scale.lengths)


def large_decoder(run: Run) -> None:
    """Compare both on a decoder of 7B parameters, with short answers."""
    loaded = build_model(run.scale.large_model, run.device, run.dtype)
    compare_all(run, loaded, run.scale.large_batches, run.scale.lengths[:1])


def compare_all(
    run: Run, loaded: LoadedModel, batches: tuple[int, ...], lengths: tuple[int, ...]
) -> None:
    """Compare both with every number of questions per image and length of answers.

    That is at the plain loop's batch; the shared engine runs alone in the larger ones.
    """
    started = {}
    for questions in QUESTIONS:
        engine = start_on(loaded, questions, max(lengths))
        run.note(f"{questions} questions: {engine.rung}: {engine.reason}")
        started[questions] = engine, engine.way
        # So that nothing that happens once is measured.
        tokens_in_way(engine, engine.way, make_batch(loaded, 5, questions), [NONE], None)
    for num_rows, questions, length in product(batches, QUESTIONS, lengths):
        engine, best = started[questions]
        engine.context = replace(engine.context, max_new_tokens=length)
        if num_rows == batches[0]:
            case = partial(measure, engine, best, num_rows, questions, repeats=1, extra=[])
        else:
            case = partial(measure_alone, engine, best, num_rows, questions)
        run.try_case(f"{questions} questions, {length} tokens, {num_rows} rows", case)


def measure_alone(engine: Engine, best: Way, num_rows: int, questions: int) -> list[Result]:
    """Measure the shared engine on the one-block candidates in its second run."""
    loaded = engine.loaded
    batch = make_batch(loaded, num_rows - num_rows % questions, questions)
    batch = replace(batch, most_rows=num_rows)
    combinations = one_block_candidates(loaded)
    drafts = corrupt_some(tokens_in_way(engine, best, batch, [NONE], None)[NONE])
    tokens_in_way(engine, best, batch, combinations, drafts)
    peak_gb()
    start = clock()
    tokens_in_way(engine, best, batch, combinations, drafts)
    seconds = clock() - start
    length = engine.context.max_new_tokens
    setting: Result = {"tokens": length, "questions": questions, "rows": batch.rows}
    return [setting | {"way": best.name, "seconds": seconds, "peak_gb": peak_gb()}]


def latency(run: Run) -> None:
    """Compare seconds per answer of the whole model and of one without a quarter of its blocks."""
    loaded = build_model(run.scale.model, run.device, run.dtype)
    removed = Combination.of(range(3, len(loaded.blocks.blocks), 4))
    pruned = without_blocks(loaded.model, removed, loaded.blocks.path)
    length = max(run.scale.lengths)
    for num_rows in (1, 16):

        def case(num_rows=num_rows) -> list[Result]:
            inputs = make_batch(loaded, num_rows, questions=1).inputs
            seconds = {}
            for name, model in (("whole", loaded.model), ("pruned", pruned)):
                times = []
                for _ in range(3):
                    start = clock()
                    generate(loaded, model, inputs, length)
                    times.append(clock() - start)
                seconds[name] = min(times)
            ratio = seconds["pruned"] / seconds["whole"]
            setting = {"rows": num_rows, "tokens": length, "removed": str(removed)}
            return [setting | seconds | {"ratio": ratio}]

        run.try_case(f"{num_rows} rows", case)


# ---- where the time goes ------------------------------------------------------------------------

# Events of torch's profiler that make the host wait for the device, or copy between both.
WAITS = ("Synchronize", "cudaMemcpyAsync", "aten::_local_scalar_dense", "aten::nonzero")


def where_time_goes(run: Run) -> None:
    """Profile a search step with long answers: phases, host against device, waits."""
    loaded = build_model(run.scale.model, run.device, run.dtype)
    longest = max(run.scale.lengths)
    engine = start_on(loaded, 1, longest)
    best = engine.way
    batch = make_batch(loaded, run.scale.batches[0], 1)
    combinations = one_block_candidates(loaded)

    def step_with(num_tokens: int) -> Callable[[], object]:
        """Return a step with answers of so many tokens that ran before."""
        engine.context = replace(engine.context, max_new_tokens=num_tokens)
        drafts = corrupt_some(tokens_in_way(engine, VIEW, batch, [NONE], None)[NONE])
        step = partial(tokens_in_way, engine, best, batch, combinations, drafts)
        step()
        return step

    run.try_case("phases", lambda: [seconds_of_phases(step_with(longest))])
    # The profiler takes milliseconds per operation: a quarter of the tokens is enough.
    run.try_case("profile", lambda: profiled(step_with(longest // 4)))


def seconds_of_phases(step: Callable[[], object]) -> Result:
    """Return how long each phase of a step takes; the device is waited for in between."""
    seconds: dict[str, float] = {}
    calls: dict[str, int] = {}

    def timed(name: str, function: Callable[..., object]) -> Callable[..., object]:
        """Return the function with its time taken."""

        def call(*args: object, **kwargs: object) -> object:
            start = clock()
            result = function(*args, **kwargs)
            seconds[name] = seconds.get(name, 0.0) + clock() - start
            calls[name] = calls.get(name, 0) + 1
            return result

        return call

    start = clock()
    with ExitStack() as stack:
        for owner, name in (
            (SharedBatch, "verify"),
            (SharedBatch, "finish"),
            (Continuation, "step"),
            (Continuation, "__init__"),
        ):
            timed_method = timed(f"{owner.__name__}.{name}", getattr(owner, name))
            stack.enter_context(patch.object(owner, name, timed_method))
        step()
    return {"seconds": clock() - start, "by_phase": seconds, "calls": calls}


def profiled(step: Callable[[], object]) -> list[Result]:
    """Return seconds of host and device in a step, counts of waits, and the largest operations."""
    start = clock()
    step()
    seconds = clock() - start
    activities = [ProfilerActivity.CPU]
    if torch.cuda.is_available():
        activities.append(ProfilerActivity.CUDA)
    with profile(activities=activities) as profiler:
        step()
        clock()
    events = profiler.key_averages()
    # The kernels alone: what launched them has their time too.
    on_device = [event for event in events if event.device_type == DeviceType.CUDA]
    waits = {}
    for event in events:
        if any(word in event.key for word in WAITS):
            waits[event.key] = event.count
    device_seconds = sum(event.self_device_time_total for event in on_device) / 1e6
    summary: Result = {
        "seconds": seconds,
        "device_seconds": device_seconds,
        "device_share": device_seconds / seconds,
        "host_seconds_profiled": sum(event.self_cpu_time_total for event in events) / 1e6,
        "launches": sum(event.count for event in events if "LaunchKernel" in event.key),
        "waits": waits,
    }
    operations: list[Result] = []
    for kind, some_events, time_of in (
        ("device", on_device, "self_device_time_total"),
        ("host", events, "self_cpu_time_total"),
    ):
        largest = sorted(some_events, key=lambda event: -getattr(event, time_of))[:12]
        for event in largest:
            if not getattr(event, time_of):
                continue
            milliseconds = getattr(event, time_of) / 1e3
            operations.append(
                {"on": kind, "operation": event.key[:80], "calls": event.count, "ms": milliseconds}
            )
    return [summary, *operations]


# ---- the workflow -------------------------------------------------------------------------------


def workflow(run: Run) -> None:
    """Run the whole workflow on a random model of real size, with two of the demo's datasets."""
    for package in ("snakemake", "polars", "pyarrow", "altair", "rapidfuzz"):
        if importlib.util.find_spec(package) is None:
            run.note(f"left out: {package} is not installed")
            return
    from workflow_copy import copy_workflow, snakemake

    def case() -> list[Result]:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "copy"
            samples = run.scale.search_samples
            config = {
                "model": {"path": "models/large", "dtype": _name_of(run.dtype)},
                "datasets": ["demo_vqa", "demo_caption"],
                "samples": {"search": samples, "holdout": samples},
                "search": {"max_removed": 2, "beam_width": 2, "weak_baseline": "go_on"},
            }
            copy_workflow(folder, 0, config)
            save_model(run.scale.model, folder / "models/large")
            # A dry run is all that a small run has time for.
            options = ["--quiet"] if run.scale is SCALES["real"] else ["--dry-run"]
            return [snakemake(folder, *options)]

    run.try_case("whole run", case)


def save_model(size: Size, folder: Path) -> None:
    """Save a checkpoint with the demo model's processor, and random weights of a larger size."""
    demo = ROOT / "models/demo-vlm"
    config = transformers.AutoConfig.from_pretrained(demo)
    text, vision = config.text_config, config.vision_config
    text.hidden_size, text.intermediate_size = size.width, size.inner
    text.num_attention_heads = text.num_key_value_heads = size.heads
    text.head_dim = size.width // size.heads
    text.num_hidden_layers = size.blocks
    vision.hidden_size, vision.intermediate_size = size.tower_width, size.tower_inner
    vision.num_attention_heads, vision.num_hidden_layers = size.tower_heads, size.tower_depth
    torch.manual_seed(0)
    model = transformers.AutoModelForImageTextToText.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(folder)
    for file in demo.iterdir():
        if file.name not in ("config.json", "model.safetensors"):
            (folder / file.name).write_bytes(file.read_bytes())


# ---- the run ------------------------------------------------------------------------------------

PARTS = (
    Part("conformance", conformance, least=20, most=70),
    Part("llava", llava, least=40, most=130),
    Part("profile", where_time_goes, least=30, most=40),
    Part("latency", latency, least=10, most=20),
    Part("large decoder", large_decoder, least=35, most=70),
    Part("workflow", workflow, least=60, most=100),
)


def describe(small: bool) -> Result:
    """Return what the run runs on."""
    has_gpu = torch.cuda.is_available()
    return {
        "card": torch.cuda.get_device_name() if has_gpu else "cpu",
        "small": small,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "missing_in_transformers": missing_names(),
    }


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--parts", nargs="*", default=[part.name for part in PARTS])
    parser.add_argument("--seconds", type=float, default=TOTAL_SECONDS)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/gpu_results.json")
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu":
        torch.set_num_threads(1)
    scale = SCALES["small" if options.small else "real"]
    run = Run(scale, device, options.out, end=time.monotonic() + options.seconds)
    run.about = describe(options.small)
    print(run.about)
    for part in PARTS:
        if part.name not in options.parts:
            continue
        run.part = part.name
        left = run.end - time.monotonic()
        if left < part.least:
            run.note(f"left out: {left:.0f} s are left, it takes {part.least:.0f}")
            continue
        start = time.monotonic()
        run.part_end = min(run.end, start + part.most)
        peak_gb()
        run.try_case("part", lambda part=part: part.run(run) or [])
        torch.cuda.empty_cache()
        run.note(f"took {time.monotonic() - start:.1f} s")
    print(f"written to {run.out}")


if __name__ == "__main__":
    main()
