"""How much faster the shared engine is on a search step of the demo, and what ingredients give.

All ways run in this process, in turn, on one thread unless --threads says otherwise. The columns
are those of `timing.Measured`. The plain loop is the reference: generate on a model from which the
blocks are deleted.
"""

import argparse
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from common import demo_model, demo_samples
from timing import (
    PLAIN_LOOP,
    compare,
    one_block_candidates,
    report,
    share_right,
    tokens_in_way,
)

from blocksieve.combination import NONE
from blocksieve.engine.engines import start_engine
from blocksieve.engine.inputs import make_batch, probe_rows
from blocksieve.engine.ways import REFERENCE, VIEW

# What each ingredient of a way is called in the table.
INGREDIENTS = {
    "encoder memo": "encoder_memo",
    "replay of blocks": "replay",
    "common prefixes": "prefixes",
    "drafts": "drafts",
    "merged continuation": "merge_continuations",
}


@dataclass(frozen=True)
class Step:
    """One search step: its FLOPs by kind, the share of drafts that were right, the rung."""

    flops: dict[str, float]
    right_drafts: float
    rung: str


def measure(
    name: str, num_samples: int, repeats: int, folder: Path
) -> tuple[list[dict[str, object]], Step]:
    """Measure all ways on one dataset."""
    loaded = demo_model()
    rows, definition = demo_samples(name, num_samples, folder)
    probe = make_batch(loaded, probe_rows(rows), definition.prompt)
    engine = start_engine("shared", loaded, probe, definition.max_new_tokens)
    batch = make_batch(loaded, rows, definition.prompt)
    combinations = one_block_candidates(loaded)
    best = engine.way
    drafts = tokens_in_way(engine, VIEW, batch, [NONE], None)[NONE]
    work = engine.work
    work.done = work.plain = work.bound = 0
    answers = tokens_in_way(engine, best, batch, combinations, drafts)
    flops = {"done": work.done, "plain": work.plain, "bound": work.bound}
    ways = {PLAIN_LOOP: REFERENCE, "view, nothing shared": VIEW, f"shared ({best.name})": best}
    for ingredient, switch in INGREDIENTS.items():
        ways[f"shared without {ingredient}"] = replace(best, **{switch: False})
    measured, _ = compare(engine, ways, batch, combinations, drafts, repeats)
    table = [{"dataset": name, **asdict(each)} for each in measured]
    return table, Step(flops, share_right(answers, drafts), best.name)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("datasets", nargs="*", default=["demo_vqa", "demo_caption"])
    parser.add_argument("--samples", type=int, default=96)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("build/benchmarks/engine.json"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    table: list[dict[str, object]] = []
    steps = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in options.datasets:
            rows, step = measure(name, options.samples, options.repeats, Path(folder))
            table += rows
            steps[name] = asdict(step)
    results = {"datasets": steps, "samples": options.samples, "threads": options.threads}
    report(results, table, options.out)


if __name__ == "__main__":
    main()
