"""What an engine gives for one row: the answer and how trustworthy its numbers are, or why there is none."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from transformers import GenerationMixin, LogitsProcessor, LogitsProcessorList

from blocksieve.models.loading import LoadedModel

# A margin between the two best tokens under this many steps of the number format decides by rounding.
NEAR_TIE_STEPS = 2


@dataclass(frozen=True)
class Answer:
    """The generated tokens, up to and with the end token if there is one, their text, and what to know of them.

    `near_tie`: some token won by less than two steps of a 16-bit format, so another batch could answer otherwise
    (float32: never). `non_finite`: some step's scores held NaN or had no finite maximum. `best_scores`: its own.
    """

    tokens: list[int]
    text: str
    near_tie: bool = False
    non_finite: bool = False
    best_scores: tuple[float, ...] = ()


@dataclass(frozen=True)
class Refused:
    """Why a combination cannot run on this model."""

    reason: str


@dataclass
class Verdict:
    """One decoding step of some rows: the best score, whether it was nearly tied, whether it was no number."""

    best: torch.Tensor
    near_tie: torch.Tensor
    non_finite: torch.Tensor

    def rows(self) -> list[tuple[float, bool, bool]]:
        """The verdict of each row."""
        return list(
            zip(self.best.tolist(), self.near_tie.tolist(), self.non_finite.tolist(), strict=True)
        )


def judge(scores: torch.Tensor, dtype: torch.dtype) -> Verdict:
    """Judge one step's float32 scores (rows x vocabulary) that a model of `dtype` gave."""
    best, second = scores.topk(2).values.unbind(-1)
    if dtype == torch.float32:
        near_tie = torch.zeros_like(best, dtype=torch.bool)
    else:
        step = torch.finfo(dtype).eps * torch.exp2(torch.frexp(best).exponent.float() - 1)
        near_tie = best - second < NEAR_TIE_STEPS * step
    return Verdict(best, near_tie, ~best.isfinite())


class Watch(LogitsProcessor):  # type: ignore[misc]
    """A model's last logits processor: changes nothing, judges every step, sees where the answer begins."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self.start: int | None = None
        self.verdicts: list[Verdict] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Judge one step."""
        if self.start is None:
            self.start = input_ids.shape[1]
        self.verdicts.append(judge(scores, self.dtype))
        return scores


@contextmanager
def watched(model: Any, *watches: Watch) -> Iterator[None]:
    """Whatever the model generates in this context, these see every step, after all other logits processors.

    Some models' own generate forgets the processors that it is given, or hands over to a part of the model.
    """
    generators = [module for module in model.modules() if isinstance(module, GenerationMixin)]
    for module in generators:
        module.__dict__["_get_logits_processor"] = _with(watches, module._get_logits_processor)
    try:
        yield
    finally:
        for module in generators:
            del module.__dict__["_get_logits_processor"]


def _with(watches: tuple[Watch, ...], processors: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(processors)
    def call(*args: Any, **kwargs: Any) -> LogitsProcessorList:
        return LogitsProcessorList([*processors(*args, **kwargs), *watches])

    return call


def end_tokens(model: Any) -> set[int]:
    """The tokens that end an answer."""
    ends = model.generation_config.eos_token_id
    return {ends} if isinstance(ends, int) else set(ends or ())


class Growing:
    """The answers of one combination to a batch, as far as they are decoded."""

    def __init__(self, rows: int, ends: set[int], max_new_tokens: int) -> None:
        self.ends, self.max_new_tokens = ends, max_new_tokens
        self.tokens: list[list[int]] = [[] for _ in range(rows)]
        self.verdicts: list[list[tuple[float, bool, bool]]] = [[] for _ in range(rows)]

    def ended(self, row: int) -> bool:
        """Whether a row's answer is complete."""
        tokens = self.tokens[row]
        return len(tokens) == self.max_new_tokens or (bool(tokens) and tokens[-1] in self.ends)

    def unfinished(self) -> list[int]:
        """The rows whose answers are not complete."""
        return [row for row in range(len(self.tokens)) if not self.ended(row)]

    def add(self, row: int, token: int, verdict: tuple[float, bool, bool]) -> None:
        """Append a token to a row, unless its answer is complete."""
        if not self.ended(row):
            self.tokens[row].append(token)
            self.verdicts[row].append(verdict)

    def answers(self, loaded: LoadedModel) -> list[Answer]:
        """The answers, once all are complete."""
        return [
            Answer(
                tokens,
                str(loaded.tokenizer.decode(tokens, skip_special_tokens=True)).strip(),
                any(near_tie for _, near_tie, _ in verdicts),
                any(non_finite for _, _, non_finite in verdicts),
                tuple(best for best, _, _ in verdicts),
            )
            for tokens, verdicts in zip(self.tokens, self.verdicts, strict=True)
        ]


def grown(tokens: list[list[int]], watch: Watch, ends: set[int], max_new_tokens: int) -> Growing:
    """The answers that these tokens begin; a watch saw a step for each place in the rows."""
    growing = Growing(len(tokens), ends, max_new_tokens)
    verdicts = [verdict.rows() for verdict in watch.verdicts]
    for row, chosen in enumerate(tokens):
        for token, verdict in zip(chosen, verdicts, strict=False):
            growing.add(row, token, verdict[row])
    return growing
