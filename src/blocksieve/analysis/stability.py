"""Whether the choice holds under other data: other samples, other datasets, the other half, the other split."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from blocksieve.choices import choices_of, judges, overlap
from blocksieve.combination import Combination
from blocksieve.evidence import Evidence, wide_sums

RESAMPLES = 500
SEED = 0
SCOPES = ("dataset", "task_type", "generic")
TOP = 5
Floats = NDArray[np.float64]


def analyse(evidence: Evidence) -> dict[str, Any]:
    """Choose again under other data, from the combinations that were evaluated; schema stability.schema.json.

    One of `rows` a method, scope, name, size and scheme. samples: clusters drawn with replacement; datasets: datasets
    drawn with replacement; their choices are compared with the run's. halves: a random half of the clusters, compared
    with the other half; splits: a source split, compared with another. `same`: the share of draws with the same choice;
    `overlap`: the mean share of blocks in common; `top`: the most frequent choices; `removed`: how often each block is.
    A bootstrap adds its noise to that of the samples, so that its shares are rather too low. Nothing is evaluated anew:
    what the search never tried is never chosen. A given table comes without samples, and has no rows.
    """
    run = {
        (one.method, one.scope, one.name, one.size): one.combination for one in choices_of(evidence)
    }
    rows = []
    for scheme, draws in _schemes(evidence) if evidence.paired else ():
        for scope, name, datasets in judges(evidence):
            if (
                scope in SCOPES
                and set(datasets) <= set(draws.means)
                and (scheme != "datasets" or len(datasets) > 1)
            ):
                about = {"scope": scope, "name": name, "scheme": scheme}
                picks = dict(_picks(evidence, draws.means, datasets, scheme == "datasets"))
                others = dict(_picks(evidence, draws.others, datasets)) if draws.others else {}
                for (method, size), chosen in picks.items():
                    again = others.get((method, size)) or [run[method, scope, name, size]] * len(
                        chosen
                    )
                    rows.append({"method": method, "size": size} | about | _compared(chosen, again))
    return {
        "measured": evidence.paired,
        "samples": sum(evidence.samples.values()),
        "seed": SEED,
        "rows": rows,
    }


@dataclass(frozen=True)
class Draws:
    """Mean drops (draws, combinations) of each dataset; `others`: on what was left out; None: compare with the run."""

    means: Mapping[str, Floats]
    others: Mapping[str, Floats] | None = None


@dataclass(frozen=True)
class Clusters:
    """A dataset's sums of drops (combinations, clusters) and what they are shares of; the split of each cluster."""

    drops: Floats
    whole: Floats
    splits: NDArray[np.str_]

    def means(self, weights: Any) -> Floats:
        """Mean drops (draws, combinations) where clusters count with weights (draws, clusters)."""
        counts = np.asarray(weights, dtype=np.float64)
        whole = (counts @ self.whole)[:, None]
        # Samples without any baseline score say nothing of a share of it.
        found: Floats = np.divide(
            counts @ self.drops.T,
            whole,
            where=whole != 0,
            out=np.zeros((len(counts), len(self.drops))),
        )
        return found


def _schemes(evidence: Evidence) -> Iterator[tuple[str, Draws]]:
    data = {dataset: _clusters(evidence, dataset) for dataset in evidence.names}
    rng = np.random.default_rng(SEED)
    bootstrap, half = {}, {}
    for dataset, own in data.items():
        count = len(own.whole)
        bootstrap[dataset] = own.means(rng.multinomial(count, np.full(count, 1 / count), RESAMPLES))
        half[dataset] = rng.permuted(np.tile(np.arange(count) % 2, (RESAMPLES, 1)), axis=1)
    yield "samples", Draws(bootstrap)
    yield (
        "datasets",
        Draws({dataset: own.means(np.ones((1, len(own.whole)))) for dataset, own in data.items()}),
    )
    yield (
        "halves",
        Draws(
            *(
                {dataset: data[dataset].means(half[dataset] == side) for dataset in data}
                for side in (0, 1)
            )
        ),
    )
    for pair in combinations(sorted({split for own in data.values() for split in own.splits}), 2):
        both = {dataset: own for dataset, own in data.items() if set(pair) <= set(own.splits)}
        one, other = (
            {dataset: own.means(own.splits[None] == split) for dataset, own in both.items()}
            for split in pair
        )
        yield f"splits {pair[0]}/{pair[1]}", Draws(one, other)


def _clusters(evidence: Evidence, dataset: str) -> Clusters:
    wide = wide_sums(evidence.sums_of(dataset))
    whole = wide["baseline" if evidence.scale == "relative" else "n"].cast(pl.Float64)
    drops = wide.select(list(evidence.names[dataset])).to_numpy().T
    return Clusters(drops, whole.to_numpy(), wide["split"].to_numpy().astype(str))


def _picks(
    evidence: Evidence,
    means: Mapping[str, Floats],
    datasets: Sequence[str],
    resampled: bool = False,
) -> Iterator[tuple[tuple[str, int], list[str]]]:
    """For each method and size what each draw chooses on some datasets, or on as many drawn from them."""
    names = [name for name, on in evidence.coverage.items() if set(datasets) <= set(on)]
    places = {dataset: [evidence.names[dataset][name] for name in names] for dataset in datasets}
    stack = np.stack([means[dataset][:, places[dataset]] for dataset in datasets])
    if resampled:
        count = len(datasets)
        times = np.random.default_rng(SEED).multinomial(count, np.full(count, 1 / count), RESAMPLES)
        drops = times @ stack[:, 0] / count
    else:
        drops = stack.mean(0)
    alone = [place for place, name in enumerate(names) if "-" not in name]
    blocks = np.array([int(names[place]) for place in alone], dtype=int)
    order = blocks[np.argsort(drops[:, alone], axis=1, kind="stable")]
    for size in sorted({name.count("-") + 1 for name in names}):
        own = [place for place, name in enumerate(names) if name.count("-") + 1 == size]
        yield ("beam", size), [names[own[place]] for place in drops[:, own].argmin(1)]
        if size < len(blocks):
            yield ("scores", size), [str(Combination.of(row.tolist())) for row in order[:, :size]]


def _compared(chosen: Sequence[str], others: Sequence[str]) -> dict[str, Any]:
    counts, blocks = Counter(chosen), Counter(block for name in chosen for block in name.split("-"))
    pairs = list(zip(chosen, others, strict=True))
    return {
        "draws": len(chosen),
        "same": sum(one == other for one, other in pairs) / len(pairs),
        "overlap": sum(overlap(one, other) for one, other in pairs) / len(pairs),
        "distinct": len(counts),
        "top": [
            {"combination": name, "share": count / len(chosen)}
            for name, count in counts.most_common(TOP)
        ],
        "removed": {block: blocks[block] / len(chosen) for block in sorted(blocks, key=int)},
    }
