"""Train the embedded demo VLM from nothing: `python training/train.py --out models/demo-vlm`.

Lessons come one skill at a time, smallest case first. A lesson ends once its answers are right, and
all earlier ones stay in the mix. Four blocks learn the tasks, then the model grows to sixteen and
trains on.
"""

import argparse
import math
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from transformers import LlavaForConditionalGeneration, LlavaProcessor

from blocksieve.datasets.demo.tasks import TASKS, draw
from blocksieve.datasets.prompts import render_prompt
from checkpoint import build_model, build_processor, grow
from drills import DRILLS

LESSONS = [
    ("things", 0),
    ("letters", 0),
    ("digits", 0),
    ("caption", 0),
    ("vqa", 0),
    ("caption", 1),
    ("text_vqa", 0),
    ("st_qa", 0),
    ("vqa", 1),
    ("doc_qa", 0),
    ("okvqa", 0),
    ("tally_qa", 0),
    ("science_qa", 0),
    ("caption", 2),
    ("text_vqa", 1),
    ("rows", 0),
    ("rows", 1),
    ("values", 0),
    ("lookup", 0),
    ("doc_qa", 1),
]
FINAL = [(task, 2) for task in TASKS]
BATCH = 64
PASS_AT, LESSON_LIMIT = 0.90, 40_000
IGNORED = -100


@dataclass
class Progress:
    """Running share of fully right answers of every lesson."""

    right: dict[tuple[str, int], float]

    def update(self, lesson: tuple[str, int], share: float, weight: float = 0.05) -> None:
        """Let a new share count by `weight`."""
        self.right[lesson] = (1 - weight) * self.right.get(lesson, 0.0) + weight * share

    def __str__(self) -> str:
        return " ".join(
            f"{task}{level}:{share:.2f}" for (task, level), share in sorted(self.right.items())
        )


class Encoder:
    """Turns demo pictures into training rows with the processor's own tokens."""

    def __init__(self, processor: LlavaProcessor) -> None:
        self.tokenizer = processor.tokenizer
        self.image_tokens = 16
        self.encode = cache(lambda text: self.tokenizer(text, add_special_tokens=False).input_ids)
        self.processor = processor

    def prompt(self, question: str, choices: tuple[str, ...]) -> list[int]:
        """The tokens of a user turn with its picture."""
        template = "{question}\n{choices}" if choices else "{question}"
        text = render_prompt(template, question, choices)
        return (
            self.encode("<user>" + "<image>" * self.image_tokens)
            + self.encode(text)
            + self.encode("<assistant>")
        )

    def answer(self, text: str) -> list[int]:
        """The tokens of an answer and the end."""
        return [*self.encode(text), self.tokenizer.eos_token_id]

    def check(self, rng: random.Random) -> None:
        """Stop unless the rows equal what the processor makes of the same conversation."""
        from PIL import Image

        for task in TASKS:
            picture = draw(TASKS[task], rng, holdout=False)
            question = picture.questions[0]
            template = "{question}\n{choices}" if question.choices else "{question}"
            text = render_prompt(template, question.question, question.choices)
            content = [{"type": "image"}, {"type": "text", "text": text}]
            chat = self.processor.apply_chat_template(
                [{"role": "user", "content": content}], add_generation_prompt=True
            )
            official = self.processor(
                images=Image.fromarray(picture.pixels), text=chat, return_tensors="pt"
            )
            assert official.input_ids[0].tolist() == self.prompt(
                question.question, question.choices
            ), task
            pixels = torch.from_numpy(picture.pixels).permute(2, 0, 1).float() / 127.5 - 1
            assert torch.allclose(official.pixel_values[0], pixels, atol=1e-5), task


def make_batch(
    encoder: Encoder, lessons: list[tuple[str, int]], rng: random.Random
) -> dict[str, torch.Tensor]:
    """Return right-padded rows, one question of one picture each; labels only on the answers."""
    rows, pixels = [], []
    for task, level in lessons:
        picture = draw({**DRILLS, **TASKS}[task], rng, holdout=False, level=level)
        question = rng.choice(picture.questions)
        rows.append(
            (
                encoder.prompt(question.question, question.choices),
                encoder.answer(question.references[0]),
            )
        )
        pixels.append(picture.pixels)
    width = max(len(prompt) + len(answer) for prompt, answer in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    labels = torch.full((len(rows), width), IGNORED)
    mask = torch.zeros(len(rows), width, dtype=torch.long)
    for i, (prompt, answer) in enumerate(rows):
        end = len(prompt) + len(answer)
        ids[i, :end] = torch.tensor(prompt + answer)
        labels[i, len(prompt) : end] = torch.tensor(answer)
        mask[i, :end] = 1
    images = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).float() / 127.5 - 1
    return {"input_ids": ids, "attention_mask": mask, "pixel_values": images, "labels": labels}


def step(
    model: LlavaForConditionalGeneration, batch: dict[str, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the loss over the answers' tokens, and per row whether all of its answer is right.

    Teacher-forced: each token is predicted after the right ones.
    """
    labels = batch.pop("labels")
    targets = labels[:, 1:]  # (rows, tokens - 1): each position predicts the next token
    hidden = model.model(**batch).last_hidden_state[:, :-1]
    in_answer = targets != IGNORED
    logits = model.lm_head(hidden[in_answer])  # (answer tokens of all rows, vocabulary)
    answer_tokens = targets[in_answer]
    is_wrong = (logits.argmax(-1) != answer_tokens).float()
    rows = in_answer.nonzero()[:, 0]
    num_wrong = torch.zeros(len(labels)).index_add_(0, rows, is_wrong)
    return torch.nn.functional.cross_entropy(logits, answer_tokens), num_wrong == 0


def train(
    model: LlavaForConditionalGeneration,
    encoder: Encoder,
    mixes: Iterator[list[tuple[str, int]]],
    rng: random.Random,
    progress: Progress,
    peak: float,
    samples: int | None,
) -> None:
    """Run AdamW over the mixes until they end.

    The rate falls as a cosine over `samples`, or stays at `peak`.
    """
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.05}, {"params": vectors, "weight_decay": 0.0}],
        betas=(0.9, 0.98),
    )
    model.train()
    seen, start = 0, time.monotonic()
    for number, lessons in enumerate(mixes):
        rate = peak * min(1.0, (number + 1) / 200)
        if samples:
            rate *= 0.01 + 0.99 * (1 + math.cos(math.pi * min(1.0, seen / samples))) / 2
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss, right = step(model, make_batch(encoder, lessons, rng))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        seen += len(lessons)
        for lesson in set(lessons):
            rows = [i for i, row_lesson in enumerate(lessons) if row_lesson == lesson]
            progress.update(lesson, right[rows].float().mean().item())
        if number % 50 == 0:
            speed = seen / (time.monotonic() - start)
            print(f"{seen} samples, {speed:.0f}/s, loss {loss.item():.3f}, {progress}", flush=True)


def curriculum(rng: random.Random, progress: Progress) -> Iterator[list[tuple[str, int]]]:
    """Yield batches: half is the current lesson, half the earlier ones, the weaker more often."""
    for number, lesson in enumerate(LESSONS):
        learnt = LESSONS[:number]
        seen = 0
        while seen < LESSON_LIMIT and (progress.right.get(lesson, 0.0) < PASS_AT or seen < 2000):
            half = BATCH // 2 if learnt else BATCH
            yield [lesson] * half + mixture(rng, progress, learnt, BATCH - half)
            seen += half
        print(
            f"lesson {lesson} left at {progress.right[lesson]:.2f} after {seen} samples", flush=True
        )


def mixture(
    rng: random.Random, progress: Progress, lessons: list[tuple[str, int]], size: int
) -> list[tuple[str, int]]:
    """Draw lessons, the weaker the more often."""
    if not lessons:
        return []
    weights = [0.1 + (1 - progress.right.get(lesson, 0.0)) for lesson in lessons]
    return rng.choices(lessons, weights, k=size)


def steady(rng: random.Random, progress: Progress, samples: int) -> Iterator[list[tuple[str, int]]]:
    """Yield the datasets' mix (level 2 of every task) with some smaller cases, for some samples."""
    for _ in range(samples // BATCH):
        yield mixture(rng, progress, FINAL, BATCH - 8) + rng.choices(LESSONS, k=8)


def main() -> None:
    """Read the arguments, train both stages, save the checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--small-samples", type=int, default=200_000, help="samples of the whole mix with 4 blocks"
    )
    parser.add_argument("--samples", type=int, default=95_000, help="samples with 16 blocks")
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    rng, progress = random.Random(arguments.seed), Progress({})
    processor = build_processor()
    encoder = Encoder(processor)
    encoder.check(rng)
    small = build_model(processor, blocks=4)
    train(small, encoder, curriculum(rng, progress), rng, progress, peak=1e-3, samples=None)
    mix = steady(rng, progress, arguments.small_samples)
    train(small, encoder, mix, rng, progress, peak=1e-3, samples=2 * arguments.small_samples)
    print(f"growing to 16 blocks; {progress}", flush=True)
    model = grow(small, processor, blocks=16)
    train(
        model,
        encoder,
        steady(rng, progress, arguments.samples),
        rng,
        progress,
        peak=1e-3,
        samples=arguments.samples,
    )
    model.save_pretrained(arguments.out)
    processor.save_pretrained(arguments.out)


if __name__ == "__main__":
    main()
