"""How much faster the shared engine is on a search step of the demo, and what each of its ingredients gives.

Every way runs in this process, in turn, on one thread unless --threads says otherwise. `bound`: FLOPs of the plain loop
over those of the distinct work, which is the speed-up that the same FLOPs per second would give; `share`: the speed-up
over the plain loop (reference: generate on a model from which the blocks are deleted) as a share of that bound.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from common import Tokens, demo_model, demo_samples, report, side_by_side

from blocksieve.combination import NONE, Combination
from blocksieve.engine import shared
from blocksieve.engine.engines import Engine, start_engine
from blocksieve.engine.inputs import make_batch, make_probe

SharedBatch = shared.SharedBatch
# What is switched off, by what is put in its place.
WITHOUT: dict[str, tuple[Any, str, Any]] = {
    "encoder memo": (shared, "encoders", lambda model, found: {}),
    "replay of blocks": (shared.BlockReplay, "begin", None),
    "common prefixes": (shared, "SharedBatch", None),
    "drafts": (SharedBatch, "draft", None),
    "merged continuation": (shared, "enough", lambda waiting, more, batch: True),
}


@contextmanager
def switched_off(ingredient: str) -> Iterator[None]:
    """The engine without one of its ingredients."""
    owner, name, instead = WITHOUT[ingredient]
    whole = getattr(owner, name)
    if ingredient == "replay of blocks":

        def instead(self: Any, combination: Combination, stages: int) -> None:
            whole(self, combination, stages)
            self.calls.clear()

    elif ingredient == "common prefixes":

        def instead(loaded: Any, batch: Any, length: int, work: Any, prefixes: bool) -> Any:
            return whole(loaded, batch, length, work, prefixes=False)

    elif ingredient == "drafts":

        def instead(self: Any, drafts: list[list[int]]) -> None:
            whole(self, [[] for _ in drafts])

    with patch.object(owner, name, instead):
        yield


def answers(
    engine: Engine, rung: str, batch: Any, combinations: list[Combination], drafts: Any
) -> Tokens:
    """All answers on one rung."""
    engine.rung = rung
    return {
        c: [row.tokens for row in rows]
        for c, rows in engine.answer_batch(batch, combinations, drafts)
    }


def without(ingredient: str, way: Callable[[], Tokens]) -> Callable[[], Tokens]:
    """A way that runs without an ingredient."""

    def run() -> Tokens:
        with switched_off(ingredient):
            return way()

    return run


def measure(
    name: str, samples: int, repeats: int, folder: Path
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Rows of the table for one dataset, and the step's FLOPs."""
    loaded = demo_model()
    rows, definition = demo_samples(name, samples, folder)
    prompt, length = definition.prompt, definition.max_new_tokens
    engine = start_engine("shared", loaded, make_probe(loaded, rows, prompt), length)
    batch, best = make_batch(loaded, rows, prompt), engine.rung
    combinations = [Combination.of((block,)) for block in range(len(loaded.blocks.blocks))]
    drafts = answers(engine, "view", batch, [NONE], None)[NONE]
    work = engine.work
    work.done = work.plain = work.bound = 0
    whole = answers(engine, best, batch, combinations, drafts)
    flops = {"done": work.done, "plain": work.plain, "bound": work.bound}
    right = sum(
        row == draft for found in whole.values() for row, draft in zip(found, drafts, strict=True)
    )

    def way(rung: str) -> Callable[[], Tokens]:
        return lambda: answers(engine, rung, batch, combinations, drafts)

    ways = {
        "reference (plain loop)": way("reference"),
        "view, nothing shared": way("view"),
        f"shared ({best})": way(best),
    }
    ways |= {
        f"shared without {ingredient}": without(ingredient, way(best)) for ingredient in WITHOUT
    }
    timed, bound = side_by_side(ways, repeats), flops["plain"] / flops["bound"]
    plain = timed["reference (plain loop)"]["seconds"]
    table = [
        {
            "dataset": name,
            "way": label,
            "seconds": row["seconds"],
            "speed_up": plain / row["seconds"],
            "bound": bound,
            "share": plain / row["seconds"] / bound,
            "same_tokens": row["differing_rows"] == 0,
        }
        for label, row in timed.items()
    ]
    return table, {
        "flops": flops,
        "right_drafts": right / len(combinations) / len(rows),
        "rung": best,
    }


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("datasets", nargs="*", default=["demo_vqa", "demo_caption"])
    parser.add_argument("--samples", type=int, default=96)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("build/benchmarks/engine.json"))
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    table, about = [], {}
    with tempfile.TemporaryDirectory() as folder:
        for name in given.datasets:
            rows, about[name] = measure(name, given.samples, given.repeats, Path(folder))
            table += rows
    report(
        {"datasets": about, "samples": given.samples, "threads": given.threads}, table, given.out
    )


if __name__ == "__main__":
    main()
