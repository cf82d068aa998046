"""What two finished runs of the same datasets cost, and how their final lists do on holdout.

`python benchmarks/two_runs.py results/plain results/raced`: for instance a plain loop over all
candidates against everything that saves work. Lists are compared on the same holdout samples.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import yaml

from blocksieve.choices import RECOMMENDED, Scope
from blocksieve.combination import Combination
from blocksieve.evidence import Evidence, MeanDrop, contrast, read_evidence
from blocksieve.specs import AnalysisSpec, RunSpec

Lists = dict[str, Combination]
"""The list of every dataset."""


@dataclass(frozen=True)
class FinishedRun:
    """The folder of a run that has ended."""

    folder: Path

    @property
    def analysis(self) -> AnalysisSpec:
        """How it is analysed."""
        return RunSpec.of(yaml.safe_load((self.folder / "config.yaml").read_text())).analysis

    @property
    def num_pairs(self) -> int:
        """How many pairs of a combination and a sample were answered."""
        return sum(len(pl.read_parquet(path)) for path in self.folder.glob("cache/**/*.parquet"))

    @property
    def evaluation_jobs(self) -> pl.DataFrame:
        """What Snakemake measured of every evaluation job."""
        paths = sorted(self.folder.glob("benchmarks/evaluate/*.tsv"))
        return pl.concat([pl.read_csv(path, separator="\t") for path in paths])

    # What `read_evidence` asks for.
    @property
    def evaluations(self) -> Path:
        """The table of evaluations."""
        return self.folder / "evaluations.parquet"

    @property
    def model(self) -> list[Path]:
        """The model's description."""
        return [self.folder / "model.json"]

    @property
    def finalists(self) -> list[Path]:
        """What was chosen."""
        return [self.folder / "finalists.json"]

    @property
    def clusters(self) -> list[Path]:
        """Sums by cluster of every dataset."""
        return sorted(self.folder.glob("clusters/*.parquet"))

    @property
    def beams(self) -> list[Path]:
        """All beams."""
        return sorted(self.folder.glob("beams/**/*.json"))

    def evidence(self) -> Evidence:
        """Return what it measured."""
        return read_evidence(self, self.analysis)


def lists(evidence: Evidence, scope: Scope, size: int) -> Lists:
    """Return the recommended list of a scope for every dataset."""
    of_dataset = {}
    for choice in evidence.choices:
        if (choice.method, choice.scope, choice.size) == (RECOMMENDED, scope, size):
            names = evidence.datasets if scope == Scope.GENERIC else [choice.name]
            of_dataset.update(dict.fromkeys(names, choice.combination))
    return of_dataset


def joined(first: Evidence, second: Evidence) -> Evidence:
    """Return the evidence of both runs on holdout samples, each combination once."""
    is_holdout = pl.col("role") == "holdout"
    evaluations = pl.concat([first.evaluations, second.evaluations], how="diagonal")
    evaluations = evaluations.filter(is_holdout)
    # Only the table of a run with races has this column, and finalists are never raced.
    evaluations = evaluations.with_columns(raced_out=pl.lit(value=False))
    sums = {}
    for dataset in first.sums:
        both = pl.concat([first.sums[dataset], second.sums[dataset]]).filter(is_holdout)
        sums[dataset] = both.unique(["combination", "split", "cluster", "tier"])
    return Evidence(
        evaluations=evaluations.unique(["dataset", "combination"]),
        scale=first.scale,
        max_drop=first.max_drop,
        sums=sums,
        weights=first.weights,
    )


def compared(first: Evidence, second: Evidence) -> Iterator[tuple[str, int, int, list[MeanDrop]]]:
    """Yield scope, size, datasets whose list differs, and three means on holdout samples.

    These are the drops of the first run's lists and of the second's, and second minus first.
    """
    holdout = joined(first, second).holdout
    if holdout is None:
        raise SystemExit("error: the runs have no holdout samples")
    for scope in (Scope.GENERIC, Scope.DATASET):
        for size in sorted({choice.size for choice in first.choices}):
            before, after = lists(first, scope, size), lists(second, scope, size)
            differing = {name for name in before if before[name] != after[name]}
            means = [
                holdout.average_of({name: {each: 1.0} for name, each in before.items()}),
                holdout.average_of({name: {each: 1.0} for name, each in after.items()}),
                holdout.average_of({name: contrast(after[name], before[name]) for name in before}),
            ]
            yield scope, size, len(differing), means


def cell(mean: MeanDrop) -> str:
    """Return a mean with its interval."""
    return f"{mean.mean:+.2f} [{mean.low:+.2f}, {mean.high:+.2f}]"


def print_prices(runs: Sequence[FinishedRun]) -> None:
    """Print what the evaluation jobs of each run took."""
    print("| run | evaluation jobs | pairs answered | processor time, s |")
    print("| --- | ---: | ---: | ---: |")
    for run in runs:
        jobs = run.evaluation_jobs
        seconds = jobs["cpu_time"].sum()
        print(f"| {run.folder.name} | {len(jobs)} | {run.num_pairs:,} | {seconds:,.0f} |")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, nargs=2, help="the folders of two finished runs")
    options = parser.parse_args()
    first, second = map(FinishedRun, options.runs)
    print_prices([first, second])
    print()
    names = (first.folder.name, second.folder.name)
    print(f"| lists | size | datasets that differ | {names[0]} | {names[1]} | second - first |")
    print("| --- | ---: | ---: | --- | --- | --- |")
    for scope, size, num_differing, means in compared(first.evidence(), second.evidence()):
        cells = [scope, str(size), str(num_differing), *map(cell, means)]
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
