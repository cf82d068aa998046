"""Print what each block is worth: `python training/block_profile.py MODEL`.

MODEL is a saved model or a training checkpoint. Scores are shares of exactly right answers to
held-out questions, so a quick stand-in for the datasets' metrics: a real run measures those. Lists
are chosen greedily on one half of the questions and judged on the other.
"""

import argparse
import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from scipy import stats
from transformers import LlavaForConditionalGeneration

from batches import Encoder, Row
from blocksieve.datasets.demo.tasks import TASKS
from parts import build_model, build_processor
from train import draw_held_out, right_answers

TASK_TYPES = {
    "VQA": ("vqa", "okvqa", "text_vqa"),
    "Captioning": ("caption",),
    "Document QA": ("doc_qa",),
    "Scene Text QA": ("st_qa",),
    "Multiple Choice": ("science_qa",),
    "Exact Match": ("tally_qa",),
}
MOST_REMOVED = 4
FALSE_DISCOVERIES = 0.05

Combination = tuple[int, ...]


@contextmanager
def without(model: LlavaForConditionalGeneration, blocks: Combination) -> Iterator[None]:
    """Take some blocks out of the model for a while."""
    language_model = model.model.language_model
    layers = language_model.layers
    kept = [layer for index, layer in enumerate(layers) if index not in blocks]
    language_model.layers = torch.nn.ModuleList(kept)
    language_model.config.num_hidden_layers = len(kept)
    try:
        yield
    finally:
        language_model.layers = layers
        language_model.config.num_hidden_layers = len(layers)


class Scores:
    """Scores [questions] of combinations on tasks, 0 or 1, each computed once."""

    def __init__(self, model: LlavaForConditionalGeneration, rows: dict[str, list[Row]]) -> None:
        self.model = model
        self.rows = rows
        self.num_blocks = len(model.model.language_model.layers)
        self.computed: dict[tuple[str, Combination], np.ndarray] = {}

    def of(self, task: str, blocks: Combination) -> np.ndarray:
        """Return the scores of the model without some blocks on a task's questions."""
        key = (task, tuple(sorted(blocks)))
        if key not in self.computed:
            with without(self.model, blocks):
                right = right_answers(self.model, self.rows[task])
            self.computed[key] = np.array(right, dtype=float)
        return self.computed[key]

    def losses(self, task: str, blocks: Combination, half: slice) -> np.ndarray:
        """Return per question what is lost, in shares of the task's whole-model score."""
        baseline = self.of(task, ())
        lost = baseline - self.of(task, blocks)
        return lost[half] / baseline.mean()

    def cost(self, tasks: Sequence[str], blocks: Combination, half: slice) -> float:
        """Return the mean relative drop over tasks."""
        return float(np.mean([self.losses(task, blocks, half).mean() for task in tasks]))

    def compare(
        self, tasks: Sequence[str], blocks: Combination, rival: Combination, half: slice
    ) -> float:
        """Return the one-sided p that `blocks` cost no more than `rival` on these tasks."""
        differences = [
            self.losses(task, blocks, half) - self.losses(task, rival, half) for task in tasks
        ]
        mean = np.mean([difference.mean() for difference in differences])
        variances = [difference.var(ddof=1) / len(difference) for difference in differences]
        error = np.sqrt(np.sum(variances)) / len(tasks)
        return float(stats.norm.sf(mean / error)) if error > 0 else 1.0


def greedy_lists(scores: Scores, tasks: Sequence[str], half: slice) -> list[Combination]:
    """Return the lists of one to four blocks, each the cheapest extension of the one before."""
    lists: list[Combination] = []
    blocks: Combination = ()
    for _ in range(MOST_REMOVED):
        left = [block for block in range(scores.num_blocks) if block not in blocks]
        candidates = [(*blocks, block) for block in left]
        blocks = min(candidates, key=lambda candidate: scores.cost(tasks, candidate, half))
        lists.append(blocks)
    return lists


def print_single_drops(scores: Scores) -> None:
    """Print the baselines and the drop of every block in points, per task and on average."""
    tasks = list(scores.rows)
    every = slice(None)
    print("| block | " + " | ".join(tasks) + " | mean, % |")
    print("| --- " * (len(tasks) + 2) + "|")
    baselines = " | ".join(f"{100 * scores.of(task, ()).mean():.1f}" for task in tasks)
    print(f"| none | {baselines} | |")
    costs = []
    for block in range(scores.num_blocks):
        costs.append(scores.cost(tasks, (block,), every))
        points = []
        for task in tasks:
            drop = scores.of(task, ()).mean() - scores.of(task, (block,)).mean()
            points.append(f"{100 * drop:.1f}")
        print(f"| {block} | {' | '.join(points)} | {100 * costs[-1]:.1f} |", flush=True)
    best = int(np.argmin(costs))
    rest = [block for block in range(scores.num_blocks) if block != best]
    p_values = [scores.compare(tasks, (block,), (best,), every) for block in rest]
    num_worse = int(np.sum(stats.false_discovery_control(p_values) <= FALSE_DISCOVERIES))
    print(f"block {best} costs least; {num_worse} of {len(rest)} others cost more (FDR 5 %)")


def print_lists(scores: Scores) -> None:
    """Print the greedy lists of all tasks and of each task type, and whose own lists pay."""
    num_questions = scores.of(next(iter(scores.rows)), ()).size
    search = slice(0, num_questions // 2)
    holdout = slice(num_questions // 2, None)
    types = {}
    for name, type_tasks in TASK_TYPES.items():
        tasks = [task for task in type_tasks if task in scores.rows]
        if tasks:
            types[name] = tasks
    lists = {}
    for name, tasks in {"all": list(scores.rows), **types}.items():
        lists[name] = greedy_lists(scores, tasks, search)
        costs = [f"{100 * scores.cost(tasks, blocks, holdout):.1f}" for blocks in lists[name]]
        print(f"{name}: removes {lists[name][-1]} in turn, which costs {', '.join(costs)} %")
    pairs = []
    for owner, stranger in itertools.permutations(types, 2):
        for size in range(2, MOST_REMOVED + 1):
            own_list = lists[owner][size - 1]
            rival = lists[stranger][size - 1]
            if set(own_list) != set(rival):
                p = scores.compare(types[owner], rival, own_list, holdout)
                pairs.append((p, owner, stranger, size))
    adjusted = stats.false_discovery_control([p for p, *_ in pairs])
    shown = [pair[1:] for pair, p in zip(pairs, adjusted, strict=True) if p <= FALSE_DISCOVERIES]
    print(f"own list cheaper than another type's (FDR 5 %): {len(shown)} of {len(pairs)}")
    for owner, stranger, size in shown:
        print(f"  {owner} against the list of {stranger}, size {size}")


def load(path: Path) -> LlavaForConditionalGeneration:
    """Load a saved model, or the model of a training checkpoint."""
    if path.is_dir():
        return LlavaForConditionalGeneration.from_pretrained(path)
    model = build_model(build_processor())
    model.load_state_dict(torch.load(path, map_location="cpu")["model"])
    return model


def main() -> None:
    """Read the arguments and print the profile."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--samples", type=int, default=200, help="questions per task")
    arguments = parser.parse_args()
    model = load(arguments.model).eval()
    encoder = Encoder(build_processor())
    rows = {task: draw_held_out(encoder, task, arguments.samples) for task in TASKS}
    scores = Scores(model, rows)
    for task in TASKS:
        if not scores.of(task, ()).any():
            print(f"{task} is left out: the model has no answer right")
            del rows[task]
    print_single_drops(scores)
    print_lists(scores)


if __name__ == "__main__":
    main()
