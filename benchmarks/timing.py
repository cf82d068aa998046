"""Time ways of answering side by side, and print tables: needs torch and the engine alone."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from blocksieve.combination import Combination
from blocksieve.engine.engines import Engine
from blocksieve.engine.inputs import Batch
from blocksieve.engine.interception import Arguments, Forward, intercepted
from blocksieve.engine.reference import generate
from blocksieve.engine.replay import encoders
from blocksieve.engine.ways import Way
from blocksieve.engine.work import Costs, Work
from blocksieve.models.loading import LoadedModel

Drafts = list[list[int]]
"""A likely answer per row."""
Tokens = dict[Combination, list[list[int]]]
"""The tokens of each combination's answers, one list per row."""

PLAIN_LOOP = "reference (plain loop)"
PASSES = 3


def one_block_candidates(loaded: LoadedModel) -> list[Combination]:
    """Return a combination for every block, without which the model is to answer."""
    return [Combination.of((block,)) for block in range(len(loaded.blocks.blocks))]


@dataclass(frozen=True)
class Measured:
    """A way beside the plain loop.

    `flop_bound`: FLOPs of the plain loop over those of the distinct work. `flop_share`: distinct
    FLOPs as a share of those that ran; what is distinct has to run, so it is at most 1.
    `time_bound`: the plain loop's seconds over those of the distinct work if all its tokens ran as
    fast as in a full pass over the prompts. `time_share`: those seconds as a share of the way's.
    `peak_gb`: the most memory that torch took on the GPU, weights included; 0 on a CPU.
    """

    way: str
    seconds: float
    speed_up: float
    flop_bound: float
    flop_share: float
    time_bound: float
    time_share: float
    differing_rows: float
    peak_gb: float


def clock() -> float:
    """Return seconds: with a GPU of the clock once its work is done, else of the processor.

    Other work on the machine disturbs processor time less.
    """
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


def peak_gb() -> float:
    """Return the most memory on the GPU since the last call, and count anew."""
    if not torch.cuda.is_available():
        return 0.0
    peak = torch.cuda.max_memory_allocated() / 1e9
    torch.cuda.reset_peak_memory_stats()
    return float(peak)


def tokens_in_way(
    engine: Engine, way: Way, batch: Batch, combinations: list[Combination], drafts: Drafts | None
) -> Tokens:
    """Return the tokens of all answers in one way."""
    engine.way = way
    tokens = {}
    for combination, answers in engine.answer_batch(batch, combinations, drafts):
        tokens[combination] = [answer.tokens for answer in answers]
    return tokens


def compare(
    engine: Engine,
    ways: Mapping[str, Way],
    batch: Batch,
    combinations: list[Combination],
    drafts: Drafts,
    repeats: int,
) -> tuple[list[Measured], Tokens]:
    """Measure ways beside the first of them, the plain loop; return the last way's tokens too.

    Seconds are the least over all rounds; every round runs all ways in turn. Two combinations come
    before, unmeasured, since a GPU prepares itself for each new shape.
    """
    for way in ways.values():
        tokens_in_way(engine, way, batch, combinations[:2], drafts)
    work = engine.work
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    done: dict[str, float] = {}
    peaks: dict[str, float] = {}
    answers: dict[str, Tokens] = {}
    for _ in range(repeats):
        for name, way in ways.items():
            work.done = work.plain = work.bound = 0
            peak_gb()
            start = clock()
            answers[name] = tokens_in_way(engine, way, batch, combinations, drafts)
            seconds[name].append(clock() - start)
            done[name] = work.done
            peaks[name] = peak_gb()
    least = {name: min(times) for name, times in seconds.items()}
    plain_loop = next(iter(ways))
    expected = answers[plain_loop]
    distinct_seconds = seconds_of_distinct_work(engine.loaded, batch, expected)
    measured = []
    for name in ways:
        measured.append(
            Measured(
                way=name,
                seconds=least[name],
                speed_up=least[plain_loop] / least[name],
                flop_bound=work.plain / work.bound,
                flop_share=work.bound / done[name],
                time_bound=least[plain_loop] / distinct_seconds,
                time_share=distinct_seconds / least[name],
                differing_rows=share_differing(expected, answers[name]),
                peak_gb=peaks[name],
            )
        )
    return measured, answers[name]


def seconds_of_distinct_work(loaded: LoadedModel, batch: Batch, answers: Tokens) -> float:
    """Return how long the distinct work takes if all its tokens run as fast as the prompts."""
    passes = [seconds_of_parts(loaded, batch) for _ in range(PASSES)]
    fastest = min(passes, key=lambda costs: sum(costs.blocks.values()))
    work = Work(fastest)
    work.batch_answered(batch, answers)
    return work.bound


def seconds_of_parts(loaded: LoadedModel, batch: Batch) -> Costs:
    """Return what the model's parts take in one pass over a batch's prompts.

    They are seconds where `Costs` speak of FLOPs.
    """
    costs = Costs()

    def run_block(index: int, forward: Forward, arguments: Arguments) -> object:
        """Run a block, and keep its seconds per token."""
        start = clock()
        output = arguments.passed_to(forward)
        costs.blocks[index] = (clock() - start) / batch.prompt_tokens
        return output

    def run_other(index: int, forward: Forward, arguments: Arguments) -> object:
        """Run a module beside the decoder, and keep its seconds per row."""
        start = clock()
        output = arguments.passed_to(forward)
        seconds = (clock() - start) / batch.rows
        if costs.blocks:  # what runs after the blocks is the head
            costs.head += seconds
        else:
            costs.encoding += seconds
        return output

    blocks = dict(enumerate(loaded.blocks.blocks))
    others = encoders(loaded.model, loaded.blocks)
    with intercepted(blocks, run_block), intercepted(others, run_other):
        generate(loaded, loaded.model, batch.inputs, max_new_tokens=1)
    return costs


def share_differing(expected: Tokens, actual: Tokens) -> float:
    """Return the share of rows whose tokens differ."""
    num_rows = 0
    num_differing = 0
    for combination, rows in expected.items():
        for expected_row, actual_row in zip(rows, actual[combination], strict=True):
            num_rows += 1
            num_differing += expected_row != actual_row
    return num_differing / num_rows


def share_right(answers: Tokens, drafts: Drafts) -> float:
    """Return the share of all combinations' answers that their drafts foretold."""
    num_right = 0
    num_answers = 0
    for rows in answers.values():
        for tokens, draft in zip(rows, drafts, strict=True):
            num_right += tokens == draft
            num_answers += 1
    return num_right / num_answers


def print_table(rows: list[dict[str, object]]) -> None:
    """Print rows of the same columns."""
    columns = list(rows[0])
    lines = [columns, *([_as_text(row[column]) for column in columns] for row in rows)]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        print("  ".join(cells).rstrip())


def _as_text(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def report(results: Mapping[str, object], rows: list[dict[str, object]], out: Path) -> None:
    """Print a table of the rows, and write everything as JSON."""
    print_table(rows)
    out.parent.mkdir(parents=True, exist_ok=True)
    content = {**results, "rows": rows}
    out.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
    print(f"written to {out}")
