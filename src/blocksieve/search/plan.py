"""What a step asks of a dataset: combinations, who proposed each, roles, and how many samples.

File names hold dataset and step alone, so that all jobs are known before the first runs; the
combinations stand inside.
"""

import itertools
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import polars as pl

from blocksieve.choices import GENERIC
from blocksieve.combination import NONE, Combination, Site
from blocksieve.files import write_json
from blocksieve.search.beams import read_beam
from blocksieve.search.situation import SearchStrategy, Situation
from blocksieve.search.steps import FINALISTS, step_of_size
from blocksieve.specs import Role


class Proposer(StrEnum):
    """Who asks for a combination."""

    BASELINE = "baseline"
    """Every step: drops are differences to the whole model."""
    OWN = "own"
    """The beam of the dataset itself."""
    GENERIC = "generic"
    """The beam that all datasets share."""
    FINALISTS = "finalists"
    """A way of choosing, or the config."""


BOTH_SCOPES = (Proposer.OWN, Proposer.GENERIC)


@dataclass(frozen=True)
class Candidate:
    """A combination and who proposed it."""

    combination: Combination
    proposed_by: tuple[Proposer, ...]


@dataclass(frozen=True)
class Plan:
    """One step on one dataset.

    `num_samples`: of each role, counted in the draw order, with all others of their images; None
    for all.
    """

    step: str
    candidates: tuple[Candidate, ...]
    roles: tuple[Role, ...] = ("search",)
    num_samples: int | None = None

    def part(self, part: int, parts: int) -> list[Combination]:
        """Return the contiguous share number `part` (from 0) of `parts` of the combinations.

        Shares cost about the same (`_costs`), and may be empty.
        """
        combinations = [candidate.combination for candidate in self.candidates]
        costs = _costs(combinations)
        total = sum(costs)
        share = []
        before = 0
        for combination, cost in zip(combinations, costs, strict=True):
            middle = before + cost / 2
            if int(middle * parts / total) == part:
                share.append(combination)
            before += cost
        return share

    def proposals(self, proposer: Proposer) -> list[Combination]:
        """Return what one proposer asked for."""
        return [
            candidate.combination
            for candidate in self.candidates
            if proposer in candidate.proposed_by
        ]

    def samples(self, samples: pl.DataFrame) -> pl.DataFrame:
        """Return the samples that the plan asks for, of a dataset's table in its draw order."""
        of_roles = samples.filter(pl.col("role").is_in(self.roles))
        if self.num_samples is None:
            return of_roles
        shares = [
            _prefix(rows, self.num_samples)
            for _, rows in of_roles.group_by("role", maintain_order=True)
        ]
        return pl.concat(shares)


def _costs(combinations: Sequence[Combination]) -> list[int]:
    """Return what each combination adds to the work of the whole model and of the one before it.

    In blocks: those that neither of them ran after the same removals, and one for its answers.
    """
    blocks = [block for combination in combinations for block in combination.blocks]
    depth = max(blocks, default=0) + 1
    costs = []
    before = NONE
    for combination in combinations:
        costs.append(1 + depth - _blocks_shared(combination, before, depth))
        before = combination
    return costs


def _blocks_shared(combination: Combination, before: Combination, depth: int) -> int:
    """Return how many blocks a combination need not run after the whole model and another."""
    if combination == NONE:
        return depth
    pairs = zip(combination.sites, before.sites, strict=False)
    num_alike = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
    if num_alike == 0:
        return combination.sites[0].block
    longer = [each for each in (combination, before) if each.size > num_alike]
    return min(each.sites[num_alike].block for each in longer)


def _prefix(samples: pl.DataFrame, count: int) -> pl.DataFrame:
    """Return what a draw of `count` samples of a role would hold: splits share it evenly.

    Where that cuts an image in two, the prefix holds the rest of it, too.
    """
    splits = samples["split"].unique(maintain_order=True).to_list()
    shares = []
    for position, split in enumerate(splits):
        share = (count + len(splits) - 1 - position) // len(splits)
        of_split = samples.filter(pl.col("split") == split)
        clusters = of_split["cluster"].head(share)
        shares.append(of_split.filter(pl.col("cluster").is_in(clusters.implode())))
    return pl.concat(shares)


def propose(
    step: str,
    own_beam: Path,
    generic_beam: Path,
    num_samples: int | None = None,
    strategy: SearchStrategy | None = None,
    situation: Situation | None = None,
    earlier: Sequence[Path] = (),
) -> Plan:
    """Propose what a step evaluates after the beams of both scopes.

    It is what the strategy proposes, or without a strategy what the beams hold: survivors of the
    round before. `num_samples`: see `Plan`. `situation`: the dataset's, but for what was kept and
    proposed. `earlier`: its plans of earlier generations of this size.
    """
    own = read_beam(own_beam)
    generic = read_beam(generic_beam)
    if strategy is not None and situation is not None:
        plans = [read_plan(path) for path in earlier]
        own_situation = replace(situation, kept=own)
        own = strategy(_without_repeats(own_situation, plans, Proposer.OWN))
        generic_situation = replace(situation, scope=GENERIC, kept=generic)
        generic = strategy(_without_repeats(generic_situation, plans, Proposer.GENERIC))
    return propose_candidates(step, own, generic, num_samples)


def size_of_round(samples: Path, share: float) -> int:
    """Return how many search samples of a dataset a round takes."""
    roles = pl.read_parquet(samples, columns=["role"])
    return math.ceil(share * len(roles.filter(role="search")))


def propose_all(sites: Sequence[Site], size: int) -> Plan:
    """Propose every combination of a size, for both scopes; of size 0 the baseline."""
    proposed_by = BOTH_SCOPES if size else (Proposer.BASELINE,)
    candidates = []
    for combination in all_combinations(sites, size):
        candidates.append(Candidate(combination, proposed_by))
    return Plan(step_of_size(size), tuple(candidates))


def _without_repeats(situation: Situation, plans: Sequence[Plan], proposer: Proposer) -> Situation:
    """Add to a scope's situation what it proposed in earlier plans."""
    proposed: set[Combination] = set()
    for plan in plans:
        proposed.update(plan.proposals(proposer))
    return replace(situation, proposed=proposed)


def propose_candidates(
    step: str,
    own: Iterable[Combination],
    generic: Iterable[Combination],
    num_samples: int | None = None,
) -> Plan:
    """Propose what both scopes ask for.

    Each combination once, in lexicographic order, with all that proposed it.
    """
    proposers: dict[Combination, list[Proposer]] = {}
    for combination in own:
        proposers.setdefault(combination, []).append(Proposer.OWN)
    for combination in generic:
        proposers.setdefault(combination, []).append(Proposer.GENERIC)
    candidates = []
    for combination in sorted(proposers):
        proposed_by = tuple(proposers[combination])
        candidate = Candidate(combination, proposed_by)
        candidates.append(candidate)
    return Plan(step, tuple(candidates), num_samples=num_samples)


def propose_finalists(combinations: Iterable[Combination]) -> Plan:
    """Propose the finalists and the baseline, on samples of every role."""
    candidates = [Candidate(NONE, (Proposer.BASELINE,))]
    for combination in sorted(combinations):
        candidates.append(Candidate(combination, (Proposer.FINALISTS,)))
    return Plan(FINALISTS, tuple(candidates), roles=("search", "holdout", "verify"))


def all_combinations(sites: Sequence[Site], size: int) -> list[Combination]:
    """Return every combination of a size, in lexicographic order."""
    site_sets = itertools.combinations(sites, size)
    return sorted(map(Combination.of, site_sets))


def children_of(parents: Iterable[Combination], sites: Sequence[Site]) -> list[Combination]:
    """Return every one-site extension of the parents, each once, in lexicographic order."""
    children: set[Combination] = set()
    for parent in parents:
        children.update(parent.children(sites))
    return sorted(children)


def write_plan(path: Path, plan: Plan) -> None:
    """Write a plan as JSON."""
    candidates = [
        {
            "combination": str(candidate.combination),
            "proposed_by": [str(proposer) for proposer in candidate.proposed_by],
        }
        for candidate in plan.candidates
    ]
    content = {
        "step": plan.step,
        "roles": list(plan.roles),
        "num_samples": plan.num_samples,
        "candidates": candidates,
    }
    write_json(path, content)


def read_plan(path: Path) -> Plan:
    """Read a plan that `write_plan` wrote."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return Plan(
        step=content["step"],
        candidates=tuple(_candidates(content["candidates"])),
        roles=tuple(content["roles"]),
        num_samples=content["num_samples"],
    )


def _candidates(rows: Iterable[dict[str, str]]) -> Iterator[Candidate]:
    for row in rows:
        proposers = tuple(Proposer(name) for name in row["proposed_by"])
        yield Candidate(Combination.parse(row["combination"]), proposers)
