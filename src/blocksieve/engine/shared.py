"""The work that all combinations of a batch share, done once."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from transformers import (
    LogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
    SuppressTokensLogitsProcessor,
)

from blocksieve.combination import Combination, Site
from blocksieve.engine.answers import (
    Answer,
    PartialAnswers,
    RowVerdict,
    Watch,
    end_tokens,
    partial_answers,
)
from blocksieve.engine.attempt import UnsupportedError
from blocksieve.engine.continuation import Continuation
from blocksieve.engine.generation import Prepared, generate_greedily, prepare
from blocksieve.engine.inputs import Batch
from blocksieve.engine.interception import intercepted
from blocksieve.engine.positions import (
    most_positions,
    num_places,
    rotary_state_kept,
    usable_prefix,
)
from blocksieve.engine.prefixes import Inputs
from blocksieve.engine.reference import Context
from blocksieve.engine.replay import BlockReplay, EncoderMemo, encoders
from blocksieve.engine.unfinished import Unfinished, cut_back
from blocksieve.engine.verification import Verified, read_prefixes, verify
from blocksieve.engine.ways import Way
from blocksieve.models.view import kept_blocks, view

# Processors that look at a row's tokens without minding how far it is padded, so that rows may be
# moved under them. All others may look at positions, as a fewest number of tokens does.
MOVABLE = (Watch, RepetitionPenaltyLogitsProcessor, SuppressTokensLogitsProcessor)


@dataclass
class Waiting:
    """A combination of which some rows' drafts were wrong: its answers so far, and those rows."""

    combination: Combination
    answers: PartialAnswers
    unfinished: Unfinished


@dataclass
class Slot:
    """A row of a continuation: whose answers it belongs to, and which row of them.

    `unread`: the last tokens of its answer, where the continuation begins before them.
    """

    answers: PartialAnswers
    row: int
    unread: list[int]

    def take(self, token: int, verdict: RowVerdict) -> int:
        """Add a token that the model chose, and return what it is to read next."""
        if self.unread:
            # The answer has this token already: the step was for the states.
            return self.unread.pop(0)
        self.answers.add(self.row, token, verdict)
        return token


class SharedBatch:
    """One batch: what its combinations have in common lives as long as this object.

    Combinations must come in `walk_order`. What is shared is the way's to say.
    """

    def __init__(self, way: Way, context: Context, batch: Batch) -> None:
        loaded = context.loaded
        self.way = way
        self.batch = batch
        self.loaded = loaded
        self.model = loaded.model
        self.max_new_tokens = context.max_new_tokens
        self.work = context.work
        self.near_tie_steps = context.near_tie_steps
        self.ends = end_tokens(loaded.model)
        self.prefix = None
        if way.prefixes:
            self.prefix = usable_prefix(loaded.model, batch, context.max_new_tokens)
        self.blocks = dict(enumerate(loaded.blocks.blocks))
        self.encoders = encoders(loaded.model, loaded.blocks)
        prefix_of = None if self.prefix is None else self.prefix.group
        self.replay = BlockReplay(context.work, prefix_of, remembers=way.replay)
        self.memo = EncoderMemo(context.work, self.replay, remembers=way.encoder_memo)
        self.drafts: torch.Tensor | None = None  # (rows, draft length)
        self.prepared: dict[str, Prepared] = {}

    @contextmanager
    def _without_blocks(self, combination: Combination, shared_passes: int) -> Iterator[None]:
        """Leave the combination's sites out, and share its first passes with all others."""
        self.replay.begin(combination, shared_passes)
        with ExitStack() as stack:
            stack.enter_context(torch.no_grad())
            stack.enter_context(rotary_state_kept(self.model))
            # The view first: it changes which blocks are called, the handlers what a call does.
            stack.enter_context(view(self.model, self.loaded.blocks, combination))
            stack.enter_context(intercepted(self.encoders, self.memo))
            stack.enter_context(intercepted(self.blocks, self.replay))
            yield

    def decode(self, combination: Combination) -> PartialAnswers:
        """Return complete answers by the model's own generate; its first pass is shared."""
        watch = Watch(self.model.dtype, self.near_tie_steps)
        with self._without_blocks(combination, shared_passes=1):
            # (rows, prompt + answer)
            output = generate_greedily(self.model, self.batch.inputs, self.max_new_tokens, [watch])
        num_steps = len(watch.steps)
        self.work.head_ran(len(output) * num_steps)
        answer_ids = output[:, watch.start :]  # (rows, answer)
        return self._partial_answers(answer_ids.tolist(), watch)

    def use_drafts(self, drafts: list[list[int]]) -> None:
        """Verify these from now on, one list of tokens per row."""
        longest = max(len(draft) for draft in drafts)
        length = max(1, min(longest, self.max_new_tokens, self._most_draft_tokens()))
        # What fills a short draft is verified like the rest: it may even be right.
        filler = [0] * length
        filled = [[*draft, *filler][:length] for draft in drafts]
        self.drafts = torch.tensor(filled, device=self.model.device)  # (rows, length)
        self.replay.forget(number=1)  # the pass over the drafts; that over the prompts stays

    def _most_draft_tokens(self) -> int:
        """Return how long a draft may be whose last token is not read: positions may end."""
        positions = most_positions(self.model)
        if positions is None:
            return self.max_new_tokens
        return positions - num_places(self.batch) + 1

    def verify(self, combination: Combination) -> tuple[PartialAnswers, Unfinished | None]:
        """Return answers as far as the drafts are right, and what is needed to go on.

        UnsupportedError if the model cannot be run so.
        """
        watch = Watch(self.model.dtype, self.near_tie_steps)
        with self._without_blocks(combination, shared_passes=2):
            verified = self._read_prompts_and_drafts(watch)
        _check_movable(verified.processors)
        answers = self._partial_answers(verified.answer_tokens, watch)
        rows = answers.unfinished_rows()
        if not rows:
            return answers, None
        readers: list[int | None] = []  # of each layer of the cache
        for index in kept_blocks(len(self.blocks), combination):
            reads = combination.keeps(Site(index, "a"))
            readers.append(index if reads else None)
        return answers, cut_back(verified, rows, readers)

    def _read_prompts_and_drafts(self, watch: Watch) -> Verified:
        inputs = self.batch.inputs
        if self.prefix is None:
            prompts = self._prepare("prompts", inputs)
            return verify(prompts, self.drafts, watch, self.work)
        cache = read_prefixes(self._prepare("prefixes", self.prefix.inputs))
        # Images were read with the prefixes. What is left of them are sizes, on which positions
        # depend.
        without_pixels = {
            name: value for name, value in inputs.items() if not value.is_floating_point()
        }
        prompts = self._prepare("prompts", without_pixels)
        return verify(prompts, self.drafts, watch, self.work, (self.prefix, cache))

    def _prepare(self, name: str, inputs: Inputs) -> Prepared:
        """Return what generate decodes these inputs with, worked out once for all combinations."""
        if name in self.prepared:
            return self.prepared[name].with_empty_cache()
        prepared = prepare(self.model, inputs, self.max_new_tokens)
        if prepared.suits_all_combinations:
            # Not with the cache that is about to be filled: it would stay in memory.
            self.prepared[name] = prepared.with_empty_cache()
        return prepared

    def finish(self, waiting: list[Waiting]) -> list[tuple[Combination, list[Answer]]]:
        """Decode all waiting rows to their ends, together; return their combinations' answers."""
        watch = Watch(self.model.dtype, self.near_tie_steps)
        processors = _replace_watch(waiting[0].unfinished.processors, watch)
        continuation = self._continuation(waiting)
        slots = []
        for part in waiting:
            rows = part.answers.unfinished_rows()
            for row, unread in zip(rows, part.unfinished.unread, strict=True):
                slots.append(Slot(part.answers, row, unread))
        while slots:
            tokens = continuation.step(processors).tolist()
            (verdicts,) = watch.take_verdicts()
            following = []
            for slot, token, verdict in zip(slots, tokens, verdicts, strict=True):
                following.append(slot.take(token, verdict))
            continuation.append(following)
            alive = _alive(slots)
            # Rows that have ended run on until they are half of all, since taking rows out copies
            # the whole cache; or until positions end, which other rows may never reach.
            some_ended = len(alive) < len(slots)
            if 2 * len(alive) <= len(slots) or (some_ended and self._positions_end(continuation)):
                slots = [slots[place] for place in alive]
                if slots:
                    continuation.select(alive)
        finished = []
        for part in waiting:
            answers_of_part = part.answers.answers(self.loaded)
            finished.append((part.combination, answers_of_part))
        return finished

    def _positions_end(self, continuation: Continuation) -> bool:
        """Whether the next step reads a place for which there may be no position."""
        positions = most_positions(self.model)
        return positions is not None and continuation.input_ids.shape[1] > positions

    def _continuation(self, waiting: list[Waiting]) -> Continuation:
        # All blocks of a model return a tuple, or all a tensor; and one was recorded at least.
        recorded = self.replay.calls.values()
        returns_tuple = any(isinstance(call.output, tuple) for call in recorded)
        return Continuation(
            model=self.model,
            blocks=self.blocks,
            halves=self.loaded.blocks.halves,
            returns_tuple=returns_tuple,
            parts=[(part.combination, part.unfinished) for part in waiting],
            work=self.work,
        )

    def _partial_answers(self, tokens: list[list[int]], watch: Watch) -> PartialAnswers:
        return partial_answers(
            tokens,
            watch,
            self.ends,
            self.max_new_tokens,
        )


def _check_movable(processors: Iterable[LogitsProcessor]) -> None:
    """Raise an UnsupportedError that names the processors under which rows cannot be moved."""
    names = []
    for processor in processors:
        if not isinstance(processor, MOVABLE):
            names.append(type(processor).__name__)
    if names:
        raise UnsupportedError(f"its generation settings ask for {', '.join(names)}")


def _alive(slots: list[Slot]) -> list[int]:
    """Return the places of the rows whose answers have not ended."""
    alive = []
    for place, slot in enumerate(slots):
        if not slot.answers.ended(slot.row):
            alive.append(place)
    return alive


def _replace_watch(processors: Iterable[LogitsProcessor], watch: Watch) -> list[LogitsProcessor]:
    """Return the processors with this watch as the last, in place of another."""
    replaced = []
    for processor in processors:
        if not isinstance(processor, Watch):
            replaced.append(processor)
    replaced.append(watch)
    return replaced
