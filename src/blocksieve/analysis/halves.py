"""What the halves of blocks cost alone: token mixers against channel mixers, by depth and task."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from blocksieve.analysis.block_position_analysis import POSITIONS, position_of
from blocksieve.analysis.combination_vs_individual import is_exhaustive
from blocksieve.combination import HALF_NAMES, Combination, Part, Site
from blocksieve.compared_halves import BEYOND_SUM, BOTH, DIFFERENCE, EVERYWHERE
from blocksieve.evidence import Evidence, MeanDrop
from blocksieve.statistics import FALSE_DISCOVERY_RATE, false_discovery_of_signs

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "level": pl.String,
    "what": pl.String,
    "block": pl.UInt8,
    "group": pl.String,
    "position": pl.String,
    "role": pl.String,
    "blocks": pl.UInt32,
    "datasets": pl.UInt32,
    "mean": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "p": pl.Float64,
    "q": pl.Float64,
    "shown": pl.Boolean,
}
Row = dict[str, object]
Singles = dict[int, Combination]
"""The halves of one kind, each removed alone, by block."""
Weights = Mapping[Combination, float]


def analyse(evidence: Evidence) -> pl.DataFrame:
    """Compare the halves of blocks removed alone, in % of the baseline or pp.

    `level` block: `what` is a half of a `block`, both of them (the block, or its halves together,
    where that was measured), the difference of the halves, or what both cost beyond their sum;
    means over all datasets. A search measures a block's halves together where these look cheap, so
    that both seem to cost more than their sum: that is said of the whole block, or where all pairs
    were measured.
    `level` group: what all token mixers, all channel mixers, and their difference come to on
    average over the `blocks` of a `position`, alone, over the datasets of a task type (`group`) or
    of all; of all alone where there is one task type. `role`: which samples say so. `q`: p of the
    differences, and of what is beyond the sum, adjusted over each level (Benjamini and Hochberg),
    what is above 0 and what is below it apart; `shown` where that is at most 5 %. Halves that some
    dataset lacks do not count.
    """
    token_mixers, channel_mixers = _singles(evidence, "a"), _singles(evidence, "m")
    rows = _block_rows(evidence, token_mixers, channel_mixers)
    rows += _group_rows(evidence, token_mixers, channel_mixers)
    table = pl.DataFrame(rows, schema=SCHEMA).with_columns(role=pl.lit(evidence.role))
    parts = []
    for level in ("block", "group"):
        of_level = table.filter(level=level)
        is_tested = pl.col("what").is_in([DIFFERENCE, BEYOND_SUM])
        p = of_level.select(pl.when(is_tested).then("p"))["p"].fill_null(np.nan)
        means = of_level["mean"].fill_null(np.nan)
        adjusted = false_discovery_of_signs(p, means)
        q = pl.Series(adjusted, dtype=pl.Float64).fill_nan(None)
        parts.append(of_level.with_columns(q=q, shown=q <= FALSE_DISCOVERY_RATE))
    return pl.concat(parts)


def _singles(evidence: Evidence, part: Part) -> Singles:
    """Return the halves of one kind that every dataset has alone, by block."""
    singles = {}
    for combination in evidence.with_full_coverage(1):
        (site,) = combination.sites
        if site.part == part:
            singles[site.block] = combination
    return dict(sorted(singles.items()))


def _block_rows(evidence: Evidence, token_mixers: Singles, channel_mixers: Singles) -> list[Row]:
    names: list[tuple[str, int]] = []
    contrasts: list[Weights] = []
    for name, singles in zip(HALF_NAMES.values(), (token_mixers, channel_mixers), strict=True):
        for block, combination in singles.items():
            names.append((name, block))
            contrasts.append({combination: 1.0})
    measured = set(evidence.with_full_coverage())
    all_pairs = bool(token_mixers) and is_exhaustive(evidence, 2)
    for block in sorted(token_mixers.keys() & channel_mixers.keys()):
        names.append((DIFFERENCE, block))
        contrasts.append({token_mixers[block]: 1.0, channel_mixers[block]: -1.0})
        whole = Combination((Site(block),))
        halves = Combination((Site(block, "a"), Site(block, "m")))
        both = whole if whole in measured else halves
        if both in measured:
            names.append((BOTH, block))
            contrasts.append({both: 1.0})
        if both in measured and (both == whole or all_pairs):
            names.append((BEYOND_SUM, block))
            contrasts.append({both: 1.0, token_mixers[block]: -1.0, channel_mixers[block]: -1.0})
    if not contrasts:
        return []
    rows = []
    datasets = evidence.counted(evidence.datasets)
    for (what, block), mean in zip(names, evidence.average(contrasts), strict=True):
        position = position_of([block], evidence.depth)
        rows.append(_row("block", what, EVERYWHERE, position, datasets, mean, [block]))
    return rows


def _group_rows(evidence: Evidence, token_mixers: Singles, channel_mixers: Singles) -> list[Row]:
    blocks_with_both = sorted(token_mixers.keys() & channel_mixers.keys())
    groups: dict[str, list[str]] = {EVERYWHERE: evidence.datasets}
    if len(set(evidence.task_types.values())) > 1:
        for dataset, task_type in evidence.task_types.items():
            groups.setdefault(task_type, []).append(dataset)
    rows = []
    for position in (EVERYWHERE, *POSITIONS[:3]):
        blocks = [
            block
            for block in blocks_with_both
            if position in (EVERYWHERE, position_of([block], evidence.depth))
        ]
        if not blocks:
            continue
        share = 1 / len(blocks)
        mixing_tokens = {token_mixers[block]: share for block in blocks}
        mixing_channels = {channel_mixers[block]: share for block in blocks}
        minus_channels = {channel_mixers[block]: -share for block in blocks}
        contrasts = [mixing_tokens, mixing_channels, mixing_tokens | minus_channels]
        for group, datasets in groups.items():
            counted = evidence.counted(datasets)
            means = evidence.average(contrasts, counted)
            for what, mean in zip((*HALF_NAMES.values(), DIFFERENCE), means, strict=True):
                rows.append(_row("group", what, group, position, counted, mean, blocks))
    return rows


def _row(
    level: str,
    what: str,
    group: str,
    position: str,
    datasets: Sequence[str],
    mean: MeanDrop,
    blocks: Sequence[int],
) -> Row:
    return {
        "level": level,
        "what": what,
        "block": blocks[0] if level == "block" else None,
        "group": group,
        "position": position,
        "blocks": len(blocks),
        "datasets": len(datasets),
        "mean": mean.mean,
        "low": mean.low,
        "high": mean.high,
        "p": mean.p,
    }
