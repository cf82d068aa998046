"""Peak memory of the shared engine and of the plain loop on the same search step of the demo.

Each way runs in a process of its own. On a CPU its largest resident size counts, and what the step adds to that of the
loaded model with its batch; on a GPU the most memory that torch had allocated.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from common import demo_model, demo_samples, report

from blocksieve.combination import NONE, Combination
from blocksieve.engine.engines import start_engine
from blocksieve.engine.inputs import make_batch, make_probe

MEGABYTE = 1e6


def resident() -> float:
    """The largest resident size of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MEGABYTE


def peak(engine_name: str, dataset: str, samples: int) -> dict[str, float]:
    """MB that a search step needs at most, and how much of it the loaded model and the batch."""
    torch.set_num_threads(1)
    loaded = demo_model()
    with tempfile.TemporaryDirectory() as folder:
        rows, definition = demo_samples(dataset, samples, Path(folder))
    prompt, length = definition.prompt, definition.max_new_tokens
    engine = start_engine(engine_name, loaded, make_probe(loaded, rows, prompt), length)
    batch = make_batch(loaded, rows, prompt)
    before = resident()
    _, answers = next(engine.answer_batch(batch, [NONE], None))
    drafts = [answer.tokens for answer in answers]
    combinations = [Combination.of((block,)) for block in range(len(loaded.blocks.blocks))]
    for _ in engine.answer_batch(batch, combinations, drafts):
        pass
    if loaded.device.type == "cuda":
        return {"peak": torch.cuda.max_memory_allocated() / MEGABYTE, "before": 0.0}
    return {"peak": resident(), "before": before}


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--engine", choices=["shared", "reference"], help="measure this one here, and print JSON"
    )
    parser.add_argument("--dataset", default="demo_caption")
    parser.add_argument("--samples", type=int, default=96)
    parser.add_argument("--out", type=Path, default=Path("build/benchmarks/memory.json"))
    given = parser.parse_args()
    if given.engine:
        print(json.dumps(peak(given.engine, given.dataset, given.samples)))
        return
    table = []
    for name in ("reference", "shared"):
        options = ["--engine", name, "--dataset", given.dataset, "--samples", str(given.samples)]
        done = subprocess.run(
            [sys.executable, __file__, *options], stdout=subprocess.PIPE, text=True, check=True
        )
        found = json.loads(done.stdout.splitlines()[-1])
        table.append(
            {"way": name, "peak_mb": found["peak"], "work_mb": found["peak"] - found["before"]}
        )
    for row in table:
        row["ratio_of_peaks"] = row["peak_mb"] / table[0]["peak_mb"]
    report({"dataset": given.dataset, "samples": given.samples}, table, given.out)


if __name__ == "__main__":
    main()
