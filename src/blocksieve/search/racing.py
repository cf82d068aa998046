"""Racing: drop candidates that hardly come into the beam of all search samples.

A raced size is evaluated in rounds on ever longer prefixes of the draw order (`steps.SHARES`).
After each round a scope drops some of the candidates that it proposed; a later round evaluates what
some scope still wants. The last step evaluates that on all samples, and selects the beam from it.

A test drops what costs more, on the same samples, than the candidate that is last in the beam by
now. Errors are clustered by image; the standard error is multiplied by sqrt(1 - m / n) for m of n
images, since the goal is the beam of these n, not of all images there might be: Cochran, "Sampling
Techniques", 1977, 2.5. Halving keeps the best half, without a test.

Related: Successive Rejects for paired comparisons, "Synchronized Successive Rejects", arXiv
2606.07726; the selection stages with growing samples of EvoPress, arXiv 2410.14649.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from scipy import stats

from blocksieve.combination import NONE, Combination
from blocksieve.evidence import wide_sums
from blocksieve.search.beams import BeamDocument, counted_rows, evaluable
from blocksieve.specs import Racing
from blocksieve.statistics import ROUNDING, Drops, Floats, macro_contrasts, paired_drops
from blocksieve.units import Scale


@dataclass(frozen=True)
class Standing:
    """What a dataset's samples have shown of the candidates by now.

    `sums`: (candidates, clusters), baseline minus score, summed by cluster. `counts`: (clusters,),
    samples. `num_clusters`: of all search samples. `unit`: what a drop is a share of, 1 for score
    units. `weight`: of the dataset in the mean over several.
    """

    sums: Floats
    counts: Floats
    num_clusters: int
    unit: float = 1.0
    weight: float = 1.0

    @property
    def means(self) -> Floats:
        """The mean drop of each candidate, in units."""
        totals = self.sums.sum(axis=1)  # (candidates,)
        num_samples = self.counts.sum()
        means: Floats = totals / num_samples / self.unit
        return means

    def gaps(self, reference: int) -> Drops:
        """Return how much more each candidate costs than the one at an index, in units.

        The error is that of the gap on all search samples.
        """
        gap_sums = self.sums - self.sums[reference]  # (candidates, clusters)
        no_baselines = np.zeros_like(self.counts)
        gaps = paired_drops(gap_sums, no_baselines, self.counts, relative=False)
        unseen_share = 1 - len(self.counts) / self.num_clusters
        towards_all = np.sqrt(unseen_share) * gaps.influences
        return replace(gaps, influences=towards_all).scaled(1 / self.unit)


def race(
    evaluations: pl.DataFrame,
    sums: Mapping[str, pl.DataFrame],
    proposals: Iterable[Combination],
    beam_width: int,
    racing: Racing,
    scale: Scale | None,
    weights: Mapping[str, float],
) -> BeamDocument:
    """Return which of a scope's proposals survive a round.

    `evaluations`: of the round's candidates, and of the baseline on all search samples. `sums`: for
    each dataset `shards.by_cluster`. `scale`: of the mean over datasets that the generic scope
    takes; None for the own scope of a single dataset. What the model cannot run on some dataset
    does not survive. DataError if it can run nothing, or no dataset counts.
    """
    names = [str(combination) for combination in proposals]
    of_scope = evaluations.filter(pl.col("combination").is_in(names))
    possible = set(evaluable(of_scope)["combination"])
    refused = set(of_scope.drop_nulls("not_evaluable")["combination"])
    candidates = sorted(map(Combination.parse, possible - refused))
    baselines = evaluations.filter(combination=str(NONE))
    if scale is not None:
        baselines = counted_rows(baselines, scale)
    standings = []
    for row in baselines.iter_rows(named=True):
        standing = standing_of(sums[row["dataset"]], candidates, row["n_clusters"])
        unit = row["baseline"] if scale == "relative" else 1.0
        weight = weights.get(row["dataset"], 1.0)
        standings.append(replace(standing, unit=unit, weight=weight))
    kept = survivors(standings, beam_width, racing)
    return {
        "candidates": len(set(names)),
        "beam": [{"combination": str(candidates[place])} for place in kept],
    }


def standing_of(
    sums: pl.DataFrame, candidates: Sequence[Combination], num_clusters: int
) -> Standing:
    """Return the standing of candidates that answered the same samples, from sums by cluster."""
    names = [str(candidate) for candidate in candidates]
    of_candidates = sums.filter(pl.col("combination").is_in(names))
    wide = wide_sums(of_candidates)
    return Standing(
        sums=wide.select(names).to_numpy().T,
        counts=wide["n"].cast(pl.Float64).to_numpy(),
        num_clusters=num_clusters,
    )


def survivors(standings: Sequence[Standing], beam_width: int, racing: Racing) -> list[int]:
    """Return the places of the candidates that survive a round, the best first.

    One standing per dataset; all hold the same candidates in their order, which decides between
    equal means. The leading `beam_width` always survive. A number for `racing` is the level of a
    one-sided t test for each candidate; over several datasets, which count as fixed, its degrees
    of freedom are Satterthwaite's (Biometrics Bulletin 1946). Where no error is known, or the few
    images seen all show the same gap, nothing is dropped.
    """
    weights = [standing.weight for standing in standings]
    by_dataset = [standing.means for standing in standings]
    means = np.average(by_dataset, axis=0, weights=weights)  # (candidates,)
    order: list[int] = np.argsort(means, kind="stable").tolist()
    leaders, others = order[:beam_width], order[beam_width:]
    if not others:
        return leaders
    if racing == "halving":
        return order[: max(beam_width, math.ceil(len(order) / 2))]
    each_alone = np.eye(len(order))
    gaps = macro_contrasts(
        [standing.gaps(leaders[-1]) for standing in standings],
        [each_alone] * len(standings),
        weights,
    )
    limits = stats.t.isf(racing, gaps.freedom) * gaps.se
    # An error or limit of nan compares as false.
    is_out = (gaps.se > ROUNDING) & (gaps.means > limits + ROUNDING)
    return leaders + [place for place in others if not is_out[place]]
