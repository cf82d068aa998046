"""Find the fastest way that answers a few real samples exactly as the reference does."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch

from blocksieve.combination import NONE, Combination
from blocksieve.engine.answer_batch import answer_batch_in
from blocksieve.engine.answers import Answer
from blocksieve.engine.attempt import attempt
from blocksieve.engine.inputs import Batch
from blocksieve.engine.reference import Context, generate
from blocksieve.engine.replay import walk_order
from blocksieve.engine.ways import LADDER, REFERENCE, Way
from blocksieve.engine.work import Work
from blocksieve.errors import name_and_first_line
from blocksieve.models.blocks import BlockList
from blocksieve.models.loading import LoadedModel
from blocksieve.models.view import refusal

CHECKED_TOKENS = 8
NOTHING_IN_COMMON = "not prefixes: prompts about the same images begin with nothing to share"

Answered = Mapping[Combination, list[Answer]]
Attempted = Mapping[Combination, list[Answer] | Exception]


def climb(loaded: LoadedModel, probe: Batch, max_new_tokens: int) -> tuple[Way, str]:
    """Return the first way that answers the probe as the reference does, and why no faster one."""
    # The check's work is not the job's.
    context = Context(loaded, min(max_new_tokens, CHECKED_TOKENS), Work())
    combinations = [
        combination
        for combination in checked_combinations(loaded.blocks)
        if refusal(loaded.model, loaded.blocks, combination) is None
    ]
    with without_end(loaded):
        endless = _reference_answers(context, probe, combinations)
    if not endless:
        return REFERENCE, "nothing to compare with: the reference answers no combination"
    first = next(iter(endless))
    drafts = corrupt_drafts([answer.tokens for answer in endless[first]])
    ended = _reference_answers(context, probe, [first])
    problems = [] if probe.prefix is not None else [NOTHING_IN_COMMON]
    for way in _ways_to_check(probe):
        with without_end(loaded):
            problem = _problem_of(way, context, probe, endless, drafts)
        # Once more as jobs run: an end token brings settings into play, such as the fewest tokens
        # of an answer.
        problem = problem or _problem_of(way, context, probe, ended, drafts)
        if problem is None:
            return way, "; ".join(problems) or "self-check passed"
        problems.append(f"not {way.name}: {problem}")
    return REFERENCE, "; ".join(problems)


def _ways_to_check(probe: Batch) -> list[Way]:
    """Return the ways that the probe can tell from the reference, fastest first."""
    ways = [way for way in LADDER if way != REFERENCE]
    if probe.prefix is None:
        ways = [way for way in ways if not way.prefixes]
    return ways


def _reference_answers(
    context: Context, probe: Batch, combinations: list[Combination]
) -> dict[Combination, list[Answer]]:
    """Return the reference's answers for the combinations that it can run."""
    answered = {}
    for combination, answers in answer_batch_in(REFERENCE, context, probe, combinations, None):
        if not isinstance(answers, Exception):
            answered[combination] = answers
    return answered


def _problem_of(
    way: Way, context: Context, probe: Batch, expected: Answered, drafts: list[list[int]]
) -> str | None:
    """Return how a way's answers to the probe differ from those expected; None if they do not."""
    loaded = context.loaded
    order = walk_order(list(expected), len(loaded.blocks.blocks))
    answering = answer_batch_in(way, context, probe, order, drafts)
    attempted = attempt(dict, answering)
    if isinstance(attempted, Exception):
        return name_and_first_line(attempted)
    return describe_difference(expected, attempted, loaded.model.dtype)


def effect_of_padding(
    loaded: LoadedModel, together: Batch, row: int, alone: Batch, max_new_tokens: int
) -> str | None:
    """Return how the whole model's own answer to a row differs between a batch and the row alone.

    None if it does not: then padding leaves this model's answers as they are.
    """
    model = loaded.model
    length = min(max_new_tokens, CHECKED_TOKENS)
    with without_end(loaded):
        padded = generate(loaded, model, together.inputs, length)
        single = generate(loaded, model, alone.inputs, length)
    return describe_difference(
        {NONE: single},
        {NONE: [padded[row]]},
        model.dtype,
    )


def checked_combinations(block_list: BlockList) -> list[Combination]:
    """Return what a way is checked on.

    Nothing removed, the first, middle and last block, a pair, both ends together, and the first
    block of every kind.
    """
    last = len(block_list.blocks) - 1
    removed: list[tuple[int, ...]] = [
        (),
        (0,),
        (last // 2,),
        (last,),
        (1, last // 2 + 1),
        (0, last),
    ]
    kinds = dict.fromkeys(block_list.kinds)
    removed += [(block_list.kinds.index(kind),) for kind in kinds]
    # In a shallow model some of them are the same.
    combinations = dict.fromkeys(Combination.of(blocks) for blocks in removed)
    return [combination for combination in combinations if combination.size <= last]


@contextmanager
def without_end(loaded: LoadedModel) -> Iterator[None]:
    """Let answers be as long as allowed, so that a check sees every step."""
    settings = loaded.model.generation_config
    end = settings.eos_token_id
    settings.eos_token_id = None
    try:
        yield
    finally:
        settings.eos_token_id = end


def corrupt_drafts(answers: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return drafts that are wrong in the middle, at the start, nowhere, at the end, row by row."""
    drafts = []
    for row, answer in enumerate(answers):
        draft = list(answer)
        wrong_places = [len(draft) // 2, 0, None, len(draft) - 1]
        place = wrong_places[row % len(wrong_places)]
        if place is not None:
            draft[place] = 1 if draft[place] == 0 else 0
        drafts.append(draft)
    return drafts


def describe_difference(expected: Answered, attempted: Attempted, dtype: torch.dtype) -> str | None:
    """Return what tells two ways of answering apart, None if nothing does.

    Tokens must be equal; scores may differ by rounding. Rows with near ties are not compared.
    """
    for combination, expected_rows in expected.items():
        rows = attempted[combination]
        if isinstance(rows, Exception):
            return f"without {combination}: {name_and_first_line(rows)}"
        pairs = zip(expected_rows, rows, strict=True)
        for number, (expected_answer, answer) in enumerate(pairs):
            if expected_answer.near_tie or answer.near_tie:
                continue
            problem = _row_difference(number, expected_answer, answer, dtype)
            if problem is not None:
                return f"without {combination}: {problem}"
    return None


def _row_difference(
    number: int, expected: Answer, actual: Answer, dtype: torch.dtype
) -> str | None:
    if expected.tokens != actual.tokens:
        return f"row {number} answers {actual.tokens}, not {expected.tokens}"
    gaps = []
    for score, actual_score in zip(expected.best_scores, actual.best_scores, strict=True):
        size = max(1, abs(score))  # absolute below 1, where scores may be near 0
        gaps.append(abs(score - actual_score) / size)
    largest_gap = max(gaps, default=0)
    # Half of the format's digits: rounding grows over the blocks, a wrong mask shows far above it.
    if largest_gap > math.sqrt(torch.finfo(dtype).eps):
        return f"scores of row {number} differ by {largest_gap:.1e}"
    return None
