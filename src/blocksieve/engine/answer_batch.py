"""Answer a batch for many combinations in one way."""

from collections.abc import Iterator

from blocksieve.combination import Combination
from blocksieve.engine.answers import Answer
from blocksieve.engine.attempt import attempt
from blocksieve.engine.inputs import Batch
from blocksieve.engine.reference import Context, answers_of_copy, answers_of_view
from blocksieve.engine.shared import SharedBatch, Waiting
from blocksieve.engine.ways import Way

Attempt = tuple[Combination, list[Answer] | Exception]
"""A combination's answers to a batch, or what went wrong."""


def answer_batch_in(
    way: Way,
    context: Context,
    batch: Batch,
    combinations: list[Combination],
    drafts: list[list[int]] | None,
) -> Iterator[Attempt]:
    """Yield every combination's answers to a batch, or what went wrong with it.

    Combinations come in `walk_order` and may go in another. `drafts` hold a likely answer per row;
    without them, the first combination's answers are those of the others.
    """
    if not way.decodes_natively:
        yield from _verify_drafts(way, context, batch, combinations, drafts)
    elif way.intercepts:
        yield from _share_first_pass(way, context, batch, combinations)
    else:
        answers_of = answers_of_view if way.view else answers_of_copy
        for combination in combinations:
            yield combination, attempt(answers_of, context, batch, combination)


def _share_first_pass(
    way: Way, context: Context, batch: Batch, combinations: list[Combination]
) -> Iterator[Attempt]:
    """Share the pass over the prompts, then let the model decode by itself."""
    shared = SharedBatch(way, context, batch)
    for combination in combinations:
        decoded = attempt(shared.decode, combination)
        if isinstance(decoded, Exception):
            yield combination, decoded
        else:
            yield combination, decoded.answers(context.loaded)


def _verify_drafts(
    way: Way,
    context: Context,
    batch: Batch,
    combinations: list[Combination],
    drafts: list[list[int]] | None,
) -> Iterator[Attempt]:
    """Share the passes over prompts and drafts; rows whose draft was wrong go on together."""
    shared = SharedBatch(way, context, batch)
    no_drafts: list[list[int]] = [[]] * batch.rows
    shared.use_drafts(drafts if way.drafts and drafts else no_drafts)
    takes_first_answers = way.drafts and drafts is None
    waiting: list[Waiting] = []
    for combination in combinations:
        verified = attempt(shared.verify, combination)
        if isinstance(verified, Exception):
            yield combination, verified
            continue
        answers, unfinished = verified
        if unfinished is None:
            yield combination, answers.answers(context.loaded)
            continue
        if waiting and _is_full(way, waiting, len(unfinished), batch):
            yield from _finish(shared, waiting)
            waiting = []
        waiting.append(Waiting(combination, answers, unfinished))
        if takes_first_answers:
            yield from _finish(shared, waiting)
            waiting = []
            shared.use_drafts(answers.tokens)
            takes_first_answers = False
    if waiting:
        yield from _finish(shared, waiting)


def _finish(shared: SharedBatch, waiting: list[Waiting]) -> Iterator[Attempt]:
    """Yield the answers of all that waited, or for each of them what went wrong."""
    finished = attempt(shared.finish, waiting)
    if isinstance(finished, Exception):
        for part in waiting:
            yield part.combination, finished
    else:
        yield from finished


def _is_full(way: Way, waiting: list[Waiting], num_more: int, batch: Batch) -> bool:
    """Whether so many rows wait that they go on before more join them."""
    if not way.merge_continuations:
        return True
    num_waiting = sum(len(part.unfinished) for part in waiting)
    return num_waiting + num_more > max(batch.most_rows, batch.rows)
