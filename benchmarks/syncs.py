"""How often the shared engine makes the host wait for the device: counted on a CPU too.

Python that asks for a tensor's value waits until the device has computed it, and a tensor made from
Python's numbers is copied from pageable memory, which waits as well. Until then nothing more is
sent to the device. Counted are calls for the 16 one-block candidates of the demo, by function.
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch.overrides import TorchFunctionMode

# Functions that read a tensor's value, or make a tensor from Python's numbers.
READS = ("tolist", "item", "__bool__", "__int__", "__float__", "__index__", "nonzero", "cpu")
WRITES = ("tensor",)


class SyncCounter(TorchFunctionMode):  # type: ignore[misc]
    """Counts calls that make the host wait for the device, by the function's name."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()

    def __torch_function__(
        self,
        function: Callable[..., object],
        types: Sequence[type],
        args: tuple[object, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        """Count a call, and run it."""
        name = getattr(function, "__name__", "")
        copies_nothing = name in WRITES and args[0] == []
        if name in (*READS, *WRITES) and not copies_nothing:
            self.calls[name] += 1
        return function(*args, **(kwargs or {}))


def main() -> None:
    """Run from the command line."""
    # Here, so that the counter can be used where the demo's packages are not installed.
    from common import demo_model, demo_samples
    from timing import clock, one_block_candidates, report, tokens_in_way

    from blocksieve.combination import NONE
    from blocksieve.engine.engines import start_engine
    from blocksieve.engine.inputs import make_batch, probe_rows

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("datasets", nargs="*", default=["demo_vqa", "demo_caption"])
    parser.add_argument("--samples", type=int, default=32)
    parser.add_argument("--out", type=Path, default=Path("build/benchmarks/syncs.json"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    loaded = demo_model()
    combinations = one_block_candidates(loaded)
    table: list[dict[str, object]] = []
    for name in options.datasets:
        with tempfile.TemporaryDirectory() as folder:
            rows, definition = demo_samples(name, options.samples, Path(folder))
        probe = make_batch(loaded, probe_rows(rows), definition.prompt)
        engine = start_engine("shared", loaded, probe, definition.max_new_tokens)
        batch = make_batch(loaded, rows, definition.prompt)
        best = engine.way
        drafts = tokens_in_way(engine, best, batch, [NONE], None)[NONE]
        counter = SyncCounter()
        with counter:
            tokens_in_way(engine, best, batch, combinations, drafts)
        seconds = []
        for _ in range(5):
            start = clock()
            tokens_in_way(engine, best, batch, combinations, drafts)
            seconds.append(clock() - start)
        per_combination = {
            f"{function} per combination": counter.calls[function] / len(combinations)
            for function in (*READS, *WRITES)
        }
        table.append({"dataset": name, "seconds": min(seconds), **per_combination})
    report({"samples": options.samples}, table, options.out)


if __name__ == "__main__":
    main()
