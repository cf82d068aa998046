"""Train the demo VLM from nothing: `python training/train.py --out MODEL --checkpoints FOLDER`.

The vision tower learns to see first (sight.py). Then the model, with all its blocks from the
start, learns the lessons, the smallest cases first (lessons.py).
Every five minutes the whole state is written to the folder of checkpoints. After a kill the
same command goes on from the newest one, to the same weights as without the kill.
"""

import argparse
import os
import random
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial, reduce
from pathlib import Path

import torch
from transformers import LlavaForConditionalGeneration

from batches import IGNORED, Batch, Encoder, Row, draw_rows, micro_batches
from blocksieve.datasets.demo.picture import TOP_LEVEL
from blocksieve.datasets.demo.tasks import TASKS, draw
from lessons import Curriculum
from parts import build_model, build_processor
from sight import teach_sight

BATCH = 32
"""Pictures per step, most with three questions."""
PEAK_RATE = 2e-3
WARM_UP = 10_000
"""Samples over which the rate rises."""
DECAY_SHARE = 0.4
"""The last part of all samples, over which the rate falls to a hundredth."""
THREADS = 2
"""Micro-batches that are answered at a time, one thread each."""
NUM_HELD_OUT = 128
"""Held-out questions per task that the progress line scores."""
PROGRESS_EVERY = 50
HELD_OUT_EVERY = 1000
"""Steps between two lines of progress, and between two of held-out scores."""
SECONDS_BETWEEN_CHECKPOINTS = 300
KEPT_CHECKPOINTS = 2


@dataclass
class Training:
    """All that a training is: what a checkpoint holds."""

    model: LlavaForConditionalGeneration
    optimizer: torch.optim.Optimizer
    rng: random.Random
    curriculum: Curriculum = field(default_factory=Curriculum)
    steps: int = 0
    samples: int = 0
    """Questions answered."""

    def save(self, folder: Path) -> None:
        """Write a checkpoint under another name, rename it, and delete all but the last two."""
        folder.mkdir(parents=True, exist_ok=True)
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "rng": self.rng.getstate(),
            "right": dict(self.curriculum.right),
            "seen": dict(self.curriculum.seen),
            "top_levels": self.curriculum.top_levels,
            "steps": self.steps,
            "samples": self.samples,
        }
        path = folder / f"{self.samples:09d}.pt"
        unfinished = path.with_suffix(".unfinished")
        with unfinished.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)
        for old in checkpoints(folder)[:-KEPT_CHECKPOINTS]:
            old.unlink()

    def load(self, path: Path) -> None:
        """Go on from a checkpoint."""
        state = torch.load(path, map_location="cpu")
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.rng.setstate(state["rng"])
        self.curriculum.right.update(state["right"])
        self.curriculum.seen.update(state["seen"])
        self.curriculum.top_levels = state["top_levels"]
        self.steps = state["steps"]
        self.samples = state["samples"]


def checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints of a folder, the newest last."""
    return sorted(folder.glob("*.pt"))


def start(seed: int, encoder: Encoder, device: str) -> Training:
    """Return an untrained model with its optimiser."""
    torch.manual_seed(seed)
    model = build_model(encoder.processor).to(device)
    matrices = [weight for weight in model.parameters() if weight.dim() >= 2]
    vectors = [weight for weight in model.parameters() if weight.dim() < 2]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.05}, {"params": vectors, "weight_decay": 0.0}],
        betas=(0.9, 0.98),
    )
    return Training(model, optimizer, random.Random(seed))


def forward(
    model: LlavaForConditionalGeneration, batch: Batch
) -> tuple[torch.Tensor, torch.Tensor, list[bool]]:
    """Return the loss and the question of every answer token, and which questions are right.

    Teacher-forced: each token is predicted after the right ones. So a question is right if greedy
    decoding gives its answer.
    """
    device = model.device
    hidden = model.model(
        input_ids=batch.tokens.to(device),
        position_ids=batch.positions.to(device),
        attention_mask=batch.mask.to(device),
        pixel_values=batch.pixels.to(device),
        use_cache=False,
    ).last_hidden_state
    targets = batch.labels[:, 1:].to(device)  # [rows, width - 1]: the token after each position
    in_answer = targets != IGNORED
    logits = model.lm_head(hidden[:, :-1][in_answer])  # [answer tokens of all rows, vocabulary]
    answers = targets[in_answer]
    losses = torch.nn.functional.cross_entropy(logits, answers, reduction="none")
    question_of_token = batch.questions[:, 1:].to(device)[in_answer]
    is_wrong = (logits.argmax(-1) != answers).float()
    num_wrong = torch.zeros(len(batch.lessons), device=device)
    num_wrong.index_add_(0, question_of_token, is_wrong)
    return losses, question_of_token, (num_wrong == 0).tolist()


@dataclass(frozen=True)
class MicroStep:
    """What a micro-batch teaches: gradients by parameter, None where unused, and what was right."""

    gradients: tuple[torch.Tensor | None, ...]
    loss: float
    right: list[bool]


def micro_step(
    model: LlavaForConditionalGeneration, total_weight: float, batch: Batch
) -> MicroStep:
    """Return a micro-batch's part of a step's gradients; the weights of all parts sum to 1.

    A token of an answer of n tokens counts 1 / sqrt(n), so that long answers do not drown short
    ones; that of a picture with k questions 1 / sqrt(k) of that.
    """
    losses, question_of_token, right = forward(model, batch)
    lengths = torch.bincount(question_of_token)
    weights = (lengths * batch.num_beside.to(lengths)) ** -0.5  # [questions]
    loss = (losses * weights[question_of_token]).sum() / total_weight
    gradients = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)
    return MicroStep(gradients, loss.item(), right)


def learn(training: Training, rows: Sequence[Row], rate: float) -> float:
    """Take one step, tell the curriculum what was right, and return the weighted mean loss."""
    total_weight = 0.0
    for row in rows:
        for exchange in row.exchanges:
            total_weight += (len(exchange.answer) / len(row.exchanges)) ** 0.5
    # Rows of similar length together, which saves padding.
    batches = micro_batches(sorted(rows, key=len))
    with ThreadPoolExecutor(THREADS) as threads:
        parts = list(threads.map(partial(micro_step, training.model, total_weight), batches))
    # Added in the order of the batches: the sum is the same whichever thread ends first.
    for number, parameter in enumerate(training.model.parameters()):
        gradients = [part.gradients[number] for part in parts]
        used = [gradient for gradient in gradients if gradient is not None]
        parameter.grad = reduce(torch.add, used) if used else None
    for group in training.optimizer.param_groups:
        group["lr"] = rate
    torch.nn.utils.clip_grad_norm_(training.model.parameters(), 1.0)
    training.optimizer.step()
    lessons = [lesson for batch in batches for lesson in batch.lessons]
    right = [is_right for part in parts for is_right in part.right]
    training.curriculum.update(lessons, right)
    training.samples += len(lessons)
    return sum(part.loss for part in parts)


def learning_rate(samples: int, total: int) -> float:
    """Return the rate after some samples: a rise, a plateau, and a straight fall at the end."""
    rise = min(1.0, (samples + 100) / WARM_UP)
    decayed = samples - (1 - DECAY_SHARE) * total
    fall = 1 - 0.99 * max(0.0, decayed / (DECAY_SHARE * total))
    return PEAK_RATE * min(rise, fall)


def draw_held_out(encoder: Encoder, task: str, count: int) -> list[Row]:
    """Draw questions of the highest level about pictures that training never sees."""
    rng = random.Random(f"held-out {task}")
    lesson = (task, TOP_LEVEL)
    rows: list[Row] = []
    while sum(len(row.exchanges) for row in rows) < count:
        picture = draw(TASKS[task], rng, holdout=True, level=TOP_LEVEL)
        rows.append(encoder.row(lesson, picture))
    return rows


@torch.no_grad()
def right_answers(model: LlavaForConditionalGeneration, rows: Sequence[Row]) -> list[bool]:
    """Tell which questions the model answers exactly."""
    right: list[bool] = []
    for batch in micro_batches(rows):
        *_, is_right = forward(model, batch)
        right += is_right
    return right


def held_out_scores(training: Training, encoder: Encoder) -> str:
    """Return the share of right answers to held-out questions of every task, for the log."""
    shares = []
    for task in TASKS:
        right = right_answers(training.model, draw_held_out(encoder, task, NUM_HELD_OUT))
        shares.append(f"{task} {sum(right) / len(right):.2f}")
    return ", ".join(shares)


def train(training: Training, encoder: Encoder, total: int, folder: Path) -> None:
    """Train up to a number of samples, with a checkpoint and held-out scores now and then."""
    if checkpoints(folder):
        newest = checkpoints(folder)[-1]
        training.load(newest)
        print(f"going on from {newest}", flush=True)
    else:
        teach_sight(training.model, training.rng)
    training.model.train()
    first = training.samples
    begin = saved = time.monotonic()
    while training.samples < total:
        lessons = training.curriculum.draw(training.rng, BATCH)
        rows = draw_rows(encoder, lessons, training.rng)
        loss = learn(training, rows, learning_rate(training.samples, total))
        training.steps += 1
        if training.steps % PROGRESS_EVERY == 0:
            speed = (training.samples - first) / (time.monotonic() - begin)
            minutes = (total - training.samples) / speed / 60
            print(
                f"{training.samples} samples, {speed:.0f}/s, {minutes:.0f} min left, "
                f"loss {loss:.3f}; {training.curriculum}",
                flush=True,
            )
        if training.steps % HELD_OUT_EVERY == 0:
            print(f"held-out: {held_out_scores(training, encoder)}", flush=True)
        if time.monotonic() - saved >= SECONDS_BETWEEN_CHECKPOINTS:
            training.save(folder)
            saved = time.monotonic()
    training.save(folder)
    print(f"held-out: {held_out_scores(training, encoder)}", flush=True)


def main() -> None:
    """Read the arguments, train, and save the model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--checkpoints", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--samples", type=int, default=1_400_000)
    arguments = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    processor = build_processor()
    encoder = Encoder(processor)
    encoder.check(random.Random(arguments.seed))
    training = start(arguments.seed, encoder, device)
    train(training, encoder, arguments.samples, arguments.checkpoints)
    training.model.to("cpu").save_pretrained(arguments.out)
    processor.save_pretrained(arguments.out)


if __name__ == "__main__":
    main()
