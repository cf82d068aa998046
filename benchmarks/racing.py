"""What racing would have saved in a finished run, and whether its beams would have been others.

Replays the rounds of every rule on the run's shards: each size starts from what the run proposed.
Pairs are counted as the workflow evaluates them, for both scopes together and for each alone.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
import yaml

from blocksieve.combination import Combination
from blocksieve.search.beams import BeamDocument, select_beam
from blocksieve.search.plan import Plan, Proposer, read_plan
from blocksieve.search.racing import race
from blocksieve.search.steps import SHARES, step_of_size
from blocksieve.shards import paired
from blocksieve.specs import Racing, RunSpec

OWN, GENERIC = Proposer.OWN, Proposer.GENERIC
SCOPES = (OWN, GENERIC)
RULES: tuple[Racing, ...] = (0.001, 0.01, "halving")
Alive = dict[str, set[Combination]]
"""What a scope still evaluates, by dataset."""


@dataclass(frozen=True)
class Recorded:
    """A size of a finished run: evaluations, plans and pairs by dataset, all of search samples.

    `order`: the samples of each dataset in the draw order.
    """

    run_spec: RunSpec
    evaluations: pl.DataFrame
    plans: Mapping[str, Plan]
    pairs: Mapping[str, pl.DataFrame]
    order: Mapping[str, pl.DataFrame]

    @classmethod
    def read(cls, results: Path, size: int) -> "Recorded":
        """Read what a run left of a size."""
        run_spec = RunSpec.of(yaml.safe_load((results / "config.yaml").read_text()))
        evaluations = pl.read_parquet(results / "evaluations.parquet").filter(role="search")
        plans, pairs, order = {}, {}, {}
        for dataset in run_spec.datasets:
            plan = read_plan(results / f"plans/{dataset}/{step_of_size(size)}.json")
            paths = sorted((results / "shards" / dataset).glob("*.parquet"))
            shown = paired(paths, dataset, plan.part(0, 1)).filter(role="search")
            plans[dataset] = plan
            pairs[dataset] = shown.collect()
            samples = pl.scan_parquet(results / f"datasets/{dataset}.parquet")
            columns = ["role", "split", "cluster", "sample_id"]
            order[dataset] = samples.filter(role="search").select(columns).collect()
        return cls(run_spec, evaluations, plans, pairs, order)

    def datasets(self, scope: Proposer) -> list[list[str]]:
        """Return the datasets of each search in a scope."""
        names = list(self.plans)
        return [names] if scope == GENERIC else [[name] for name in names]

    def prefix(self, dataset: str, share: float) -> pl.Series:
        """Return the samples of a round."""
        order = self.order[dataset]
        num_samples = int(np.ceil(share * len(order)))
        return Plan("round", (), num_samples=num_samples).samples(order)["sample_id"]

    def sums(self, dataset: str, share: float) -> pl.DataFrame:
        """Return the sums by cluster of a round, as `shards.by_cluster` gives them."""
        shown = self.pairs[dataset].filter(
            pl.col("sample_id").is_in(self.prefix(dataset, share).implode()),
            pl.col("score").is_not_null(),
        )
        return shown.group_by("combination", "split", "cluster").agg(
            n=pl.len(),
            drop=pl.col("drop").sort().sum(),
            baseline=pl.col("baseline").sort().sum(),
        )

    def of(self, datasets: Sequence[str]) -> pl.DataFrame:
        """Return the evaluations on some datasets."""
        return self.evaluations.filter(pl.col("dataset").is_in(datasets))

    def proposed(self, scope: Proposer) -> Alive:
        """Return what a scope proposed on each dataset."""
        return {dataset: set(plan.proposals(scope)) for dataset, plan in self.plans.items()}

    def after_round(self, scope: Proposer, alive: Alive, rule: Racing, share: float) -> Alive:
        """Return what a scope still evaluates after a round."""
        search, analysis = self.run_spec.search, self.run_spec.analysis
        left: Alive = {}
        for datasets in self.datasets(scope):
            survivors = race(
                self.of(datasets),
                {dataset: self.sums(dataset, share) for dataset in datasets},
                alive[datasets[0]],
                search.beam_width,
                rule,
                analysis.across_datasets if scope == GENERIC else None,
                analysis.weights,
            )
            names = [entry["combination"] for entry in survivors["beam"]]
            kept = set(map(Combination.parse, names))
            left.update({dataset: kept for dataset in datasets})
        return left

    def beam(self, scope: Proposer, datasets: Sequence[str], alive: Alive) -> BeamDocument:
        """Return the beam from what is left."""
        return select_beam(
            self.of(datasets),
            alive[datasets[0]],
            "generic" if scope == GENERIC else "own",
            self.run_spec.search.beam_width,
            self.run_spec.analysis.across_datasets,
            self.run_spec.analysis.weights,
        )


@dataclass
class Seen:
    """What a rule did in a scope, or in both: pairs, and for each beam whether it differs.

    `regrets`: how much more the first of a beam costs, in % of the baseline, on search samples.
    """

    pairs: int = 0
    all_pairs: int = 0
    differs: list[bool] = field(default_factory=list)
    regrets: list[float] = field(default_factory=list)

    @property
    def saved(self) -> float:
        """The share of pairs that were not evaluated, in %."""
        return 100 * (1 - self.pairs / self.all_pairs)


def replay(recorded: Recorded, rule: Racing, seen: Mapping[str, Seen]) -> None:
    """Race one size by a rule, and add up what it did in each scope and in both."""
    proposed = {scope: recorded.proposed(scope) for scope in SCOPES}
    alive = dict(proposed)
    before = dict.fromkeys(recorded.plans, 0)
    for share in (*SHARES[rule], 1.0):
        for dataset in recorded.plans:
            num_samples = len(recorded.prefix(dataset, share))
            wanted = [alive[scope][dataset] for scope in SCOPES]
            for name, combinations in zip(seen, (*wanted, set().union(*wanted)), strict=True):
                seen[name].pairs += len(combinations) * (num_samples - before[dataset])
            before[dataset] = num_samples
        if share < 1:
            for scope in SCOPES:
                alive[scope] = recorded.after_round(scope, alive[scope], rule, share)
    for dataset, num_samples in before.items():
        wanted = [proposed[scope][dataset] for scope in SCOPES]
        for name, combinations in zip(seen, (*wanted, set().union(*wanted)), strict=True):
            seen[name].all_pairs += len(combinations) * num_samples
    for scope in SCOPES:
        for datasets in recorded.datasets(scope):
            raced = recorded.beam(scope, datasets, alive[scope])["beam"]
            whole = recorded.beam(scope, datasets, proposed[scope])["beam"]
            seen[scope].differs.append(raced != whole)
            seen[scope].regrets.append(_regret(recorded, scope, datasets, raced[0], whole[0]))


def _regret(recorded, scope, datasets, raced, whole) -> float:
    if scope == GENERIC:
        return 100 * (raced["mean_drop"] - whole["mean_drop"])
    baseline = recorded.of(datasets)["baseline"].max()
    return 100 * (raced["drop"] - whole["drop"]) / baseline


def rows(results: Path) -> Iterator[dict[str, object]]:
    """Yield one row per rule, over all sizes that can be raced."""
    run_spec = RunSpec.of(yaml.safe_load((results / "config.yaml").read_text()))
    sizes = [
        size
        for size in range(2, run_spec.search.max_removed + 1)
        if size not in run_spec.search.exhaustive_sizes
    ]
    recorded = [Recorded.read(results, size) for size in sizes]
    for rule in RULES:
        seen = {OWN: Seen(), GENERIC: Seen(), "both": Seen()}
        for of_size in recorded:
            replay(of_size, rule, seen)
        row: dict[str, object] = {"rule": rule, "both": {"saved": seen["both"].saved}}
        for scope in SCOPES:
            of_scope = seen[scope]
            row[str(scope)] = {
                "saved": of_scope.saved,
                "differs": sum(of_scope.differs),
                "beams": len(of_scope.differs),
                "regret": float(np.mean(of_scope.regrets)),
                "largest_regret": max(of_scope.regrets),
            }
        yield row


def main() -> None:
    """Print a table, and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, help="the folder of a finished run without racing")
    parser.add_argument("--out", type=Path, default=Path("build/benchmarks/racing.json"))
    options = parser.parse_args()
    print("| rule | pairs saved | own: saved, beams that differ, regret | generic: the same |")
    print("| --- | ---: | --- | --- |")
    table = []
    for row in rows(options.results):
        table.append(row)
        cells = [str(row["rule"]), f"{row['both']['saved']:.0f} %"]
        for scope in SCOPES:
            of_scope = row[str(scope)]
            cells.append(
                f"{of_scope['saved']:.0f} %, {of_scope['differs']} of {of_scope['beams']},"
                f" {of_scope['regret']:+.3f} (at most {of_scope['largest_regret']:+.2f})"
            )
        print("| " + " | ".join(cells) + " |", flush=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
