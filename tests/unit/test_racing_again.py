"""A larger draw races anew, and evaluates only what the cache lacks."""

import zlib
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from blocksieve import shards
from blocksieve.combination import Combination, block_sites
from blocksieve.datasets.draw import draw_samples
from blocksieve.datasets.sample import Sample
from blocksieve.merging import merge_shards
from blocksieve.search import answering
from blocksieve.search.beams import select_own_beam
from blocksieve.search.cache import SCHEMA, Cache, CacheRow
from blocksieve.search.evaluate import evaluate, metadata_of
from blocksieve.search.plan import Plan, propose_all, propose_candidates
from blocksieve.search.racing import race
from blocksieve.search.steps import SHARES
from blocksieve.search.task import Task
from blocksieve.shards import Computed
from blocksieve.specs import DatasetSpec, EvaluationSpec, ModelSpec, Racing

SITES = block_sites(7)
BEAM_WIDTH = 2


def answer(
    task: Task,
    samples: pl.DataFrame,
    missing: pl.DataFrame,
    cache: Cache,
    load: object,
    progress: object,
) -> answering.Answered:
    """Answer wrongly the more often, the higher the numbers of the removed blocks."""
    rows = []
    for name, sample_id in missing.select("combination", "sample_id").iter_rows():
        luck = zlib.crc32(f"{name} {sample_id}".encode()) / 2**32
        is_right = luck > 0.08 * sum(Combination.parse(name).blocks)
        text = "yes" if is_right else "no"
        rows.append(CacheRow(name, sample_id, text, [0], False, False, None))
    cache.append(rows)
    cache.close()
    return answering.Answered(pl.DataFrame(rows, SCHEMA, orient="row"), Computed(), 0.0)


class Search:
    """Size 2 of a search on one dataset, through plans, jobs, shards and races."""

    def __init__(self, folder: Path, task: Task, num_samples: int) -> None:
        self.folder = folder
        self.task = task
        samples = [Sample(f"{n}?", ("yes",), f"image {n // 2}", "train") for n in range(500)]
        drawn = draw_samples(samples, {"search": num_samples, "holdout": 0}, ["train"], seed=0)
        columns = ["role", "split", "cluster", "sample_id", "references", "choices"]
        rows = []
        for role, each in drawn:
            rows.append((role, each.split, each.cluster, each.sample_id, list(each.references), []))
        types = {"references": pl.List(pl.String), "choices": pl.List(pl.String)}
        self.table = pl.DataFrame(rows, columns, schema_overrides=types, orient="row")
        self.pairs: set[tuple[str, str]] = set()

    def run(self, plan: Plan) -> Path:
        """Evaluate a plan."""
        samples = plan.samples(self.table)
        done = evaluate(self.task, self.table, samples, plan.part(0, 1), self.folder / "cache")
        self.pairs.update(done.rows.select("combination", "sample_id").iter_rows())
        path = self.folder / f"{plan.step}.{len(self.table)}.parquet"
        shards.write(path, "a", done.rows, metadata_of(self.task, done.times.engine))
        return path

    def beam(self, racing: Racing) -> list[str]:
        """Return the beam of size 2."""
        baseline = self.run(propose_all(SITES, 0))
        alive = list(propose_all(SITES, 2).part(0, 1))
        for number, share in enumerate(SHARES[racing]):
            num_samples = int(np.ceil(share * len(self.table)))
            path = self.run(propose_candidates(f"round{number}", alive, alive, num_samples))
            evaluations = merge_shards({"a": self.task.definition}, [baseline, path], 0)
            sums = {"a": shards.by_cluster([baseline, path])}
            kept = race(evaluations, sums, alive, BEAM_WIDTH, racing, None, {})["beam"]
            alive = [Combination.parse(entry["combination"]) for entry in kept]
        path = self.run(propose_candidates("remove2", alive, alive))
        evaluations = merge_shards({"a": self.task.definition}, [baseline, path], 0)
        of_size = evaluations.filter(size=2)
        return [entry["combination"] for entry in select_own_beam(of_size, BEAM_WIDTH)]


@pytest.fixture
def task(demo_model_config: ModelSpec, monkeypatch: pytest.MonkeyPatch) -> Task:
    monkeypatch.setattr(answering, "answer", answer)
    definition = DatasetSpec("VQA", {"kind": "demo"}, ["train"], "{question}", "exact_match", 4)
    return Task("a", definition, demo_model_config, "model", EvaluationSpec("shared", 4, 60))


def cached(folder: Path) -> pl.DataFrame:
    tables = [pl.read_parquet(path) for path in (folder / "cache").rglob("*.parquet")]
    return pl.concat(tables).select("combination", "sample_id")


@pytest.mark.parametrize("racing", [0.01, "halving"])
def test_a_larger_draw_races_from_the_cache(task: Task, tmp_path: Path, racing: Racing) -> None:
    first = Search(tmp_path, task, 60)
    first.beam(racing)
    assert set(cached(tmp_path).iter_rows()) == first.pairs
    larger = Search(tmp_path, task, 120)
    beam = larger.beam(racing)
    pairs = cached(tmp_path)
    assert len(pairs) == pairs.n_unique()
    new = len(pairs) - len(first.pairs)
    assert new == len(larger.pairs - first.pairs) < len(larger.pairs)
    # Fewer than without racing, to the same beam.
    whole = Search(tmp_path / "whole", task, 120)
    whole.folder.mkdir()
    assert whole.beam("off") == beam
    assert len(larger.pairs) < 0.9 * len(whole.pairs)
