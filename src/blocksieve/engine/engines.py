"""An engine: answers of many combinations, the fastest way that a self-check finds to be exact."""

import logging
from collections.abc import Iterator

from blocksieve.combination import NONE, Combination
from blocksieve.engine.answer_batch import answer_batch_in
from blocksieve.engine.answers import NEAR_TIE_STEPS, Answer, Refused
from blocksieve.engine.attempt import attempt
from blocksieve.engine.generation import version_problem
from blocksieve.engine.inputs import Batch
from blocksieve.engine.positions import length_dependence, num_places
from blocksieve.engine.reference import Context, answers_of_copy, generate
from blocksieve.engine.replay import encoders, walk_order
from blocksieve.engine.self_check import Climbed, climb
from blocksieve.engine.shared import SharedBatch
from blocksieve.engine.ways import PREFILL, REFERENCE, VIEW, Way
from blocksieve.engine.work import Costs, Work, measuring_costs
from blocksieve.errors import name_and_first_line
from blocksieve.models.loading import LoadedModel
from blocksieve.models.view import refusal

logger = logging.getLogger("blocksieve")

FLOAT32_BYTES = 4


class Engine:
    """Answers batches of samples for many combinations, in one way of the ladder."""

    def __init__(self, context: Context, way: Way, reason: str, long_way: Way = REFERENCE) -> None:
        self.context = context
        self.way = way
        # The way for batches past the length up to which rotary embeddings are constant.
        self.long_way = long_way
        self.dependence = length_dependence(context.loaded.model)
        self.reason = reason
        self.bytes_per_row = 0
        self.one_at_a_time = False
        self._refused: dict[Combination, Refused] = {}

    @property
    def rung(self) -> str:
        """The name of its way, as logs and shards give it."""
        return self.way.name

    @property
    def loaded(self) -> LoadedModel:
        """The model that it runs."""
        return self.context.loaded

    @property
    def work(self) -> Work:
        """The work that it did so far."""
        return self.context.work

    def answer_batch(
        self, batch: Batch, combinations: list[Combination], drafts: list[list[int]] | None
    ) -> Iterator[tuple[Combination, list[Answer] | Refused]]:
        """Yield every combination's answers to a batch, or why it cannot run, in any order.

        `drafts` hold a likely answer per row; they decide how fast an answer is found, never which.
        Memory may run out at any point (`out_of_memory`); what was yielded until then is right.
        """
        runnable = [
            combination for combination in combinations if self._refusal(combination) is None
        ]
        order = walk_order(runnable, len(self.loaded.blocks.blocks))
        way = self._way_for(batch)
        answered: dict[Combination, list[list[int]]] = {}
        try:
            for combination, outcome in answer_batch_in(way, self.context, batch, order, drafts):
                answers: list[Answer] | None
                if isinstance(outcome, Exception):
                    answers = self._ask_the_reference(way, combination, batch, outcome)
                else:
                    answers = outcome
                if answers is not None:
                    answered[combination] = [answer.tokens for answer in answers]
                    yield combination, answers
        finally:  # also if memory runs out on the way
            if answered:
                self._count_work(way, batch, answered)
        for combination in combinations:
            refused = self._refusal(combination)
            if refused is not None:
                yield combination, refused

    def _way_for(self, batch: Batch) -> Way:
        """Return the way that is exact at the batch's length."""
        if self.dependence is None:
            return self.way
        longest = num_places(batch) + self.context.max_new_tokens
        return self.way if longest <= self.dependence.limit else self.long_way

    def _refusal(self, combination: Combination) -> Refused | None:
        if combination not in self._refused:
            reason = refusal(self.loaded.blocks, combination)
            if combination.halves and not self.loaded.blocks.halves.checked:
                reason = "the engine was started without a check of halves"
            if reason is None:
                return None
            self._refused[combination] = Refused(reason)
        return self._refused[combination]

    def _ask_the_reference(
        self, way: Way, combination: Combination, batch: Batch, error: Exception
    ) -> list[Answer] | None:
        """Return the reference's answers where a way failed.

        If it fails too, the combination is refused from now on, and there are none.
        """
        if way != REFERENCE:
            logger.warning(
                "%s fails on rung %s; asking the reference", combination, way.name, exc_info=error
            )
            outcome = attempt(answers_of_copy, self.context, batch, combination)
            if not isinstance(outcome, Exception):
                if way.intercepts:
                    self.work.loop_ran(batch, {combination: [each.tokens for each in outcome]})
                return outcome
            error = outcome
        if combination == NONE:
            # The whole model fails: nothing that this job does can be right.
            raise error
        logger.warning("%s cannot run on this model", combination, exc_info=error)
        reason = f"the model fails without these blocks: {name_and_first_line(error)}"
        self._refused[combination] = Refused(reason)
        return None

    def _count_work(
        self, way: Way, batch: Batch, answered: dict[Combination, list[list[int]]]
    ) -> None:
        self.work.batch_answered(batch, answered)
        if not way.intercepts:
            # No handler counted what ran.
            self.work.loop_ran(batch, answered)


def start_engine(
    name: str,
    loaded: LoadedModel,
    probe: Batch,
    max_new_tokens: int,
    ways: tuple[Climbed, Climbed] | None = None,
) -> Engine:
    """Return the engine of a config's `evaluation.engine`.

    `shared` takes the first way that answers the probe exactly as the reference does. The probe is
    a batch of a few real samples of different lengths. `ways`: as `exact_ways` found them.
    Halves of blocks are refused unless `check_halves` ran before.
    """
    fastest, long_way = ways or exact_ways(name, loaded, probe, max_new_tokens)
    costs = attempt(measure_costs, loaded, probe)
    if isinstance(costs, Exception):
        logger.warning("FLOPs cannot be counted on this model: %s", name_and_first_line(costs))
        costs = Costs()
    # The reference may be nearly tied where this way is not, by as much as the two differ.
    largest_drift = max(fastest.drift, long_way.drift)
    near_tie_steps = NEAR_TIE_STEPS + largest_drift
    context = Context(loaded, max_new_tokens, Work(costs), near_tie_steps)
    engine = Engine(context, fastest.way, fastest.reason, long_way.way)
    kept_bytes = attempt(bytes_per_row, loaded, probe, max_new_tokens)
    if not isinstance(kept_bytes, Exception):
        engine.bytes_per_row = kept_bytes
    logger.info("engine on rung %s: %s", engine.rung, engine.reason)
    return engine


def exact_ways(
    name: str, loaded: LoadedModel, probe: Batch, max_new_tokens: int
) -> tuple[Climbed, Climbed]:
    """Return an engine's way for most batches, and its way for long ones.

    Where rotary embeddings depend on the length, only a model that decodes by itself meets the
    lengths that `generate` meets, step by step; and where they also remember lengths, only one
    that runs all its passes.
    """
    if name == "reference":
        wanted = Climbed(REFERENCE, "wanted by evaluation.engine")
        return wanted, wanted
    problem = version_problem(loaded.model.generation_config)
    if problem is not None:
        logger.warning(problem)
    dependence = length_dependence(loaded.model)
    if dependence is None:
        fastest = climb(loaded, probe, max_new_tokens)
        return fastest, fastest
    slowest = [VIEW, REFERENCE] if dependence.remembers else [PREFILL, VIEW, REFERENCE]
    long_way = climb(loaded, probe, max_new_tokens, slowest)
    long_reason = (
        f"past {dependence.limit} tokens {long_way.way.name}, since rotary embeddings depend on "
        f"the length: {long_way.reason}"
    )
    if num_places(probe) + max_new_tokens > dependence.limit:
        return long_way._replace(reason=long_reason), long_way
    fastest = climb(loaded, probe, max_new_tokens)
    return fastest._replace(reason=f"{fastest.reason}; {long_reason}"), long_way


def measure_costs(loaded: LoadedModel, probe: Batch) -> Costs:
    """Return the FLOPs of the model's parts, from answering the probe with one token."""
    blocks = dict(enumerate(loaded.blocks.blocks))
    other_modules = encoders(loaded.model, loaded.blocks)
    halves = loaded.blocks.halves
    half_modules = halves.modules(halves.sites) if halves.checked else {}
    with measuring_costs(blocks, half_modules, other_modules, probe.rows) as costs:
        generate(loaded, loaded.model, probe.inputs, max_new_tokens=1)
    return costs


def bytes_per_row(loaded: LoadedModel, probe: Batch, max_new_tokens: int) -> int:
    """Return the memory that a row needs, measured on the probe.

    Hidden states and caches along one path of the trie, the caches as much again while the row
    waits to go on, and the scores of its tokens. The prefill way keeps the most per row, and nearly
    all models can run it.
    """
    context = Context(loaded, max_new_tokens, Work())
    shared = SharedBatch(PREFILL, context, probe)
    shared.decode(NONE)
    replay = shared.replay
    path_bytes = (replay.output_bytes() + 2 * replay.cache_bytes()) // probe.rows
    config = loaded.model.config.get_text_config(decoder=True)
    score_bytes = max_new_tokens * int(config.vocab_size) * FLOAT32_BYTES
    return path_bytes + score_bytes
