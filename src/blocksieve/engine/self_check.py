"""Find the fastest way that answers a few real samples exactly as the reference does."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

import torch
from torch.nn.functional import pad

from blocksieve.combination import NONE, Combination, Site
from blocksieve.engine.answer_batch import answer_batch_in
from blocksieve.engine.answers import Answer
from blocksieve.engine.attempt import attempt
from blocksieve.engine.inputs import Batch
from blocksieve.engine.positions import (
    length_dependence,
    most_positions,
    num_places,
    usable_prefix,
)
from blocksieve.engine.prefixes import Inputs
from blocksieve.engine.reference import Context, generate
from blocksieve.engine.replay import walk_order
from blocksieve.engine.ways import LADDER, REFERENCE, Way
from blocksieve.engine.work import Work
from blocksieve.errors import name_and_first_line
from blocksieve.models.blocks import BlockList
from blocksieve.models.loading import LoadedModel
from blocksieve.models.view import refusal

CHECKED_TOKENS = 8
# How much longer than the probe's a prompt of a check is.
MORE_TOKENS = 32
NOTHING_IN_COMMON = "not prefixes: prompts about the same images begin with nothing to share"
NARROW_WINDOW = "not prefixes: a sliding window is narrower than the prompts"

Answered = Mapping[Combination, list[Answer]]
Attempted = Mapping[Combination, list[Answer] | Exception]
Ends: TypeAlias = int | list[int] | None
"""The tokens that end an answer, as a model's generation settings have them."""


@dataclass(frozen=True)
class Check:
    """What a way is held to: the reference's answers to a probe, and drafts for it.

    `ends`: the tokens that end an answer. `padding`: the token that fills short rows.
    """

    probe: Batch
    ends: Ends
    padding: int | None
    expected: Answered
    drafts: list[list[int]]


class Climbed(NamedTuple):
    """The fastest way that is exact, and why no faster one is.

    `drift`: by how many steps of the number format its margins differ from the reference's.
    """

    way: Way
    reason: str
    drift: float = 0.0


def climb(
    loaded: LoadedModel, probe: Batch, max_new_tokens: int, ladder: Sequence[Way] = LADDER
) -> Climbed:
    """Return the first way that answers the probe as the reference does, and why no faster one."""
    context = _context(loaded, probe, max_new_tokens)
    checks = _checks(context, probe)
    if not checks:
        return Climbed(REFERENCE, "nothing to compare with: the reference answers no combination")
    problems = []
    if usable_prefix(loaded.model, probe, context.max_new_tokens) is None:
        # The probe could not tell the ways with prefixes from others.
        problems.append(NOTHING_IN_COMMON if probe.prefix is None else NARROW_WINDOW)
        ladder = [way for way in ladder if not way.prefixes]
    for way in ladder:
        if way == REFERENCE:
            continue
        problem, drift = _first_problem(way, context, checks)
        if problem is None:
            return Climbed(way, "; ".join(problems) or "self-check passed", drift)
        problems.append(f"not {way.name}: {problem}")
    return Climbed(REFERENCE, "; ".join(problems))


def confirm(loaded: LoadedModel, probe: Batch, max_new_tokens: int, way: Way) -> str | None:
    """Return how a way's answers to a probe differ from the reference's; None if they do not.

    A quick look, at one combination, at a way that passed all checks before.
    """
    context = _context(loaded, probe, max_new_tokens)
    runnable = _runnable_combinations(loaded)
    if way == REFERENCE or not runnable:
        return None
    padding = loaded.model.generation_config.pad_token_id
    most_removed = max(runnable, key=lambda combination: combination.size)
    check = _check(context, probe, None, padding, [most_removed])
    if check is None:
        return "the reference cannot answer"
    problem, _ = _first_problem(way, context, [check])
    return problem


def _context(loaded: LoadedModel, probe: Batch, max_new_tokens: int) -> Context:
    """Return what checks answer in; their work is not the job's."""
    num_tokens = min(max_new_tokens, CHECKED_TOKENS)
    positions = most_positions(loaded.model)
    if positions is not None and positions >= num_places(probe):
        # The last token is not read. Real answers may end before the positions do.
        num_tokens = min(num_tokens, positions - num_places(probe) + 1)
    return Context(loaded, num_tokens, Work())


def _runnable_combinations(loaded: LoadedModel) -> list[Combination]:
    """Return those of the checked combinations that are not refused."""
    return [
        combination
        for combination in checked_combinations(loaded.blocks)
        if refusal(loaded.blocks, combination) is None
    ]


def _checks(context: Context, probe: Batch) -> list[Check]:
    """Return what the ways have to answer; nothing if the reference answers no combination."""
    loaded = context.loaded
    settings = loaded.model.generation_config
    padding = settings.pad_token_id
    endless = _check(context, probe, None, padding, _runnable_combinations(loaded))
    if endless is None:
        return []
    answered = list(endless.expected)
    # Once more as jobs run: an end token brings settings into play, such as the fewest tokens of an
    # answer.
    ended = _check(context, probe, settings.eos_token_id, padding, answered[:1])
    rare = _check_of_rare_cases(context, probe, answered)
    return [check for check in (endless, ended, rare) if check is not None]


def _check_of_rare_cases(
    context: Context, probe: Batch, combinations: list[Combination]
) -> Check | None:
    """Return a check of what real samples may bring and the probe seldom has.

    A prompt is much longer than the others if there are positions for it, two tokens end an answer,
    one of them is the padding token, and all combinations lack one block. None if the reference
    does not answer.
    """
    removing = [combination for combination in combinations if combination.size]
    if not removing:
        return None
    lacking = [each for each in removing if removing[0].blocks[0] in each.blocks]
    longer = with_longer_first(probe)
    if not _fits(context.loaded, longer):
        longer = probe
    padding = context.loaded.model.generation_config.pad_token_id
    endless = _check(context, longer, None, padding, lacking[:1])
    if endless is None:
        return None
    answers = endless.expected[lacking[0]]
    # Of the shortest prompt, which has the most padding, and of the longest; in mid-answer, so that
    # there are steps before and after.
    ends = [_middle(answers[-1].tokens), _middle(answers[0].tokens)]
    return _check(context, padded_with(longer, ends[0]), ends, ends[0], lacking)


def _fits(loaded: LoadedModel, batch: Batch) -> bool:
    """Whether a batch and short answers stay where positions are learnt and constant."""
    needed = num_places(batch) + CHECKED_TOKENS
    positions = most_positions(loaded.model)
    dependence = length_dependence(loaded.model)
    if positions is not None and needed > positions:
        return False
    return dependence is None or needed <= dependence.limit


def _middle(tokens: list[int]) -> int:
    return tokens[len(tokens) // 2]


def _check(
    context: Context,
    probe: Batch,
    ends: Ends,
    padding: int | None,
    combinations: list[Combination],
) -> Check | None:
    """Return a check on the combinations that the reference can run; None if there are none."""
    with ending_at(context.loaded, ends, padding):
        expected = _reference_answers(context, probe, combinations)
    if not expected:
        return None
    first_answers = next(iter(expected.values()))
    drafts = corrupt_drafts([answer.tokens for answer in first_answers])
    return Check(probe, ends, padding, expected, drafts)


def with_longer_first(batch: Batch) -> Batch:
    """Return a batch whose first prompt is longer: it repeats its last token.

    The others are padded, some by more than they have tokens.
    """
    ids = batch.inputs["input_ids"]  # (rows, width)
    inputs = {}
    for name, value in batch.inputs.items():
        if value.shape[:2] == ids.shape and not value.is_floating_point():
            # An entry per token: (rows, width, ...)
            first, others = value[:1], value[1:]
            repeated = first[:, -1:].repeat_interleave(MORE_TOKENS, 1)
            padding = torch.zeros_like(others[:, :1]).repeat_interleave(MORE_TOKENS, 1)
            longer_first = torch.cat([first, repeated], 1)
            inputs[name] = torch.cat([longer_first, torch.cat([padding, others], 1)])
        else:
            inputs[name] = value
    if batch.prefix is None:
        return replace(batch, inputs=inputs)
    rest = pad(batch.prefix.rest, (MORE_TOKENS, 0))  # (rows, more + rest width)
    rest[0] = pad(batch.prefix.rest[0], (0, MORE_TOKENS), value=True)
    return replace(batch, inputs=inputs, prefix=replace(batch.prefix, rest=rest))


def padded_with(batch: Batch, token: int) -> Batch:
    """Return a batch whose padding is this token."""
    inputs = _padded_inputs(batch.inputs, token)
    if batch.prefix is None:
        return replace(batch, inputs=inputs)
    prefix = replace(batch.prefix, inputs=_padded_inputs(batch.prefix.inputs, token))
    return replace(batch, inputs=inputs, prefix=prefix)


def _padded_inputs(inputs: Inputs, token: int) -> Inputs:
    mask = inputs.get("attention_mask")  # (rows, width)
    if mask is None:
        return inputs
    return inputs | {"input_ids": inputs["input_ids"].masked_fill(mask == 0, token)}


def _reference_answers(
    context: Context, probe: Batch, combinations: list[Combination]
) -> dict[Combination, list[Answer]]:
    """Return the reference's answers for the combinations that it can run."""
    answered = {}
    for combination, answers in answer_batch_in(REFERENCE, context, probe, combinations, None):
        if not isinstance(answers, Exception):
            answered[combination] = answers
    return answered


def _first_problem(way: Way, context: Context, checks: list[Check]) -> tuple[str | None, float]:
    """Return how a way's answers differ from those expected, None if they do not; and the drift."""
    loaded = context.loaded
    drift = 0.0
    for check in checks:
        order = walk_order(list(check.expected), len(loaded.blocks.blocks))
        with ending_at(loaded, check.ends, check.padding):
            answering = answer_batch_in(way, context, check.probe, order, check.drafts)
            attempted = attempt(dict, answering)
        if isinstance(attempted, Exception):
            return name_and_first_line(attempted), drift
        problem = describe_difference(check.expected, attempted, loaded.model.dtype)
        if problem is not None:
            return problem, drift
        for combination, rows in check.expected.items():
            actual_rows = attempted[combination]
            if not isinstance(actual_rows, Exception):
                drift = max(drift, margin_drift(rows, actual_rows))
    return None, drift


def effect_of_padding(
    loaded: LoadedModel, together: Batch, row: int, alone: Batch, max_new_tokens: int
) -> str | None:
    """Return how the whole model's own answer to a row differs between a batch and the row alone.

    None if it does not: then padding leaves this model's answers as they are.
    """
    model = loaded.model
    dependence = length_dependence(model)
    if dependence is not None and num_places(together) + max_new_tokens > dependence.limit:
        return "its rotary embeddings depend on the longest prompt of a batch"
    length = min(max_new_tokens, CHECKED_TOKENS)
    with ending_at(loaded, None, model.generation_config.pad_token_id):
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
    block of every kind; and halves, if they were checked.
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
    if block_list.halves.checked:
        combinations |= dict.fromkeys(_checked_halves(block_list))
    return [combination for combination in combinations if combination.size <= last]


def _checked_halves(block_list: BlockList) -> list[Combination]:
    """Return what a way is checked on where halves are removed.

    Each half alone, both halves of a block, halves around a block, the attention of every kind.
    """
    blocks = sorted({site.block for site in block_list.halves.sites})
    if not blocks:
        return []
    first, middle, last = blocks[0], blocks[len(blocks) // 2], blocks[-1]
    removed: list[list[Site]] = [
        [Site(first, "a")],
        [Site(middle, "m")],
        [Site(first, "a"), Site(first, "m")],
    ]
    if first < middle < last:
        removed.append([Site(first, "m"), Site(middle), Site(last, "a")])
    first_of_kind: dict[str, int] = {}
    for block in blocks:
        first_of_kind.setdefault(block_list.kinds[block], block)
    removed += [[Site(block, "a")] for block in first_of_kind.values()]
    return [Combination.of(sites) for sites in removed]


@contextmanager
def ending_at(loaded: LoadedModel, ends: Ends, padding: int | None) -> Iterator[None]:
    """Let these tokens end an answer, and this one fill short rows; None: no token does.

    Without an end, answers are as long as allowed, so that a check sees every step.
    """
    settings = loaded.model.generation_config
    before = settings.eos_token_id, settings.pad_token_id
    settings.eos_token_id, settings.pad_token_id = ends, padding
    try:
        yield
    finally:
        settings.eos_token_id, settings.pad_token_id = before


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


def margin_drift(expected: Sequence[Answer], actual: Sequence[Answer]) -> float:
    """Return by how many steps of the number format margins differ at most.

    Only as long as tokens are equal, since later ones have other tokens before them.
    """
    drift = 0.0
    for expected_row, row in zip(expected, actual, strict=True):
        pairs = zip(expected_row.tokens, row.tokens, strict=False)
        margins = zip(expected_row.margins, row.margins, strict=False)
        for (expected_token, token), (expected_margin, margin) in zip(pairs, margins, strict=True):
            change = abs(expected_margin - margin)
            if expected_token != token:
                # Each of the two tokens has won once: one margin is won back, the other gained.
                change = expected_margin + margin
            if math.isfinite(change):  # a token that is forced wins by infinitely much
                drift = max(drift, change)
            if expected_token != token:
                break
    return drift


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
