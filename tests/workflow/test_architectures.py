"""Real architectures with their own processors go through the workflow by a config alone."""

from collections.abc import Callable

import polars as pl
import pytest
import yaml
from checkpoints import BLOCKS, TYPES, save_checkpoint
from copies import Workflow

from blocksieve.shards import metadata

DATASETS = ["demo_vqa", "demo_caption"]
# This one goes to the last figure, the others to the evaluations.
WHOLE = ("smolvlm",)
PROMPTS = {"paligemma": "{images}answer en {prompt}"}
# Its prompt may look ahead, so that prefixes cannot be shared.
RUNGS = {"paligemma": "drafts"}


# The others are made of the same parts, or are the embedded model's type, as llava is:
# `make test-all` tries them too.
UNLIKE = ("molmo2",)
PARAMETERS = [
    pytest.param(name, marks=[] if name in UNLIKE else [pytest.mark.long]) for name in TYPES
]


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_checkpoint_is_searched(name: str, make_workflow: Callable[[], Workflow]) -> None:
    workflow = make_workflow()
    save_checkpoint(name, workflow.folder / "models/tiny")
    config = {
        "run": name,
        "model": {
            "path": "models/tiny",
            "prompt": PROMPTS.get(name),
            "trust_remote_code": name == "molmo2",
        },
        "datasets": DATASETS,
        "samples": {"search": 4, "holdout": 0},
        # random weights may score 0 throughout
        "search": {"max_removed": 1, "beam_width": 1, "weak_baseline": "go_on"},
        "analysis": {"across_datasets": "points"},
    }
    (workflow.folder / "tiny.yaml").write_text(yaml.safe_dump(config))
    some = [f"results/{name}/evaluations.parquet", f"results/{name}/prompts/demo_vqa.txt"]
    target = [] if name in WHOLE else some
    workflow.run(*target, "--configfile", "tiny.yaml")

    evaluations = pl.read_parquet(workflow.results("evaluations.parquet", name))
    assert set(evaluations["combination"]) == {"none", *map(str, range(BLOCKS))}
    assert set(evaluations["n"]) == {4}
    shard = workflow.results("shards/demo_caption/single.0.parquet", name)
    assert metadata(shard)["rung"] == RUNGS.get(name, "prefixes")
    answers = pl.read_parquet(workflow.results("shards/demo_vqa/single.0.parquet", name))[
        "prediction"
    ]
    assert answers.n_unique() > BLOCKS
    seen = workflow.results("prompts/demo_vqa.txt", name).read_text()
    assert ("template: plain" in seen) == (name == "paligemma")
    assert "of them for images" in seen
    log = workflow.results("logs/evaluate/single.0.log", name).read_text()
    assert ("code that comes with models/tiny may run: molmo2_pictures.py" in log) == (
        name == "molmo2"
    )
    if name in WHOLE:
        assert workflow.results("report/comprehensive_report.txt", name).stat().st_size > 0
