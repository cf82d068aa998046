"""Start an engine: the fastest way of answering that a self-check finds to be exact for this model."""

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from blocksieve.combination import NONE, Combination
from blocksieve.engine.answers import Answer, Refused
from blocksieve.engine.attempt import attempt
from blocksieve.engine.inputs import Batch
from blocksieve.engine.reference import by_reference, by_view, generate
from blocksieve.engine.replay import encoders, walk_order
from blocksieve.engine.shared import SharedBatch, by_drafts, by_prefill, by_prefixes
from blocksieve.engine.work import Costs, Work, measured
from blocksieve.models.blocks import BlockList
from blocksieve.models.loading import LoadedModel
from blocksieve.models.view import refusal

logger = logging.getLogger("blocksieve")

Attempts = Iterator[tuple[Combination, list[Answer] | Exception]]
# The ladder, fastest first.
RUNGS: dict[str, Callable[..., Attempts]] = {
    "prefixes": by_prefixes,
    "drafts": by_drafts,
    "prefill": by_prefill,
    "view": by_view,
    "reference": by_reference,
}
CHECKED_TOKENS = 8
NOTHING_IN_COMMON = "not prefixes: prompts about the same images begin with nothing to share"


class Engine:
    """Answers batches of samples for many combinations, on one rung of the ladder."""

    def __init__(
        self, loaded: LoadedModel, rung: str, reason: str, max_new_tokens: int, work: Work
    ) -> None:
        self.loaded, self.rung, self.reason = loaded, rung, reason
        self.max_new_tokens, self.work = max_new_tokens, work
        self.bytes_per_row = 0
        self.one_at_a_time = False
        self._refused: dict[Combination, Refused] = {}

    def answer_batch(
        self, batch: Batch, combinations: list[Combination], drafts: list[list[int]] | None
    ) -> Iterator[tuple[Combination, list[Answer] | Refused]]:
        """The answers of every combination to a batch, or why it cannot run; in an order of the engine's own.

        `drafts` holds a likely answer a row; it decides how fast an answer is found, never which.
        Memory may run out at any point (`out_of_memory`); what was given until then is right.
        """
        possible = [
            combination for combination in combinations if self._refusal(combination) is None
        ]
        order = walk_order(possible, len(self.loaded.blocks.blocks))
        answers: dict[Combination, list[list[int]]] = {}
        answer = RUNGS[self.rung]
        try:
            for combination, given in answer(
                self.loaded, batch, order, drafts, self.max_new_tokens, self.work
            ):
                rows = (
                    self._second_attempt(combination, batch, given)
                    if isinstance(given, Exception)
                    else given
                )
                if rows is not None:
                    answers[combination] = [row.tokens for row in rows]
                    yield combination, rows
        finally:  # also if memory runs out on the way
            if answers:
                self._account(answers, batch)
        for combination in combinations:
            if (refused := self._refusal(combination)) is not None:
                yield combination, refused

    def _refusal(self, combination: Combination) -> Refused | None:
        if combination not in self._refused:
            reason = refusal(self.loaded.model, self.loaded.blocks, combination)
            if reason is None:
                return None
            self._refused[combination] = Refused(reason)
        return self._refused[combination]

    def _second_attempt(
        self, combination: Combination, batch: Batch, error: Exception
    ) -> list[Answer] | None:
        """The reference's answers where a rung failed; if it fails too, the combination is refused from now on."""
        if self.rung != "reference":
            logger.warning(
                "%s fails on rung %s; asking the reference", combination, self.rung, exc_info=error
            )
            given = next(
                by_reference(
                    self.loaded, batch, [combination], None, self.max_new_tokens, self.work
                )
            )[1]
            if not isinstance(given, Exception):
                return given
            error = given
        if combination == NONE:
            raise error
        logger.warning("%s cannot run on this model", combination, exc_info=error)
        self._refused[combination] = Refused(
            f"the model fails without these blocks: {describe(error)}"
        )
        return None

    def _account(self, answers: dict[Combination, list[list[int]]], batch: Batch) -> None:
        before = self.work.plain
        self.work.batch_answered(batch, answers)
        if self.rung in ("view", "reference"):
            self.work.done += self.work.plain - before


def start_engine(name: str, loaded: LoadedModel, probe: Batch, max_new_tokens: int) -> Engine:
    """The engine of a config's `evaluation.engine`. `shared` takes the first rung that answers the probe exactly.

    The probe is a batch of a few real samples of different lengths. Every rung is compared with the reference.
    """
    costs = attempt(measure_costs, loaded, probe)
    if isinstance(costs, Exception):
        logger.warning("FLOPs cannot be counted on this model: %s", describe(costs))
        costs = Costs()
    asked = "reference", "wanted by evaluation.engine"
    rung, reason = asked if name == "reference" else climb(loaded, probe, max_new_tokens)
    engine = Engine(loaded, rung, reason, max_new_tokens, Work(costs))
    kept = attempt(bytes_per_row, loaded, probe, max_new_tokens)
    engine.bytes_per_row = 0 if isinstance(kept, Exception) else kept
    logger.info("engine on rung %s: %s", rung, reason)
    return engine


def climb(loaded: LoadedModel, probe: Batch, max_new_tokens: int) -> tuple[str, str]:
    """The first rung that answers the probe as the reference does, and what was wrong with those before it."""
    length = min(max_new_tokens, CHECKED_TOKENS)
    checked = checked_combinations(loaded.blocks)
    checked = [c for c in checked if refusal(loaded.model, loaded.blocks, c) is None]

    def judged(combinations: list[Combination]) -> dict[Combination, list[Answer]]:
        answers = by_reference(loaded, probe, combinations, None, length, Work())
        return {
            combination: given for combination, given in answers if not isinstance(given, Exception)
        }

    def problem(
        rung: str, expected: dict[Combination, list[Answer]], drafts: list[list[int]]
    ) -> str | None:
        order = walk_order(list(expected), len(loaded.blocks.blocks))
        given: Any = attempt(dict, RUNGS[rung](loaded, probe, order, drafts, length, Work()))
        return (
            describe(given)
            if isinstance(given, Exception)
            else difference(expected, given, loaded.model.dtype)
        )

    with without_end(loaded):
        expected = judged(checked)
    if not expected:
        return "reference", "nothing to compare with: the reference answers no combination"
    first = next(iter(expected))
    drafts, ended = spoiled([answer.tokens for answer in expected[first]]), judged([first])
    problems = [NOTHING_IN_COMMON] if probe.prefix is None else []
    for rung in list(RUNGS)[len(problems) : -1]:
        with without_end(loaded):
            found = problem(rung, expected, drafts)
        # once more as jobs run: an end token brings settings into play, such as the fewest tokens of an answer
        found = found or problem(rung, ended, drafts)
        if found is None:
            return rung, "; ".join(problems) or "self-check passed"
        problems.append(f"not {rung}: {found}")
    return "reference", "; ".join(problems)


def padding_matters(
    loaded: LoadedModel, together: Batch, row: int, alone: Batch, max_new_tokens: int
) -> str | None:
    """How the whole model's own answer to a row of a batch differs from that to the same row alone; None if not."""
    length = min(max_new_tokens, CHECKED_TOKENS)
    with without_end(loaded):
        padded = generate(loaded, loaded.model, together.inputs, length)[row]
        single = generate(loaded, loaded.model, alone.inputs, length)[0]
    return difference({NONE: [single]}, {NONE: [padded]}, loaded.model.dtype)


def checked_combinations(found: BlockList) -> list[Combination]:
    """None, the first, middle and last block, a pair, the ends together, and the first block of every kind."""
    last = len(found.blocks) - 1
    kinds = [found.kinds.index(kind) for kind in dict.fromkeys(found.kinds)]
    removed = [
        (),
        (0,),
        (last // 2,),
        (last,),
        (1, last // 2 + 1),
        (0, last),
        *((index,) for index in kinds),
    ]
    combinations = dict.fromkeys(Combination.of(blocks) for blocks in removed)
    return [combination for combination in combinations if combination.size <= last]


@contextmanager
def without_end(loaded: LoadedModel) -> Iterator[None]:
    """Answers as long as allowed, so that a check sees every step."""
    settings = loaded.model.generation_config
    ends, settings.eos_token_id = settings.eos_token_id, None
    try:
        yield
    finally:
        settings.eos_token_id = ends


def spoiled(answers: list[list[int]]) -> list[list[int]]:
    """Drafts that are wrong in the middle, wrong from the start, right and wrong at the end, row by row."""
    drafts = [list(answer) for answer in answers]
    for row, draft in enumerate(drafts):
        place = (len(draft) // 2, 0, None, len(draft) - 1)[row % 4]
        if place is not None:
            draft[place] = int(draft[place] == 0)
    return drafts


def difference(
    expected: dict[Combination, list[Answer]],
    given: dict[Combination, list[Answer] | Exception],
    dtype: torch.dtype,
) -> str | None:
    """What tells two ways of answering apart, None if nothing does. Scores may differ by rounding."""
    tolerance = math.sqrt(torch.finfo(dtype).eps)
    for combination, rows in expected.items():
        others = given[combination]
        if isinstance(others, Exception):
            return f"without {combination}: {describe(others)}"
        for row, (one, other) in enumerate(zip(rows, others, strict=True)):
            if one.near_tie or other.near_tie:
                continue
            if one.tokens != other.tokens:
                return f"without {combination}: row {row} answers {other.tokens}, not {one.tokens}"
            gaps = (
                abs(a - b) / max(1, abs(a))
                for a, b in zip(one.best_scores, other.best_scores, strict=True)
            )
            gap = max(gaps, default=0)
            if gap > tolerance:
                return f"without {combination}: scores of row {row} differ by {gap:.1e}"
    return None


def measure_costs(loaded: LoadedModel, probe: Batch) -> Costs:
    """FLOPs of the model's parts, from answering the probe with one token."""
    blocks = dict(enumerate(loaded.blocks.blocks))
    with measured(blocks, encoders(loaded.model, loaded.blocks), probe.rows) as costs:
        generate(loaded, loaded.model, probe.inputs, 1)
    return costs


def bytes_per_row(loaded: LoadedModel, probe: Batch, max_new_tokens: int) -> int:
    """Memory that a row needs: hidden states and caches along one path, as much again while it waits, and scores."""
    shared = SharedBatch(loaded, probe, 1, Work(), prefixes=False)
    shared.decode(NONE)
    scores = max_new_tokens * int(loaded.model.config.get_text_config(decoder=True).vocab_size) * 4
    return 2 * shared.replay.nbytes() // probe.rows + scores


def describe(error: Exception) -> str:
    """An exception in one line."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
