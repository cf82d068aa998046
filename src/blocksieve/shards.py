"""What was measured: Parquet shards of pairs, one row per combination and sample.

No other module knows the shards' columns, joins pairs with their baseline, or sums by cluster.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Required, TypedDict

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from blocksieve.combination import NONE, Combination
from blocksieve.errors import DataError
from blocksieve.files import whole_file
from blocksieve.specs import Role
from blocksieve.version import VERSION

# Raise this whenever the columns change.
SCHEMA_VERSION = 3
SCHEMA = pa.schema(
    [
        ("dataset", pa.string()),
        ("combination", pa.string()),
        ("removed", pa.list_(pa.uint8())),
        ("size", pa.uint8()),
        ("sample_id", pa.string()),
        ("cluster", pa.string()),
        ("split", pa.string()),
        ("role", pa.string()),
        ("prediction", pa.string()),
        ("tokens", pa.list_(pa.int32())),
        ("near_tie", pa.bool_()),
        ("non_finite", pa.bool_()),
        ("refused", pa.string()),
        ("unparsable", pa.bool_()),
        ("score", pa.float32()),
    ]
)
# What a pair keeps of its shard: all but the answer itself.
PAIR_COLUMNS = [name for name in SCHEMA.names if name not in ("prediction", "tokens")]
ROWS_PER_CHUNK = 1_000_000
METADATA_KEY = "blocksieve"


class Flops(TypedDict):
    """What a job computed, what a plain loop over its combinations would, and the distinct work.

    All 0 where the engine does not count.
    """

    done: int
    plain: int
    bound: int


class Computed(TypedDict, total=False):
    """How a job computed its pairs; empty where it found all of them in the cache."""

    rung: str
    reason: str
    ran_on: str
    flops: Flops


class Metadata(Computed):
    """How a shard's rows came about; `write` adds the versions of schema and package."""

    fingerprint: Required[str]
    device: Required[str]
    dtype: Required[str]
    engine: Required[str]


def write(path: Path, dataset: str, rows: pl.DataFrame, metadata: Metadata) -> None:
    """Write the rows of a job: all columns of SCHEMA but dataset, removed and size."""
    combinations = [Combination.parse(text) for text in rows["combination"]]
    columns = {
        "dataset": [dataset] * len(rows),
        "removed": [list(combination.blocks) for combination in combinations],
        "size": [combination.size for combination in combinations],
        **rows.to_dict(as_series=False),
    }
    versions = {"schema_version": SCHEMA_VERSION, "blocksieve_version": VERSION}
    text = json.dumps({**versions, **metadata}, sort_keys=True)
    table = pa.Table.from_pydict(columns, schema=SCHEMA.with_metadata({METADATA_KEY: text}))
    with whole_file(path) as temporary:
        pq.write_table(table, temporary)


def metadata(path: Path) -> Metadata:
    """Read how a shard's rows came about."""
    content: Metadata = json.loads(pl.read_parquet_metadata(path)[METADATA_KEY])
    return content


def paired(
    paths: Iterable[Path],
    dataset: str | None = None,
    combinations: Iterable[Combination] | None = None,
) -> pl.LazyFrame:
    """Join each pair with the score of the whole model on the same sample.

    One row per combination and sample, the baseline's own among them, of one dataset and some
    combinations or of all: PAIR_COLUMNS, `score` as Float64, `baseline`, and `drop` = baseline -
    score, in score units. A refused combination has neither score nor drop. The baseline's shard
    must be among the paths. DataError if a sample has two baseline scores.
    """
    rows = pl.scan_parquet(list(paths)).select(PAIR_COLUMNS)
    rows = rows.with_columns(pl.col("score").cast(pl.Float64))
    if dataset is not None:
        rows = rows.filter(pl.col("dataset") == dataset)
    baseline = rows.filter(pl.col("combination") == str(NONE)).unique().collect()
    _check_repeats(baseline)
    if combinations is not None:
        rows = rows.filter(pl.col("combination").is_in([str(each) for each in combinations]))
    # A pair may stand in several shards: a finalist is measured in its search step, too.
    pairs = rows.unique().join(
        baseline.lazy().select("dataset", "sample_id", baseline="score"),
        on=["dataset", "sample_id"],
        how="left",
    )
    return pairs.with_columns(drop=pl.col("baseline") - pl.col("score"))


def answers(paths: Iterable[Path], role: Role, combinations: Iterable[Combination]) -> pl.DataFrame:
    """Read what some combinations answered to the samples of a role, without refused ones.

    Columns combination, sample_id, prediction, score; one row per combination and sample.
    """
    rows = pl.scan_parquet(list(paths)).filter(
        pl.col("role") == role,
        pl.col("combination").is_in([str(each) for each in combinations]),
        pl.col("score").is_not_null(),
    )
    columns = rows.select("combination", "sample_id", "prediction", "score").collect()
    key = ["combination", "sample_id"]
    return columns.unique(key, keep="first", maintain_order=True)


def baseline_tokens(paths: Iterable[Path]) -> pl.DataFrame:
    """Read the tokens of the whole model's answers: columns sample_id, tokens."""
    rows = pl.scan_parquet(list(paths)).filter(pl.col("combination") == str(NONE))
    return rows.select("sample_id", "tokens").unique("sample_id").collect()


def chunks(paths: Iterable[Path], dataset: str | None = None) -> Iterator[pl.DataFrame]:
    """Yield the pairs of `paired` in whole combinations, about a million rows at a time.

    In the order of the combinations' text, so that memory depends on neither their number nor that
    of the samples. DataError if a pair has two scores or a sample lacks its baseline.
    """
    files = list(paths)
    rows = pl.scan_parquet(files)
    if dataset is not None:
        rows = rows.filter(pl.col("dataset") == dataset)
    counts = rows.group_by("combination").len().sort("combination").collect()
    chunk_number = pl.col("len").cum_sum() // ROWS_PER_CHUNK
    for _, chunk in counts.group_by(chunk_number, maintain_order=True):
        combinations = [Combination.parse(text) for text in chunk["combination"]]
        pairs = paired(files, dataset, combinations).collect()
        _check_repeats(pairs)
        lacking = pairs.filter(pl.col("baseline").is_null())
        if len(lacking):
            raise DataError(
                f"dataset {lacking['dataset'][0]}: samples without a baseline score;"
                " rerun its baseline"
            )
        yield pairs


def _check_repeats(pairs: pl.DataFrame) -> None:
    """DataError if a combination has two scores for one sample."""
    key = ("dataset", "combination", "sample_id")
    repeats = pairs.filter(pl.struct(key).is_duplicated()).sort(key)
    if len(repeats):
        dataset, combination, sample_id = repeats.select(key).row(0)
        raise DataError(
            f"dataset {dataset}: combination {combination} has two scores for sample {sample_id};"
            " delete its shards and rerun"
        )


def by_cluster(paths: Sequence[Path]) -> pl.DataFrame:
    """Sum the drops of one dataset's samples by combination and cluster, in score units.

    One row per combination, role, split, cluster and tier: `n` samples, sums of `drop` and
    `baseline`. Tiers count from 0, the samples that all combinations answered: combinations answer
    prefixes of one draw order, so that those of tiers 0 to t are what any of them have in common.
    """
    tiers = _tiers(paths)
    key = ["combination", "role", "split", "cluster", "tier"]
    tables = []
    for pairs in chunks(paths):
        rows = _measured(pairs).join(tiers, on=["role", "sample_id"])
        sums = rows.group_by(key).agg(
            n=pl.len(),
            # Sorted, so that rounding does not depend on the order in which rows come.
            drop=pl.col("drop").sort().sum(),
            baseline=pl.col("baseline").sort().sum(),
        )
        tables.append(sums.sort(key))
    table = pl.concat(tables)
    _check_nesting(table)
    return table


class SumsByCluster(Mapping[str, pl.LazyFrame]):
    """`by_cluster` of each dataset, summed when it is asked for: all at once may fill the memory.

    A dataset's shards lie in a folder of its name.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self.paths: dict[str, list[Path]] = {}
        for path in paths:
            self.paths.setdefault(path.parent.name, []).append(path)

    def __getitem__(self, dataset: str) -> pl.LazyFrame:
        return by_cluster(self.paths[dataset]).lazy()

    def __contains__(self, dataset: object) -> bool:
        return dataset in self.paths

    def __iter__(self) -> Iterator[str]:
        return iter(self.paths)

    def __len__(self) -> int:
        return len(self.paths)


def _tiers(paths: Sequence[Path]) -> pl.DataFrame:
    """Number each role's samples by how many combinations answered them, the most first.

    Columns role, sample_id, tier.
    """
    key = ["role", "sample_id"]
    counts = []
    for pairs in chunks(paths):
        counts.append(_measured(pairs).group_by(key).len("answers"))
    answers = pl.concat(counts).group_by(key).agg(pl.sum("answers"))
    rank = pl.col("answers").rank("dense", descending=True)
    tier = (rank.over("role") - 1).cast(pl.UInt8)
    return answers.select(*key, tier=tier)


def _measured(pairs: pl.DataFrame) -> pl.DataFrame:
    """Return the pairs that have a score, without the baseline's own."""
    is_candidate = pl.col("combination") != str(NONE)
    is_scored = pl.col("score").is_not_null()
    return pairs.filter(is_candidate, is_scored)


def _check_nesting(sums: pl.DataFrame) -> None:
    """DataError unless each combination answered all samples of its tiers."""
    largest = sums.group_by("role", "split", "cluster", "tier").agg(expected=pl.max("n"))
    by_tier = ["role", "tier"]
    expected = largest.group_by(by_tier).agg(pl.sum("expected"))
    answered = sums.group_by("combination", *by_tier).agg(pl.sum("n"))
    deepest = pl.col("tier").max().over("combination", "role")
    tiers = answered.with_columns(complete=pl.len().over("combination", "role") == deepest + 1)
    faulty = tiers.join(expected, on=by_tier).filter(
        (pl.col("n") < pl.col("expected")) | ~pl.col("complete")
    )
    if len(faulty):
        combination = faulty.sort("combination")["combination"][0]
        raise DataError(
            f"combination {combination} was not evaluated on the same samples as others;"
            " rerun its jobs"
        )
