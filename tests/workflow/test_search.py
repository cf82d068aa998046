"""The whole run, and what a change of the config evaluates anew."""

import json
import shutil
from collections.abc import Callable

import polars as pl
import pyarrow.parquet as pq
import pytest
import yaml
from copies import Workflow

from blocksieve.analysis import analyses_of, figures_of
from blocksieve.choices import read_choices
from blocksieve.choosing import choose
from blocksieve.combination import block_sites
from blocksieve.evidence import Evidence, read_beams
from blocksieve.merging import merge_shards
from blocksieve.search.beams import read_beam
from blocksieve.search.plan import Proposer, children_of, read_plan
from blocksieve.search.steps import FINALISTS
from blocksieve.shards import SumsByCluster
from blocksieve.specs import read_definitions

WIDER = ("--config", "search={beam_width: 2, max_removed: 3}")
THIRD_DATASET = ("--config", "datasets=[demo_vqa, demo_caption, demo_tally_qa]")

ANALYSES = analyses_of("block")
FIGURES = figures_of(ANALYSES)
PROMISED = (
    "config.yaml",
    "model.json",
    "datasets/demo_vqa.parquet",
    "plans/demo_vqa/baseline.json",
    "plans/demo_vqa/single.json",
    "plans/demo_vqa/remove2.json",
    "plans/demo_vqa/finalists.json",
    "prompts/demo_vqa.txt",
    "shards/demo_vqa/single.0.parquet",
    "shards/demo_vqa/remove2.0.parquet",
    "shards/demo_vqa/finalists.0.parquet",
    "times/single.0.json",
    "beams/own/demo_vqa/remove2.json",
    "beams/generic/remove2.json",
    "finalists.json",
    "evaluations.parquet",
    "clusters/demo_vqa.parquet",
    "importance_scores/generic.json",
    "router.json",
    "detections.parquet",
    "report/index.html",
    "report/comprehensive_report.txt",
    "report/comprehensive_report.md",
    "report/times.md",
    "deployment/deployment.json",
    "deployment/exports.json",
    "deployment/proof.json",
)


def test_a_run_leaves_what_it_promises(finished: Workflow) -> None:
    analyses = [f"analysis/{name}.{analysis.output}" for name, analysis in ANALYSES.items()]
    figures = [f"figures/{name}.{kind}" for name in FIGURES for kind in ("png", "svg", "json")]
    for path in (*PROMISED, *analyses, *figures):
        assert finished.results(path).stat().st_size > 0, path


def test_a_plan_says_who_proposed_what(finished: Workflow) -> None:
    single = read_plan(finished.results("plans/demo_vqa/single.json"))
    assert [str(each) for each in single.part(0, 1)][:2] == ["0", "1"]
    step = read_plan(finished.results("plans/demo_vqa/remove2.json"))
    for scope, path in (("own", "own/demo_vqa"), ("generic", "generic")):
        beam = read_beam(finished.results(f"beams/{path}/remove1.json"))
        assert step.proposals(Proposer(scope)) == children_of(beam, block_sites(16))
    shard = pl.read_parquet(finished.results("shards/demo_vqa/remove2.0.parquet"))
    shard_combinations = shard["combination"].unique(maintain_order=True).to_list()
    assert shard_combinations == [str(combination) for combination in step.part(0, 1)]


def test_every_pair_was_evaluated_by_one_job_per_step(finished: Workflow) -> None:
    jobs = sorted(path.stem for path in finished.results("shards/demo_vqa").glob("*.parquet"))
    assert jobs == ["baseline.0", "finalists.0", "remove2.0", "single.0"]


def test_evaluations_follow_from_the_shards(finished: Workflow) -> None:
    evaluations = pl.read_parquet(finished.results("evaluations.parquet"))
    shards = pl.concat(
        pl.read_parquet(path)
        for path in sorted(finished.results("shards/demo_vqa").rglob("*.parquet"))
    ).unique()
    shards = shards.filter(role="search")
    baseline = shards.filter(size=0).select("sample_id", baseline=pl.col("score").cast(pl.Float64))
    expected = (
        shards.join(baseline, on="sample_id")
        .group_by("combination")
        .agg(drop=(pl.col("baseline") - pl.col("score")).mean(), n=pl.len())
    )
    found = evaluations.filter(dataset="demo_vqa", role="search").join(
        expected, on="combination", suffix="_expected"
    )
    assert len(found) == len(expected) == len(evaluations.filter(dataset="demo_vqa", role="search"))
    assert (found["drop"] - found["drop_expected"]).abs().max() < 1e-12
    assert set(found["n"]) == {12}
    none = evaluations.filter(combination="none")
    assert none["drop"].to_list() == [0, 0, 0, 0]
    assert none["baseline"].min() > 0.5


def test_finalists_are_measured_on_every_dataset_in_both_roles(finished: Workflow) -> None:
    finalists = json.loads(finished.results("finalists.json").read_text())["combinations"]
    evaluations = pl.read_parquet(finished.results("evaluations.parquet"))
    measured = evaluations.filter(pl.col("combination").is_in(finalists))
    assert len(measured) == len(finalists) * 4
    assert set(evaluations.filter(role="holdout")["combination"]) == {"none", *finalists}
    assert set(evaluations.filter(role="holdout")["n"]) == {4}
    beam = json.loads(finished.results("beams/generic/remove2.json").read_text())["beam"]
    assert beam[0]["combination"] in finalists
    chosen = json.loads(finished.results("analysis/pruning_recommendations.json").read_text())
    assert chosen["sizes"][0]["holdout"] is not None


def test_choices_are_made_on_paired_samples(finished: Workflow) -> None:
    search_shards = []
    for path in finished.results("shards").glob("*/*.parquet"):
        if not path.name.startswith(FINALISTS):
            search_shards.append(path)
    config = yaml.safe_load(finished.results("config.yaml").read_text())
    definitions = read_definitions(json.dumps(config["datasets"]))
    evidence = Evidence(
        evaluations=merge_shards(definitions, search_shards, config["seed"]),
        scale=config["analysis"]["across_datasets"],
        sums=SumsByCluster(search_shards),
        beams=read_beams(finished.results("beams").rglob("remove*.json")),
    )
    assert read_choices(finished.results("finalists.json")) == choose(evidence)


def test_beams_hold_the_least_drops_of_their_step(finished: Workflow) -> None:
    evaluations = pl.read_parquet(finished.results("evaluations.parquet"))
    beam = json.loads(finished.results("beams/own/demo_vqa/remove1.json").read_text())
    step = evaluations.filter(dataset="demo_vqa", role="search", size=1).sort("drop", "removed")
    assert beam["candidates"] == 16
    assert [entry["combination"] for entry in beam["beam"]] == step["combination"].head(1).to_list()


def test_shards_say_how_they_came_about(finished: Workflow) -> None:
    metadata = pq.read_schema(finished.results("shards/demo_vqa/remove2.0.parquet")).metadata
    about = json.loads(metadata[b"blocksieve"])
    assert about["engine"] == "shared"
    assert about["rung"] == "prefixes"
    assert about["flops"]["bound"] <= about["flops"]["done"] < about["flops"]["plain"]
    assert about["dtype"] == "float32"
    assert len(about["fingerprint"]) == 16


def test_nothing_is_evaluated_twice(finished: Workflow) -> None:
    cached = finished.cached()
    assert len(cached) == cached.n_unique()
    pairs = pl.concat(
        pl.read_parquet(path).select("dataset", "combination", "sample_id")
        for path in sorted(finished.results("shards").rglob("*.parquet"))
    )
    assert len(cached) == pairs.n_unique()


@pytest.mark.long
def test_other_jobs_and_cores_give_the_same_bytes(
    finished: Workflow, make_workflow: Callable[[], Workflow]
) -> None:
    other = make_workflow()
    other.run(
        "results/reduced/evaluations.parquet", "--config", "search={jobs_per_step: 2}", cores=1
    )
    path = "evaluations.parquet"
    assert other.results(path).read_bytes() == finished.results(path).read_bytes()


@pytest.mark.parametrize("more", [THIRD_DATASET, WIDER], ids=["dataset", "wider and deeper"])
def test_more_evaluates_only_what_is_new(finished: Workflow, more: tuple[str, ...]) -> None:
    before = finished.cached()
    finished.run("evaluation", *more)
    after = finished.cached()
    assert len(after) > len(before)
    assert len(after) == after.n_unique()
    assert len(after.join(before, on=after.columns, how="semi")) == len(before)


def test_deleting_the_cache_changes_nothing(finished: Workflow) -> None:
    shard = finished.results("shards/demo_vqa/single.0.parquet")
    content = pl.read_parquet(shard)
    shutil.rmtree(finished.results("cache"))
    shard.unlink()
    finished.run("results/reduced/shards/demo_vqa/single.0.parquet")
    assert pl.read_parquet(shard).equals(content)


def test_snakemake_writes_its_own_report(finished: Workflow) -> None:
    finished.run("--report", "report.html")
    assert "rankings_by_num_removed" in (finished.folder / "report.html").read_text()
