"""How much faster the shared engine is on a search step of the demo, and what ingredients give.

All ways run in this process, in turn, on one thread unless --threads says otherwise. `bound`: FLOPs
of the plain loop over those of the distinct work, which is the speed-up that the same FLOPs per
second would give. `share`: the speed-up over the plain loop as a share of that bound. The plain
loop is the reference: generate on a model from which the blocks are deleted.
"""

import argparse
import tempfile
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import torch
from common import Drafts, Tokens, demo_model, demo_samples, report, side_by_side, tokens_in_way

from blocksieve.combination import NONE, Combination
from blocksieve.engine.engines import start_engine
from blocksieve.engine.inputs import make_batch, make_probe
from blocksieve.engine.ways import REFERENCE, VIEW

# What each ingredient of a way is called in the table.
INGREDIENTS = {
    "encoder memo": "encoder_memo",
    "replay of blocks": "replay",
    "common prefixes": "prefixes",
    "drafts": "drafts",
    "merged continuation": "merge_continuations",
}
PLAIN_LOOP = "reference (plain loop)"


@dataclass(frozen=True)
class Row:
    """One way on one dataset."""

    dataset: str
    way: str
    seconds: float
    speed_up: float
    bound: float
    share: float
    same_tokens: bool


@dataclass(frozen=True)
class Step:
    """One search step: its FLOPs by kind, the share of drafts that were right, the rung."""

    flops: dict[str, float]
    right_drafts: float
    rung: str


def measure(name: str, num_samples: int, repeats: int, folder: Path) -> tuple[list[Row], Step]:
    """Measure all ways on one dataset."""
    loaded = demo_model()
    rows, definition = demo_samples(name, num_samples, folder)
    probe = make_probe(loaded, rows, definition.prompt)
    engine = start_engine("shared", loaded, probe, definition.max_new_tokens)
    batch = make_batch(loaded, rows, definition.prompt)
    combinations = [Combination.of((block,)) for block in range(len(loaded.blocks.blocks))]
    best = engine.way
    drafts = tokens_in_way(engine, VIEW, batch, [NONE], None)[NONE]
    work = engine.work
    work.done = work.plain = work.bound = 0
    answers = tokens_in_way(engine, best, batch, combinations, drafts)
    flops = {"done": work.done, "plain": work.plain, "bound": work.bound}
    ways = {PLAIN_LOOP: REFERENCE, "view, nothing shared": VIEW, f"shared ({best.name})": best}
    for ingredient, switch in INGREDIENTS.items():
        ways[f"shared without {ingredient}"] = replace(best, **{switch: False})
    runs = {
        label: partial(tokens_in_way, engine, way, batch, combinations, drafts)
        for label, way in ways.items()
    }
    timings = side_by_side(runs, repeats)
    bound = flops["plain"] / flops["bound"]
    table = []
    for label, timing in timings.items():
        speed_up = timings[PLAIN_LOOP].seconds / timing.seconds
        table.append(
            Row(
                dataset=name,
                way=label,
                seconds=timing.seconds,
                speed_up=speed_up,
                bound=bound,
                share=speed_up / bound,
                same_tokens=timing.differing_rows == 0,
            )
        )
    return table, Step(flops, share_right(answers, drafts), best.name)


def share_right(answers: Tokens, drafts: Drafts) -> float:
    """Return the share of all combinations' answers that their drafts foretold."""
    num_right = 0
    num_answers = 0
    for rows in answers.values():
        for tokens, draft in zip(rows, drafts, strict=True):
            num_right += tokens == draft
            num_answers += 1
    return num_right / num_answers


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
    table = []
    steps = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in options.datasets:
            rows, step = measure(name, options.samples, options.repeats, Path(folder))
            table += [asdict(row) for row in rows]
            steps[name] = asdict(step)
    results = {"datasets": steps, "samples": options.samples, "threads": options.threads}
    report(results, table, options.out)


if __name__ == "__main__":
    main()
