"""What an engine gives for one row: the answer and how far to trust it, or why there is none."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from transformers import LogitsProcessor, PreTrainedModel

from blocksieve.models.loading import LoadedModel

# Below this many steps of the number format between the two best tokens, rounding decides.
NEAR_TIE_STEPS = 2


@dataclass(frozen=True)
class Answer:
    """The generated tokens, up to and with the end token if there is one, and their text.

    `near_tie`: some token won by so few steps of a 16-bit format that another batch could answer
    otherwise (never in float32). `non_finite`: some step's scores held NaN or had no finite
    maximum. `best_scores`: the best score of each step. `margins`: by how many steps of the format
    it won.
    """

    tokens: list[int]
    text: str
    near_tie: bool = False
    non_finite: bool = False
    best_scores: tuple[float, ...] = ()
    margins: tuple[float, ...] = ()


@dataclass(frozen=True)
class Refused:
    """Why a combination cannot run on this model."""

    reason: str


class RowVerdict(NamedTuple):
    """How far to trust one row's token.

    The best score, by how many steps of the number format it beat the second, whether that is
    nearly a tie, whether it was no number.
    """

    best: float
    margin: float
    near_tie: bool
    non_finite: bool


def best_and_margin(scores: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return the best scores, and by how many steps of a number format they won: (2, rows, ...).

    `scores` (rows, ..., vocabulary) are float32; `dtype` is the model's.
    """
    best, second = scores.topk(2).values.unbind(-1)  # (rows, ...) each
    # frexp: best = mantissa * 2^exponent with 0.5 <= mantissa < 1, so numbers near `best` are
    # eps * 2^(exponent - 1) apart in a format whose steps around 1 are eps.
    exponent = torch.frexp(best).exponent.float()
    step = torch.finfo(dtype).eps * torch.exp2(exponent - 1)
    margin = (best - second) / step  # (rows, ...)
    return torch.stack([best, margin])


class Watch(LogitsProcessor):  # type: ignore[misc]
    """A model's last logits processor: it changes nothing, but assesses every step.

    Margins below `near_tie_steps` steps of the model's `dtype` are near ties. `start`: in which
    column the answers begin. `steps`: for each step the best scores and margins, (2, rows).
    """

    def __init__(self, dtype: torch.dtype, near_tie_steps: float = NEAR_TIE_STEPS) -> None:
        self.dtype = dtype
        self.near_tie_steps = near_tie_steps
        self.start: int | None = None
        self.steps: list[torch.Tensor] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Assess a step, or several: `scores` (rows, vocabulary), or (rows, steps, vocabulary).

        `input_ids`: (rows, tokens before the first of them).
        """
        if self.start is None:
            self.start = input_ids.shape[1]
        assessed = best_and_margin(scores, self.dtype)  # (2, rows) or (2, rows, steps)
        self.steps += assessed.reshape(2, len(scores), -1).unbind(-1)
        return scores

    def take_verdicts(self) -> list[list[RowVerdict]]:
        """Return the verdicts of each row in each step since the last call."""
        if not self.steps:
            return []
        # One transfer from the device for all of them, since each waits for what runs there.
        steps = torch.stack(self.steps).tolist()  # (steps, 2, rows)
        self.steps = []
        verdicts = []
        for best_scores, margins in steps:
            verdicts.append(list(map(self._verdict, best_scores, margins)))
        return verdicts

    def _verdict(self, best: float, margin: float) -> RowVerdict:
        is_exact = self.dtype == torch.float32
        near_tie = not is_exact and margin < self.near_tie_steps
        return RowVerdict(best, margin, near_tie, non_finite=not math.isfinite(best))


def end_tokens(model: PreTrainedModel) -> set[int]:
    """Return the tokens that end an answer."""
    ends = model.generation_config.eos_token_id
    if ends is None:
        return set()
    if isinstance(ends, int):
        return {ends}
    return set(ends)


class PartialAnswers:
    """The answers of one combination to a batch, as far as they are decoded."""

    def __init__(self, num_rows: int, ends: set[int], max_new_tokens: int) -> None:
        self.ends = ends
        self.max_new_tokens = max_new_tokens
        self.tokens: list[list[int]] = [[] for _ in range(num_rows)]
        self.verdicts: list[list[RowVerdict]] = [[] for _ in range(num_rows)]

    def ended(self, row: int) -> bool:
        """Whether a row's answer is complete."""
        tokens = self.tokens[row]
        if len(tokens) == self.max_new_tokens:
            return True
        if not tokens:
            return False
        return tokens[-1] in self.ends

    def unfinished_rows(self) -> list[int]:
        """Return the rows whose answers are not complete."""
        rows = range(len(self.tokens))
        return [row for row in rows if not self.ended(row)]

    def add(self, row: int, token: int, verdict: RowVerdict) -> None:
        """Append a token to a row, unless its answer is complete."""
        if self.ended(row):
            return
        self.tokens[row].append(token)
        self.verdicts[row].append(verdict)

    def answers(self, loaded: LoadedModel) -> list[Answer]:
        """Return the answers, once all are complete."""
        answers = []
        for tokens, verdicts in zip(self.tokens, self.verdicts, strict=True):
            text = str(loaded.tokenizer.decode(tokens, skip_special_tokens=True))
            answers.append(
                Answer(
                    tokens=tokens,
                    text=text.strip(),
                    near_tie=any(verdict.near_tie for verdict in verdicts),
                    non_finite=any(verdict.non_finite for verdict in verdicts),
                    best_scores=tuple(verdict.best for verdict in verdicts),
                    margins=tuple(verdict.margin for verdict in verdicts),
                )
            )
        return answers


def partial_answers(
    tokens: Sequence[Sequence[int]], watch: Watch, ends: set[int], max_new_tokens: int
) -> PartialAnswers:
    """Return the answers that these tokens begin: one list per row, of different lengths.

    `watch` saw a step for each place in the rows, possibly more.
    """
    answers = PartialAnswers(len(tokens), ends, max_new_tokens)
    steps = watch.take_verdicts()
    for row, row_tokens in enumerate(tokens):
        for token, verdicts in zip(row_tokens, steps, strict=False):
            answers.add(row, token, verdicts[row])
    return answers
