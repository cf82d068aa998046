"""The shared-work engine: all combinations' answers to a batch, what they have in common computed once."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from transformers import (
    DynamicCache,
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    SuppressTokensLogitsProcessor,
)

from blocksieve.combination import Combination
from blocksieve.engine.answers import Answer, Growing, Watch, end_tokens, grown, watched
from blocksieve.engine.attempt import attempt
from blocksieve.engine.continuation import Continuation
from blocksieve.engine.inputs import Batch
from blocksieve.engine.interception import intercepted
from blocksieve.engine.replay import BlockReplay, EncoderMemo, encoders
from blocksieve.engine.verification import PrefixPass, Unfinished, UnsupportedError, Verification
from blocksieve.engine.work import Work
from blocksieve.models.loading import LoadedModel
from blocksieve.models.view import view

# Processors that look at a row's tokens without minding how far it is padded: rows may be moved under them.
MOVABLE = (Watch, RepetitionPenaltyLogitsProcessor, SuppressTokensLogitsProcessor)


@dataclass
class Prepared:
    """What generate hands to a decoding method, apart from the cache."""

    model: Any
    input_ids: torch.Tensor
    processors: LogitsProcessorList
    settings: Any
    arguments: dict[str, Any]


class SharedBatch:
    """One batch: what its combinations have in common lives as long as this object.

    Combinations must come in `walk_order`. With `prefixes`, what prompts about the same images begin with is shared.
    """

    def __init__(
        self, loaded: LoadedModel, batch: Batch, max_new_tokens: int, work: Work, prefixes: bool
    ) -> None:
        self.loaded, self.batch, self.max_new_tokens, self.work = (
            loaded,
            batch,
            max_new_tokens,
            work,
        )
        self.model, self.prefix = loaded.model, batch.prefix if prefixes else None
        self.blocks = dict(enumerate(loaded.blocks.blocks))
        self.encoders = encoders(loaded.model, loaded.blocks)
        self.replay = BlockReplay(work, self.prefix.group if self.prefix else None)
        self.memo = EncoderMemo(work, self.replay)
        self.ends = end_tokens(loaded.model)
        self.drafts: torch.Tensor | None = None
        self.prepared: dict[str, Prepared] = {}

    @contextmanager
    def replaying(self, combination: Combination, stages: int) -> Iterator[None]:
        """The model without the combination's blocks; what other combinations ran in its first passes is replayed."""
        self.replay.begin(combination, stages)
        with (
            torch.no_grad(),
            view(self.model, self.loaded.blocks, combination),
            intercepted(self.encoders, self.memo),
            intercepted(self.blocks, self.replay),
        ):
            yield

    def decode(self, combination: Combination) -> Growing:
        """Answers by the model's own generate; its first pass is shared."""
        watch = Watch(self.model.dtype)
        with self.replaying(combination, stages=1):
            output = self._generate(self.batch.inputs, watch)
        self.work.head_ran(output.shape[0] * len(watch.verdicts))
        return grown(output[:, watch.start :].tolist(), watch, self.ends, self.max_new_tokens)

    def draft(self, drafts: list[list[int]]) -> None:
        """Verify these from now on."""
        length = max(1, min(max(map(len, drafts)), self.max_new_tokens))
        filled = [(draft + [0] * length)[:length] for draft in drafts]
        self.drafts = torch.tensor(filled, device=self.model.device)
        self.replay.forget(stage=1)

    def verify(self, combination: Combination) -> tuple[Growing, Unfinished | None]:
        """Answers as far as the drafts are right, and what is needed to go on; UnsupportedError if the model cannot."""
        watch = Watch(self.model.dtype)
        with self.replaying(combination, stages=2):
            inputs, prefix = self.batch.inputs, None
            if self.prefix is not None:
                first = PrefixPass()
                self._decode_by(first, "prefix", self.prefix.inputs)
                prefix = self.prefix, first.cache
                # images were read with the prefixes; what is left of them are sizes, which positions depend on
                inputs = {
                    name: value for name, value in inputs.items() if not value.is_floating_point()
                }
            verification = Verification(self.drafts, self.work, prefix)
            self._decode_by(verification, "prompt", inputs, watch)
        fixed = [type(p).__name__ for p in verification.processors if not isinstance(p, MOVABLE)]
        if fixed:
            raise UnsupportedError(f"its generation settings ask for {', '.join(fixed)}")
        said = zip(verification.tokens.tolist(), verification.right.tolist(), strict=True)
        growing = grown(
            [row[: right + 1] for row, right in said], watch, self.ends, self.max_new_tokens
        )
        rows = growing.unfinished()
        kept = [index for index in self.blocks if index not in combination.blocks]
        return growing, verification.unfinished(rows, kept) if rows else None

    def finish(
        self, waiting: list[tuple[Combination, Growing, Unfinished]]
    ) -> Iterator[tuple[Combination, list[Answer]]]:
        """Decode all waiting rows to their ends, together, and give their combinations' answers."""
        if not waiting:
            return
        watch = Watch(self.model.dtype)
        processors = [
            processor for processor in waiting[0][2].processors if not isinstance(processor, Watch)
        ]
        processors.append(watch)
        returns_tuple = any(isinstance(call.output, tuple) for call in self.replay.calls.values())
        parts = [(combination, left) for combination, _, left in waiting]
        continuation = Continuation(self.model, self.blocks, returns_tuple, parts, self.work)
        slots = [(growing, row) for _, growing, _ in waiting for row in growing.unfinished()]
        while slots:
            tokens = continuation.step(processors).tolist()
            for (growing, row), token, verdict in zip(
                slots, tokens, watch.verdicts.pop().rows(), strict=True
            ):
                growing.add(row, token, verdict)
            alive = [place for place, (growing, row) in enumerate(slots) if not growing.ended(row)]
            if 2 * len(alive) <= len(slots):
                slots = [slots[place] for place in alive]
                if slots:
                    continuation.select(alive)
        for combination, growing, _ in waiting:
            yield combination, growing.answers(self.loaded)

    def _decode_by(
        self, method: Any, name: str, inputs: dict[str, torch.Tensor], *watch: Watch
    ) -> None:
        """Decode by a method of our own; generate prepares for it once, as only the cache differs by combination."""
        if name in self.prepared:
            ready = self.prepared[name]
            processors = [
                processor for processor in ready.processors if not isinstance(processor, Watch)
            ]
            cache = DynamicCache(config=ready.model.config.get_text_config(decoder=True))
            own = LogitsProcessorList([*processors, *watch])
            method(
                ready.model,
                ready.input_ids,
                own,
                None,
                ready.settings,
                **ready.arguments,
                past_key_values=cache,
            )
            return

        def keeping(
            model: Any, input_ids: Any, logits_processor: Any, generation_config: Any, **kwargs: Any
        ) -> Any:
            stopping = kwargs.pop("stopping_criteria")
            if type(kwargs.get("past_key_values")) is DynamicCache:
                arguments = {
                    key: value for key, value in kwargs.items() if key != "past_key_values"
                }
                self.prepared[name] = Prepared(
                    model, input_ids, logits_processor, generation_config, arguments
                )
            return method(model, input_ids, logits_processor, stopping, generation_config, **kwargs)

        self._generate(inputs, *watch, custom_generate=keeping)

    def _generate(
        self, inputs: dict[str, torch.Tensor], *watch: Watch, **kwargs: Any
    ) -> torch.Tensor:
        own = {
            name: value.clone() for name, value in inputs.items()
        }  # generate() may change them in place
        length = self.max_new_tokens
        with watched(self.model, *watch):
            output: torch.Tensor = self.model.generate(
                **own, max_new_tokens=length, do_sample=False, num_beams=1, **kwargs
            )
        return output


Attempt = tuple[Combination, list[Answer] | Exception]


def by_prefill(
    loaded: LoadedModel,
    batch: Batch,
    combinations: list[Combination],
    drafts: list[list[int]] | None,
    max_new_tokens: int,
    work: Work,
) -> Iterator[Attempt]:
    """Answers of combinations in walk order: shared passes over the prompts, then the model's own decoding."""
    shared = SharedBatch(loaded, batch, max_new_tokens, work, prefixes=False)
    for combination in combinations:
        growing = attempt(shared.decode, combination)
        yield combination, growing if isinstance(growing, Exception) else growing.answers(loaded)


def by_drafts(
    loaded: LoadedModel,
    batch: Batch,
    combinations: list[Combination],
    drafts: list[list[int]] | None,
    max_new_tokens: int,
    work: Work,
    prefixes: bool = False,
) -> Iterator[Attempt]:
    """Answers of combinations in walk order: shared passes over prompts and drafts; wrong rows go on together.

    Without drafts, the first combination's answers are those of the others.
    """
    shared = SharedBatch(loaded, batch, max_new_tokens, work, prefixes)
    shared.draft(drafts or [[] for _ in range(batch.rows)])
    waiting: list[tuple[Combination, Growing, Unfinished]] = []
    for combination in combinations:
        verified = attempt(shared.verify, combination)
        if isinstance(verified, Exception):
            yield combination, verified
            continue
        growing, left = verified
        if left is None:
            yield combination, growing.answers(loaded)
            continue
        if enough(waiting, len(left), batch):
            yield from finished(shared, waiting)
            waiting = []
        waiting.append((combination, growing, left))
        if drafts is None:
            yield from finished(shared, waiting)
            waiting = []
            drafts = growing.tokens
            shared.draft(drafts)
    yield from finished(shared, waiting)


def finished(
    shared: SharedBatch, waiting: list[tuple[Combination, Growing, Unfinished]]
) -> Iterator[Attempt]:
    """The answers of all that waited, or for each of them what went wrong."""
    given = attempt(lambda: list(shared.finish(waiting)))
    yield from (
        ((combination, given) for combination, *_ in waiting)
        if isinstance(given, Exception)
        else given
    )


def enough(waiting: list[tuple[Combination, Growing, Unfinished]], more: int, batch: Batch) -> bool:
    """Whether so many rows wait that they go on before more join them."""
    return sum(len(left) for *_, left in waiting) + more > max(batch.most_rows, batch.rows)


by_prefixes = partial(by_drafts, prefixes=True)
