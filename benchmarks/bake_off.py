"""Which search strategy is worth its price: all of them at equal evaluated pairs, on a run's data.

Searches run in this process over the run's own samples and a copy of its cache; what the cache
lacks is evaluated, so that a first call takes long and the next ones do not. Every strategy, with
and without racing, gets the largest setting whose pairs on search samples, of sizes 2 and more, do
not exceed those of an unraced beam of some widths. Its lists are judged on holdout samples, as
differences to the lists of that beam.
"""

import argparse
import functools
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from pathlib import Path

import polars as pl
import yaml

from blocksieve.choices import GENERIC
from blocksieve.combination import NONE, Combination, Site
from blocksieve.errors import ConfigError
from blocksieve.evidence import Evidence, MeanDrop
from blocksieve.merging import merge_shards
from blocksieve.model_description import as_described, read_description, sites_to_search
from blocksieve.models.loading import load_model
from blocksieve.proxies import mean_proxies
from blocksieve.search.beams import BeamDocument, select_beam
from blocksieve.search.evaluate import evaluate, metadata_of
from blocksieve.search.measure_proxies import measure_proxies
from blocksieve.search.orders import order_sites, with_proxy
from blocksieve.search.plan import Plan, all_combinations
from blocksieve.search.racing import race
from blocksieve.search.situation import Situation
from blocksieve.search.steps import SHARES, stages_of_size
from blocksieve.search.strategies import DRAWING, SEARCH_STRATEGIES
from blocksieve.search.task import Task
from blocksieve.shards import by_cluster, paired, write
from blocksieve.specs import Proxy, Role, RunSpec, SearchSpec

PROXIES: tuple[Proxy, ...] = ("drop", "cosine", "kl")
SEEDS = 3
LARGEST_SETTING = 4096
CLOSE = 0.97
"""So much of a budget counts as all of it."""
Lists = dict[tuple[str, int], Combination]
"""What a search removes, by scope (a dataset, or generic) and size."""


class Store:
    """Everything measured of a run's samples, and what measures the rest."""

    def __init__(
        self,
        results: Path,
        folder: Path,
        datasets: Sequence[str] = (),
        num_samples: Mapping[Role, int] | None = None,
        sites: Sequence[str] = (),
    ) -> None:
        content = yaml.safe_load((results / "config.yaml").read_text())
        self.run_spec = RunSpec.of(content)
        self.folder = folder
        description = read_description(results / "model.json")
        all_sites = sites_to_search(description, self.run_spec.search.exportable)
        chosen = [Site.parse(name) for name in sites]
        if not set(chosen) <= set(all_sites):
            named = " ".join(sites)
            raise ConfigError(f"--sites {named}: use some of {', '.join(map(str, all_sites))}")
        self.sites = sorted(set(chosen)) or all_sites
        model = as_described(self.run_spec.model, description)
        self.load = functools.cache(lambda: load_model(model))
        self.tables: dict[str, pl.DataFrame] = {}
        self.tasks: dict[str, Task] = {}
        for dataset in datasets or self.run_spec.datasets:
            definition = self.run_spec.datasets[dataset]
            table = pl.read_parquet(results / f"datasets/{dataset}.parquet")
            for role, count in (num_samples or {}).items():
                drawn = Plan("first", (), roles=(role,), num_samples=count).samples(table)
                table = pl.concat([table.filter(pl.col("role") != role), drawn])
            self.tables[dataset] = table
            self.tasks[dataset] = Task(
                dataset,
                definition,
                model,
                description["fingerprint"],
                self.run_spec.evaluation,
            )
        self.cache = folder / "cache"
        if not self.cache.exists():
            shutil.copytree(results / "cache", self.cache)
        self.measured: dict[tuple[str, Role], set[Combination]] = {}
        self.evaluations = pl.DataFrame()
        self.sums: dict[tuple[str, float], pl.DataFrame] = {}
        self.seen_sums: dict[tuple[str, float], int] = {}

    @property
    def datasets(self) -> list[str]:
        """The datasets of the run."""
        return list(self.tables)

    def shards(self, dataset: str, role: Role) -> list[Path]:
        """Return the shards of a role's samples that were measured here."""
        return sorted((self.folder / "shards" / role / dataset).glob("*.parquet"))

    def measure(self, dataset: str, combinations: set[Combination], role: Role = "search") -> None:
        """Measure what is still lacking of some combinations on a dataset's samples of a role."""
        known = self.measured.setdefault((dataset, role), set())
        if not known:
            # The baseline has a shard of its own, which is merged with every other.
            self._measure(dataset, [NONE], role)
        lacking = sorted(combinations - known)
        if lacking:
            self._measure(dataset, lacking, role)

    def _measure(self, dataset: str, lacking: list[Combination], role: Role) -> None:
        known = self.measured[dataset, role]
        task, table = self.tasks[dataset], self.tables[dataset]
        samples = table.filter(role=role)
        evaluation = evaluate(task, table, samples, lacking, self.cache, self.load)
        path = self.folder / f"shards/{role}/{dataset}/{len(known):06}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, dataset, evaluation.rows, metadata_of(task, evaluation.times.engine))
        paths = [path] if not known else [self.shards(dataset, role)[0], path]
        merged = merge_shards({dataset: task.definition}, paths, self.run_spec.seed)
        names = list(map(str, lacking))
        merged = merged.filter(pl.col("combination").is_in(names))
        self.evaluations = pl.concat([self.evaluations, merged], how="diagonal")
        known.update(lacking)

    def of(self, datasets: Sequence[str], combinations: set[Combination]) -> pl.DataFrame:
        """Return the evaluations on search samples of some combinations and of the baseline."""
        for dataset in datasets:
            self.measure(dataset, combinations)
        names = [str(each) for each in {NONE} | combinations]
        return self.evaluations.filter(
            pl.col("dataset").is_in(datasets), pl.col("combination").is_in(names), role="search"
        )

    def prefix(self, dataset: str, share: float) -> pl.DataFrame:
        """Return the search samples of a round, or all of them."""
        search = self.tables[dataset].filter(role="search")
        return Plan("round", (), num_samples=ceil(share * len(search))).samples(search)

    def sums_of(self, dataset: str, share: float) -> pl.DataFrame:
        """Return the sums by cluster of all that was measured, on the samples of a round."""
        key = (dataset, share)
        count = len(self.measured[dataset, "search"])
        if self.seen_sums.get(key) != count:
            pairs = paired(self.shards(dataset, "search")).collect()
            in_round = pl.col("sample_id").is_in(self.prefix(dataset, share)["sample_id"].implode())
            is_candidate = pl.col("combination") != str(NONE)
            shown = pairs.filter(in_round, is_candidate, pl.col("score").is_not_null())
            self.sums[key] = shown.group_by("combination", "split", "cluster").agg(
                n=pl.len(),
                drop=pl.col("drop").sort().sum(),
                baseline=pl.col("baseline").sort().sum(),
            )
            self.seen_sums[key] = count
        return self.sums[key]

    @functools.cached_property
    def proxies(self) -> pl.DataFrame:
        """The means of the proxies on search samples."""
        paths = []
        for dataset, table in self.tables.items():
            path = self.folder / f"proxies/{dataset}.parquet"
            paths.append(path)
            if path.exists():
                continue
            self.measure(dataset, set())
            answers = pl.read_parquet(self.shards(dataset, "search")[0]).filter(
                combination=str(NONE)
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            measure_proxies(
                self.load(),
                dataset,
                table.filter(role="search"),
                answers.select("sample_id", "tokens"),
                self.tasks[dataset].definition.prompt,
                self.run_spec.evaluation.batch_size,
            ).write_parquet(path)
        return mean_proxies(paths)


@dataclass
class Search:
    """A search that counts the pairs it needs: those of sizes 2 and more on search samples."""

    store: Store
    spec: SearchSpec
    seed: int
    pairs: int = 0
    lists: Lists = field(default_factory=dict)
    answered: dict[tuple[str, Combination], int] = field(default_factory=dict)

    @property
    def scopes(self) -> dict[str, list[str]]:
        """The datasets of each scope: every dataset's own, and the generic one."""
        own = {dataset: [dataset] for dataset in self.store.datasets}
        return own | {GENERIC: self.store.datasets}

    def run(self) -> "Search":
        """Search all sizes."""
        singles = set(all_combinations(self.store.sites, 1))
        kept = {}
        for scope, datasets in self.scopes.items():
            evaluations = self.store.of(datasets, singles)
            if self.spec.strategy == "one_shot":
                kept[scope] = self._order(scope, evaluations.filter(size=1))
            else:
                kept[scope] = self._beam(scope, evaluations, singles)
        order = dict(kept)
        for size in range(2, self.spec.max_removed + 1):
            before = order if self.spec.strategy == "one_shot" else kept
            kept = self._size(size, before)
            for scope, beam in kept.items():
                self.lists[scope, size] = beam[0]
        return self

    def _size(
        self, size: int, kept: Mapping[str, list[Combination]]
    ) -> Mapping[str, list[Combination]]:
        """Return what each scope keeps of a size."""
        proposed: dict[str, set[Combination]] = {scope: set() for scope in self.scopes}
        for generation, _ in enumerate(stages_of_size(size, self.spec), start=1):
            alive = {}
            for scope in self.scopes:
                situation = Situation(
                    size=size,
                    sites=self.store.sites,
                    scope=scope,
                    kept=kept[scope],
                    proposed=proposed[scope],
                    budget=int(self.spec.budget),
                    generation=generation,
                    seed=self.seed,
                )
                alive[scope] = set(SEARCH_STRATEGIES[self.spec.strategy](situation))
                proposed[scope] |= alive[scope]
            kept = self._stage(alive)
        return kept

    def _stage(self, alive: dict[str, set[Combination]]) -> dict[str, list[Combination]]:
        """Race and evaluate what all scopes propose, and return what each keeps."""
        shares = () if self.spec.strategy == "one_shot" else SHARES[self.spec.racing]
        for share in (*shares, 1.0):
            for dataset in self.store.datasets:
                self._count(dataset, alive[dataset] | alive[GENERIC], share)
            for scope, datasets in self.scopes.items():
                evaluations = self.store.of(datasets, alive[scope])
                if share < 1:
                    alive[scope] = self._survivors(scope, evaluations, alive[scope], share)
        kept = {}
        for scope, datasets in self.scopes.items():
            evaluations = self.store.of(datasets, alive[scope])
            kept[scope] = self._beam(scope, evaluations, alive[scope])
        return kept

    def _count(self, dataset: str, combinations: set[Combination], share: float) -> None:
        """Count the pairs that were not answered before in this search."""
        num_samples = len(self.store.prefix(dataset, share))
        for combination in combinations:
            key = (dataset, combination)
            self.pairs += max(0, num_samples - self.answered.get(key, 0))
            self.answered[key] = max(num_samples, self.answered.get(key, 0))

    def _survivors(
        self,
        scope: str,
        evaluations: pl.DataFrame,
        proposals: set[Combination],
        share: float,
    ) -> set[Combination]:
        analysis = self.store.run_spec.analysis
        document = race(
            evaluations,
            {dataset: self.store.sums_of(dataset, share) for dataset in self.scopes[scope]},
            sorted(proposals),
            self.spec.beam_width,
            self.spec.racing,
            analysis.across_datasets if scope == GENERIC else None,
            analysis.weights,
        )
        return set(_combinations(document))

    def _beam(
        self, scope: str, evaluations: pl.DataFrame, proposals: set[Combination]
    ) -> list[Combination]:
        analysis = self.store.run_spec.analysis
        document = select_beam(
            evaluations,
            sorted(proposals),
            "generic" if scope == GENERIC else "own",
            self.spec.beam_width,
            analysis.across_datasets,
            analysis.weights,
        )
        return _combinations(document)

    def _order(self, scope: str, singles: pl.DataFrame) -> list[Combination]:
        analysis = self.store.run_spec.analysis
        proxy = self.spec.proxy
        proxies = pl.DataFrame() if proxy == "drop" else self.store.proxies
        document = order_sites(
            with_proxy(singles, proxies, proxy),
            "generic" if scope == GENERIC else "own",
            analysis.across_datasets,
            analysis.weights,
        )
        return _combinations(document)


def _combinations(document: BeamDocument) -> list[Combination]:
    return [Combination.parse(entry["combination"]) for entry in document["beam"]]


@dataclass(frozen=True)
class Entrant:
    """A strategy, with or without racing, at one budget: its searches, one per seed."""

    name: str
    setting: int
    searches: list[Search]

    @property
    def pairs(self) -> int:
        """The pairs of its searches, on average."""
        return round(sum(search.pairs for search in self.searches) / len(self.searches))


def largest_within(
    budget: int, make: Callable[[int], Search], low: int = 1
) -> tuple[int, Search] | None:
    """Return a setting whose search comes close to the budget and keeps it, by bisection."""
    best = None
    high = LARGEST_SETTING
    previous_pairs = -1
    setting = low
    # Doubling until it is too dear, or until more no longer costs more.
    while setting <= high:
        search = make(setting).run()
        if search.pairs > budget:
            high = setting - 1
            break
        best = (setting, search)
        if search.pairs == previous_pairs or search.pairs >= CLOSE * budget:
            return best
        previous_pairs = search.pairs
        low = setting + 1
        setting *= 2
    while best is not None and low <= high:
        middle = (low + high) // 2
        search = make(middle).run()
        if search.pairs > budget:
            high = middle - 1
        else:
            best = (middle, search)
            low = middle + 1
            if search.pairs >= CLOSE * budget:
                break
    return best


def entrants(store: Store, beam: Search, racings: Sequence[str]) -> list[Entrant]:
    """Return every strategy at the price of a beam, which comes first."""
    width = beam.spec.beam_width
    rows = [Entrant("beam", width, [beam])]
    for racing in racings:
        spec = replace(beam.spec, racing="off" if racing == "off" else _level(racing))
        suffix = "" if racing == "off" else f", racing {racing}"
        if racing != "off":
            wider = largest_within(
                beam.pairs,
                lambda setting, spec=spec: Search(store, replace(spec, beam_width=setting), 0),
            )
            if wider is not None:
                rows.append(Entrant(f"beam{suffix}", wider[0], [wider[1]]))
        greedy = Search(store, replace(spec, strategy="greedy", beam_width=1), 0)
        rows.append(Entrant(f"greedy{suffix}", 1, [greedy.run()]))
        for strategy in DRAWING:
            drawing = replace(spec, strategy=strategy)
            within = largest_within(
                beam.pairs,
                lambda setting, spec=drawing: Search(store, replace(spec, budget=setting), 0),
                low=2,
            )
            if within is None:
                continue
            setting, search = within
            searches = [search]
            for seed in range(1, SEEDS):
                again = Search(store, replace(drawing, budget=setting), seed)
                searches.append(again.run())
            rows.append(Entrant(f"{strategy}{suffix}", setting, searches))
    for proxy in PROXIES:
        spec = replace(beam.spec, strategy="one_shot", proxy=proxy)
        rows.append(Entrant(f"one_shot, {proxy}", 0, [Search(store, spec, 0).run()]))
    return rows


def _level(racing: str) -> float | str:
    return racing if racing == "halving" else float(racing)


def exhaustive(store: Store, size: int) -> Entrant:
    """Return the search that evaluates every combination of a size."""
    every = set(all_combinations(store.sites, size))
    spec = SearchSpec(size, 1, [], 1)
    search = Search(store, spec, 0)
    for dataset in store.datasets:
        store.measure(dataset, every)
        search._count(dataset, every, 1.0)
    for scope, datasets in search.scopes.items():
        search.lists[scope, size] = search._beam(scope, store.of(datasets, every), every)[0]
    return Entrant("exhaustive", 0, [search])


def evidence_of(store: Store, rows: Sequence[Entrant], role: Role) -> Evidence:
    """Return the evidence on a role's samples of all lists of some searches."""
    chosen: dict[str, set[Combination]] = {dataset: set() for dataset in store.datasets}
    for entrant in rows:
        for search in entrant.searches:
            for (scope, _), combination in search.lists.items():
                for dataset in search.scopes[scope]:
                    chosen[dataset].add(combination)
    sums = {}
    for dataset, combinations in chosen.items():
        store.measure(dataset, combinations, role)
        sums[dataset] = by_cluster(store.shards(dataset, role)).lazy()
    evaluations = store.evaluations.filter(role=role)
    analysis = store.run_spec.analysis
    return Evidence(
        evaluations, analysis.across_datasets, sums=sums, role=role, weights=analysis.weights
    )


def cost(
    evidence: Evidence, entrant: Entrant, size: int, generic: bool, against: Entrant | None
) -> MeanDrop:
    """Return the mean drop of an entrant's lists over datasets and seeds, or how much more it is.

    `generic`: the list for all datasets, else each dataset's own.
    """
    contrasts: dict[str, dict[Combination, float]] = {}
    for dataset in evidence.datasets:
        scope = GENERIC if generic else dataset
        weights: dict[Combination, float] = {}
        for search in entrant.searches:
            combination = search.lists[scope, size]
            weights[combination] = weights.get(combination, 0) + 1 / len(entrant.searches)
        if against is not None:
            combination = against.searches[0].lists[scope, size]
            weights[combination] = weights.get(combination, 0) - 1
        contrasts[dataset] = weights
    return evidence.average_of(contrasts)


def _cell(drop: MeanDrop) -> str:
    if drop.low is None or drop.high is None:
        return f"{drop.mean:+.2f}"
    return f"{drop.mean:+.2f} [{drop.low:+.2f}, {drop.high:+.2f}]"


def table_of(
    store: Store, rows: Sequence[Entrant], size: int, beam: Entrant, truth: Entrant | None
) -> list[str]:
    """Return the lines of a Markdown table for one size and budget."""
    holdout = evidence_of(store, [*rows, *([truth] if truth else [])], "holdout")
    search = evidence_of(store, [*rows, *([truth] if truth else [])], "search")
    unit = holdout.unit
    lines = [
        f"| strategy | setting | pairs | generic, search | generic, holdout ({unit}) |"
        " more than the beam's | own, search | own, holdout | more than the beam's |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for entrant in [*rows, *([truth] if truth else [])]:
        cells = [entrant.name, str(entrant.setting or ""), f"{entrant.pairs:,}"]
        for generic in (True, False):
            cells.append(f"{cost(search, entrant, size, generic, None).mean:+.2f}")
            cells.append(_cell(cost(holdout, entrant, size, generic, None)))
            same = entrant is beam
            cells.append("" if same else _cell(cost(holdout, entrant, size, generic, beam)))
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def main() -> None:
    """Print a Markdown table per budget and size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, help="the folder of a finished run")
    parser.add_argument("--widths", type=int, nargs="+", default=[1, 2, 4], help="budgets: beams")
    parser.add_argument("--racing", nargs="+", default=["off", "halving"])
    parser.add_argument("--max-removed", type=int, default=3)
    parser.add_argument(
        "--exhaustive", type=int, nargs="*", default=[2], help="sizes evaluated whole, as the truth"
    )
    parser.add_argument("--datasets", nargs="+", default=[], help="by default all of the run")
    parser.add_argument(
        "--samples",
        type=int,
        nargs=2,
        metavar=("SEARCH", "HOLDOUT"),
        help="the first samples of each role, by default all of the run",
    )
    parser.add_argument("--sites", nargs="+", default=[], help="by default all that can be removed")
    parser.add_argument("--folder", type=Path, default=Path("build/benchmarks/bake_off"))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(options.folder / "shards", ignore_errors=True)  # the cache holds all of it
    roles: tuple[Role, ...] = ("search", "holdout")
    num_samples = dict(zip(roles, options.samples, strict=True)) if options.samples else None
    store = Store(options.results, options.folder, options.datasets, num_samples, options.sites)
    truths = {size: exhaustive(store, size) for size in options.exhaustive}
    for width in options.widths:
        spec = SearchSpec(options.max_removed, width, [1], 1, budget=2)
        beam = Search(store, spec, 0).run()
        rows = entrants(store, beam, options.racing)
        for size in range(2, options.max_removed + 1):
            print(f"\nSize {size}, budget {beam.pairs:,} pairs (a beam of width {width})\n")
            lines = table_of(store, rows, size, rows[0], truths.get(size))
            print("\n".join(lines), flush=True)


if __name__ == "__main__":
    main()
