"""Peak memory of the shared engine and of the plain loop on the same search step of the demo.

Each engine runs in a process of its own. On a CPU its largest resident size counts, and what the
step adds to that of the loaded model with its batch; on a GPU the most memory that torch had
allocated.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from common import demo_model, demo_samples
from timing import one_block_candidates, report

from blocksieve.combination import NONE
from blocksieve.engine.engines import start_engine
from blocksieve.engine.inputs import make_batch, probe_rows

MEGABYTE = 1e6
KIBIBYTE = 1024


def resident_size() -> float:
    """Return the largest resident size of this process so far, in MB."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_maxrss * KIBIBYTE / MEGABYTE


def peak(engine_name: str, dataset: str, num_samples: int) -> dict[str, float]:
    """Return the MB that a search step needs at most, and those of model and batch before it."""
    torch.set_num_threads(1)
    loaded = demo_model()
    with tempfile.TemporaryDirectory() as folder:
        rows, definition = demo_samples(dataset, num_samples, Path(folder))
    probe = make_batch(loaded, probe_rows(rows), definition.prompt)
    engine = start_engine(engine_name, loaded, probe, definition.max_new_tokens)
    batch = make_batch(loaded, rows, definition.prompt)
    before = resident_size()
    _, answers = next(engine.answer_batch(batch, [NONE], None))
    drafts = [answer.tokens for answer in answers]
    combinations = one_block_candidates(loaded)
    for _ in engine.answer_batch(batch, combinations, drafts):
        pass
    if loaded.device.type == "cuda":
        return {"peak": torch.cuda.max_memory_allocated() / MEGABYTE, "before": 0.0}
    return {"peak": resident_size(), "before": before}


def peak_in_process(engine_name: str, dataset: str, num_samples: int) -> dict[str, float]:
    """Return the same, measured in a process of its own."""
    options = ["--engine", engine_name, "--dataset", dataset, "--samples", str(num_samples)]
    command = [sys.executable, __file__, *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    last_line = done.stdout.splitlines()[-1]
    measured: dict[str, float] = json.loads(last_line)
    return measured


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--engine", choices=["shared", "reference"], help="measure this one here, and print JSON"
    )
    parser.add_argument("--dataset", default="demo_caption")
    parser.add_argument("--samples", type=int, default=96)
    parser.add_argument("--out", type=Path, default=Path("build/benchmarks/memory.json"))
    options = parser.parse_args()
    if options.engine:
        print(json.dumps(peak(options.engine, options.dataset, options.samples)))
        return
    table: list[dict[str, object]] = []
    plain_peak = None
    for name in ("reference", "shared"):
        memory = peak_in_process(name, options.dataset, options.samples)
        plain_peak = plain_peak or memory["peak"]
        table.append(
            {
                "way": name,
                "peak_mb": memory["peak"],
                "work_mb": memory["peak"] - memory["before"],
                "ratio_of_peaks": memory["peak"] / plain_peak,
            }
        )
    report({"dataset": options.dataset, "samples": options.samples}, table, options.out)


if __name__ == "__main__":
    main()
