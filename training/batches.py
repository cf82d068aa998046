"""Turn pictures and questions into the tokens that the processor would make of them."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import torch
from PIL import Image
from transformers import LlavaProcessor

from blocksieve.datasets.demo.picture import Picture, Question
from blocksieve.datasets.demo.tasks import TASKS, draw
from blocksieve.datasets.prompts import render_prompt
from drills import DRILLS
from lessons import Lesson

IGNORED = -100
MOST_IN_TRAINING = 12
"""Questions about a picture: what is looked up is learnt from many about the same picture."""
SHARED, PADDING = -1, -2
"""Marks of tokens that belong to no question: those of the picture, and those at the end."""
MICRO_BATCH = 32 if torch.cuda.is_available() else 16
"""Rows at a time: 16 fit a CPU's caches best; a GPU takes a step's rows at once."""


@dataclass(frozen=True)
class Exchange:
    """A question and its plainest answer, as tokens."""

    prompt: list[int]
    answer: list[int]


@dataclass(frozen=True)
class Row:
    """A picture, uint8 [64, 64, 3], with all its questions.

    Its tokens come once; each question sees them and itself, as if it were the only one.
    """

    lesson: Lesson
    pixels: np.ndarray
    picture_tokens: list[int]
    exchanges: list[Exchange]

    def __len__(self) -> int:
        """Return the number of tokens."""
        lengths = [len(exchange.prompt) + len(exchange.answer) for exchange in self.exchanges]
        return len(self.picture_tokens) + sum(lengths)


@dataclass(frozen=True)
class Batch:
    """Rows padded on the right.

    tokens, positions [rows, width]; labels [rows, width], IGNORED outside the answers; questions
    [rows, width], the number of each token's question in the batch, SHARED or PADDING; mask
    [rows, 1, width, width], whether a token sees another; pixels [rows, 3, 64, 64].
    """

    tokens: torch.Tensor
    positions: torch.Tensor
    labels: torch.Tensor
    questions: torch.Tensor
    mask: torch.Tensor
    pixels: torch.Tensor
    lessons: list[Lesson]
    """The lesson of every question."""
    num_beside: torch.Tensor
    """How many questions its picture has, of every question."""


class Encoder:
    """Makes rows with the processor's own tokens."""

    def __init__(self, processor: LlavaProcessor) -> None:
        self.processor = processor
        self.num_image_tokens = 16
        tokenizer = processor.tokenizer
        self.end = tokenizer.eos_token_id
        # Bounded: most captions and walks occur once.
        self.encode = lru_cache(50_000)(
            lambda text: tokenizer(text, add_special_tokens=False).input_ids
        )

    def row(self, lesson: Lesson, picture: Picture) -> Row:
        """Return a picture and its questions as tokens."""
        exchanges = []
        for question in picture.questions:
            prompt = self.encode(question_text(question)) + self.encode("<assistant>")
            answer = [*self.encode(question.references[0]), self.end]
            exchanges.append(Exchange(prompt, answer))
        picture_tokens = self.encode("<user>" + "<image>" * self.num_image_tokens)
        return Row(lesson, picture.pixels, picture_tokens, exchanges)

    def check(self, rng: random.Random) -> None:
        """Stop unless the rows equal what the processor makes of the same conversations."""
        for task in TASKS:
            picture = draw(TASKS[task], rng, holdout=False)
            question = picture.questions[0]
            content = [{"type": "image"}, {"type": "text", "text": question_text(question)}]
            chat = self.processor.apply_chat_template(
                [{"role": "user", "content": content}], add_generation_prompt=True
            )
            image = Image.fromarray(picture.pixels)
            official = self.processor(images=image, text=chat, return_tensors="pt")
            row = self.row((task, 0), picture)
            if official.input_ids[0].tolist() != row.picture_tokens + row.exchanges[0].prompt:
                raise ValueError(f"{task}: the processor makes other tokens of the prompt")
            if not torch.allclose(official.pixel_values, pad([row]).pixels, atol=1e-5):
                raise ValueError(f"{task}: the processor makes other pixels of the picture")


def question_text(question: Question) -> str:
    """Return a question as the datasets' prompts show it."""
    template = "{question}\n{choices}" if question.choices else "{question}"
    return render_prompt(template, question.question, question.choices)


def draw_rows(encoder: Encoder, lessons: Sequence[Lesson], rng: random.Random) -> list[Row]:
    """Draw a training picture of every lesson."""
    tasks = {name: partial(task, most=MOST_IN_TRAINING) for name, task in TASKS.items()}
    functions = {**DRILLS, **tasks}
    rows = []
    for task, level in lessons:
        picture = draw(functions[task], rng, holdout=False, level=level)
        rows.append(encoder.row((task, level), picture))
    return rows


def micro_batches(rows: Sequence[Row]) -> list[Batch]:
    """Split rows into batches that fit caches."""
    starts = range(0, len(rows), MICRO_BATCH)
    return [pad(rows[start : start + MICRO_BATCH]) for start in starts]


def pad(rows: Sequence[Row]) -> Batch:
    """Return rows as tensors."""
    width = max(len(row) for row in rows)
    tokens = torch.zeros(len(rows), width, dtype=torch.long)
    positions = torch.zeros(len(rows), width, dtype=torch.long)
    labels = torch.full((len(rows), width), IGNORED)
    questions = torch.full((len(rows), width), PADDING)
    lessons = []
    num_beside = []
    for number, row in enumerate(rows):
        end = len(row.picture_tokens)
        tokens[number, :end] = torch.tensor(row.picture_tokens)
        positions[number, :end] = torch.arange(end)
        questions[number, :end] = SHARED
        for exchange in row.exchanges:
            start = end
            end += len(exchange.prompt) + len(exchange.answer)
            first_position = len(row.picture_tokens)
            tokens[number, start:end] = torch.tensor(exchange.prompt + exchange.answer)
            positions[number, start:end] = torch.arange(end - start) + first_position
            labels[number, end - len(exchange.answer) : end] = torch.tensor(exchange.answer)
            questions[number, start:end] = len(lessons)
            lessons.append(row.lesson)
            num_beside.append(len(row.exchanges))
    is_same = questions[:, :, None] == questions[:, None, :]
    is_shared = (questions == SHARED)[:, None, :]
    is_before = torch.ones(width, width, dtype=torch.bool).tril()
    mask = (is_same | is_shared) & is_before
    stacked = torch.from_numpy(np.stack([row.pixels for row in rows]))
    pixels = stacked.permute(0, 3, 1, 2).float() / 127.5 - 1
    return Batch(
        tokens=tokens,
        positions=positions,
        labels=labels,
        questions=questions,
        mask=mask[:, None],
        pixels=pixels,
        lessons=lessons,
        num_beside=torch.tensor(num_beside),
    )
