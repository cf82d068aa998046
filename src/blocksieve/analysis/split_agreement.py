"""Whether the train and the validation split of a dataset agree on which blocks matter."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import rankdata

from blocksieve.analysis.stability import Clusters, clusters_of
from blocksieve.combination import Combination
from blocksieve.evidence import Evidence, clustered_drops
from blocksieve.statistics import Drops, Floats, correlation, false_discovery

DEALS = 999
SEED = 0

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "dataset": pl.String,
    "task_type": pl.String,
    "split_a": pl.String,
    "split_b": pl.String,
    "site": pl.String,
    "drop_a": pl.Float64,
    "drop_b": pl.Float64,
    "samples_a": pl.UInt32,
    "samples_b": pl.UInt32,
    "spearman": pl.Float64,
    "spearman_low": pl.Float64,
    "spearman_high": pl.Float64,
    "noise_spearman": pl.Float64,
    "p": pl.Float64,
    "q": pl.Float64,
}


def analyse(evidence: Evidence) -> pl.DataFrame:
    """Measure every block on either of two source splits, and how the splits' orders agree.

    One row per dataset, pair of splits and site: the drop in % or pp on each split's samples, and
    Spearman's correlation over the dataset's blocks with its interval, the same in all its rows.
    `noise_spearman`: the mean of that correlation where the same samples are dealt to two parts of
    these sizes at random, so that only noise keeps them apart; `p`: the share of such deals that
    agree no better than the splits, and `q`: p adjusted over the pairs of splits.
    Datasets of one split have no rows, nor has a run without samples (a given table).
    """
    tables = [pl.DataFrame(schema=SCHEMA)]
    for dataset in evidence.task_types:
        if dataset not in evidence.sums:
            continue
        sums = evidence.sums_of(dataset)
        splits = sums["split"].unique().sort()
        for split_a, split_b in combinations(splits, 2):
            tables.append(_agreement(evidence, dataset, sums, split_a, split_b))
    table = pl.concat(tables)
    pairs = table.unique(["dataset", "split_a", "split_b"], maintain_order=True)
    q = false_discovery(pairs["p"].fill_null(np.nan).to_numpy())
    with_q = pairs.with_columns(q=pl.Series(q, dtype=pl.Float64).fill_nan(None))
    adjusted = with_q.select("dataset", "split_a", "split_b", "q")
    return table.drop("q").join(
        adjusted, on=["dataset", "split_a", "split_b"], maintain_order="left"
    )


def _agreement(
    evidence: Evidence, dataset: str, sums: pl.DataFrame, split_a: str, split_b: str
) -> pl.DataFrame:
    by_noise, p = _dealt_at_random(evidence, dataset, split_a, split_b)
    row_index = evidence.row_index[dataset]
    singles = sorted(combination for combination in row_index if combination.is_single)
    sums_a = sums.filter(pl.col("split") == split_a)
    sums_b = sums.filter(pl.col("split") == split_b)
    drops_a = _drops(evidence, dataset, sums_a, singles).means
    drops_b = _drops(evidence, dataset, sums_b, singles).means
    spearman, low, high = correlation(drops_a, drops_b, "spearman")
    table = pl.DataFrame(
        {
            "site": [str(single) for single in singles],
            "drop_a": drops_a,
            "drop_b": drops_b,
        }
    ).with_columns(
        dataset=pl.lit(dataset),
        task_type=pl.lit(evidence.task_types[dataset]),
        split_a=pl.lit(split_a),
        split_b=pl.lit(split_b),
        samples_a=pl.lit(_num_samples(sums_a)),
        samples_b=pl.lit(_num_samples(sums_b)),
        spearman=pl.lit(spearman),
        spearman_low=pl.lit(low),
        spearman_high=pl.lit(high),
        noise_spearman=pl.lit(by_noise),
        p=pl.lit(p),
        q=pl.lit(None, pl.Float64),
    )
    return table.fill_nan(None).select(*SCHEMA).cast(pl.Schema(SCHEMA))


def _dealt_at_random(
    evidence: Evidence, dataset: str, split_a: str, split_b: str
) -> tuple[float, float]:
    """Return Spearman's correlation by noise alone, and p of the observed one; nan if unknown."""
    clusters = clusters_of(evidence, dataset)
    index = evidence.row_index[dataset]
    singles = [row for combination, row in index.items() if combination.is_single]
    of_pair = np.flatnonzero(np.isin(clusters.splits, [split_a, split_b]))
    is_first = clusters.splits[of_pair] == split_a
    deals = np.tile(is_first, (1 + DEALS, 1))  # (deals, clusters of the pair)
    # The first deal is the observed one.
    deals[1:] = np.random.default_rng(SEED).permuted(deals[1:], axis=1)
    drops_a = _drops_of_deals(clusters, of_pair, deals)[:, singles]
    drops_b = _drops_of_deals(clusters, of_pair, ~deals)[:, singles]
    observed, *dealt = _spearman(drops_a, drops_b)
    if np.isnan(observed):
        return np.nan, np.nan
    # A permutation test's p counts the observed order as one of the deals.
    p = (1 + np.sum(np.array(dealt) <= observed)) / (1 + DEALS)
    return float(np.nanmean(dealt)), float(p)


def _drops_of_deals(
    clusters: Clusters, of_pair: NDArray[np.intp], deals: NDArray[np.bool_]
) -> Floats:
    """Return the mean drops (deals, combinations) on the clusters that a deal takes."""
    weights = np.zeros((len(deals), len(clusters.totals)))
    weights[:, of_pair] = deals
    return clusters.drawn(weights).means


def _spearman(first: Floats, second: Floats) -> Floats:
    """Correlate the ranks of rows, both (rows, blocks); nan where all of a row are equal."""
    ranks_a = _centred_ranks(first)
    ranks_b = _centred_ranks(second)
    products = (ranks_a * ranks_b).sum(axis=1)  # (rows,)
    norms = np.linalg.norm(ranks_a, axis=1) * np.linalg.norm(ranks_b, axis=1)
    unknown = np.full(len(products), np.nan)
    correlations: Floats = np.divide(products, norms, where=norms > 0, out=unknown)
    return correlations


def _centred_ranks(drops: Floats) -> Floats:
    ranks = rankdata(drops, axis=1)
    middle = ranks.mean(axis=1, keepdims=True)
    centred: Floats = ranks - middle
    return centred


def _drops(
    evidence: Evidence, dataset: str, sums: pl.DataFrame, blocks: Sequence[Combination]
) -> Drops:
    return clustered_drops(sums, blocks, evidence.scale, evidence.max_change[dataset])


def _num_samples(sums: pl.DataFrame) -> int:
    """Count the samples of any one combination: all have the same."""
    first = sums["combination"][0]
    clusters = sums.filter(pl.col("combination") == first)
    return int(clusters["n"].sum())
