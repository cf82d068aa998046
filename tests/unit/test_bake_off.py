"""The bake-off of search strategies: equal prices, and a truth that nobody beats."""

import importlib
import json
import zlib
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from blocksieve.combination import Combination
from blocksieve.config import resolve, with_defaults
from blocksieve.errors import ConfigError
from blocksieve.proxies import SCHEMA
from blocksieve.search.evaluate import Evaluation
from blocksieve.specs import SearchSpec

ROOT = Path(__file__).parents[2]
DATASETS = ["demo_vqa", "demo_doc_qa"]
NUM_BLOCKS, NUM_SAMPLES = 8, 40


def planted_rows(task, table, samples, combinations, *_args) -> Evaluation:
    """Answer as a model would whose blocks each spoil some samples, the first ones the most."""
    seed = zlib.crc32(f"{task.dataset} {samples['role'][0]}".encode())
    rng = np.random.default_rng(seed)
    spoiled = rng.random((NUM_SAMPLES, NUM_BLOCKS)) < np.geomspace(0.5, 0.02, NUM_BLOCKS)
    tables = []
    for combination in combinations:
        right = ~spoiled[:, list(combination.blocks)].any(axis=1)
        tables.append(
            samples.select("sample_id", "cluster", "split", "role").with_columns(
                combination=pl.lit(str(combination)),
                prediction=pl.lit(""),
                tokens=pl.lit([2], pl.List(pl.Int32)),
                near_tie=False,
                non_finite=False,
                refused=pl.lit(None, pl.String),
                unparsable=False,
                score=pl.Series(right, dtype=pl.Float32),
            )
        )
    return Evaluation(pl.concat(tables))


def planted_proxies(loaded, dataset, samples, *_args) -> pl.DataFrame:
    """Return proxies that rise with the block."""
    rows = []
    for block in range(NUM_BLOCKS):
        for sample_id in samples["sample_id"]:
            rows.append((dataset, str(block), sample_id, sample_id, float(block), 1.0 + block))
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


@pytest.fixture(scope="module")
def bake_off():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks")
        module = importlib.import_module("bake_off")
        patch.setattr(module, "evaluate", planted_rows)
        patch.setattr(module, "SEEDS", 2)
        patch.setattr(module, "load_model", lambda _: None)
        patch.setattr(module, "measure_proxies", planted_proxies)
        yield module


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("run")
    run_spec = resolve(with_defaults({"datasets": DATASETS}, ROOT), ROOT)
    (results / "config.yaml").write_text(yaml.safe_dump(run_spec.content()))
    description = {"fingerprint": "", "commit": None, "dtype": "float32", "not_exportable": {}}
    (results / "model.json").write_text(json.dumps(description | {"num_blocks": NUM_BLOCKS}))
    (results / "cache").mkdir()
    (results / "datasets").mkdir()
    for dataset in DATASETS:
        tables = []
        for role in ("search", "holdout"):
            names = [f"{role} {number}" for number in range(NUM_SAMPLES)]
            columns = {"sample_id": names, "cluster": names, "role": role, "split": "validation"}
            tables.append(pl.DataFrame(columns))
        pl.concat(tables).write_parquet(results / f"datasets/{dataset}.parquet")
    return results


@pytest.fixture(scope="module")
def store(bake_off, results: Path, tmp_path_factory: pytest.TempPathFactory):
    return bake_off.Store(results, tmp_path_factory.mktemp("bake_off"))


@pytest.mark.long
def test_all_strategies_cost_no_more_than_the_beam(bake_off, store) -> None:
    spec = SearchSpec(max_removed=2, beam_width=2, exhaustive_sizes=[1], jobs_per_step=1, budget=2)
    beam = bake_off.Search(store, spec, 0).run()
    # There are 28 pairs of blocks; either dataset answers at least the children of two blocks.
    assert 2 * NUM_SAMPLES * 13 <= beam.pairs < 2 * NUM_SAMPLES * 28
    rows = bake_off.entrants(store, beam, ["off", "halving"])
    names = [row.name for row in rows]
    assert names[0] == "beam"
    for racing in ("", ", racing halving"):
        assert {f"{name}{racing}" for name in ("greedy", "evolutionary", "random")} < set(names)
    assert names[-3:] == ["one_shot, drop", "one_shot, cosine", "one_shot, kl"]
    for row in rows:
        assert row.searches[0].pairs <= beam.pairs
        for search in row.searches:
            assert set(search.lists) == {(scope, 2) for scope in ("generic", *DATASETS)}
    by_name = {row.name: row for row in rows}
    # What racing saves buys a wider beam.
    assert by_name["beam, racing halving"].setting > 2
    truth = bake_off.exhaustive(store, 2)
    evidence = bake_off.evidence_of(store, [*rows, truth], "search")
    best = bake_off.cost(evidence, truth, 2, True, None).mean
    for row in rows:
        assert bake_off.cost(evidence, row, 2, True, None).mean >= best - 1e-9
    assert bake_off.cost(evidence, rows[0], 2, True, rows[0]).mean == pytest.approx(0)
    lines = bake_off.table_of(store, rows, 2, rows[0], truth)
    assert len(lines) == 2 + len(rows) + 1
    # The planted proxies are the wrong way round.
    assert by_name["one_shot, kl"].searches[0].lists["generic", 2] == Combination.parse("0-1")


def test_pairs_are_counted_once(bake_off, store) -> None:
    search = bake_off.Search(store, SearchSpec(2, 1, [1], 1), 0)
    pairs = {Combination.parse("0-1"), Combination.parse("1-2")}
    search._count("demo_vqa", pairs, 0.25)
    assert search.pairs == 2 * 10
    search._count("demo_vqa", {Combination.parse("0-1")}, 1.0)
    assert search.pairs == 2 * 10 + 30
    search._count("demo_vqa", {Combination.parse("0-1")}, 1.0)
    assert search.pairs == 2 * 10 + 30


def test_a_part_of_samples_and_sites(bake_off, results: Path, tmp_path: Path) -> None:
    """The first samples of each role, and the sites that are named."""
    num_samples = {"search": NUM_SAMPLES, "holdout": 10}
    store = bake_off.Store(results, tmp_path, DATASETS, num_samples, ["3", "5"])
    assert list(map(str, store.sites)) == ["3", "5"]
    for table in store.tables.values():
        assert table.group_by("role").len().sort("role")["len"].to_list() == [10, NUM_SAMPLES]


def test_a_site_that_is_not_there_is_named(bake_off, results: Path, tmp_path: Path) -> None:
    """It would be left out in silence."""
    with pytest.raises(ConfigError, match="--sites 3 8: use some of 0, 1"):
        bake_off.Store(results, tmp_path, DATASETS, sites=["3", "8"])
