# What all rules share: the checked config, the wildcards, and the helper that makes code an input.

import json
import os
import re
import sys
from functools import cache
from pathlib import Path

# The package that lies beside these rules, for this process and for the jobs: also in a second copy of the repository, and
# in the environments of `--sdm conda`, which hold only the dependencies.
ROOT = Path(workflow.basedir)
sys.path.insert(0, str(ROOT / "src"))
os.environ.update(PYTHONPATH=str(ROOT / "src"))

from blocksieve.config import resolve
from blocksieve.errors import BlocksieveError
from blocksieve.models.checkpoint import checkpoint_files
from blocksieve.source_closure import PACKAGE, source_closure

try:
    run_spec = resolve(config, ROOT)
    CHECKPOINT = [str(file) for file in checkpoint_files(run_spec.model)]
except BlocksieveError as error:
    sys.exit(f"error: {error}")

run_config = run_spec.content()
RUN = run_config["run"]
DATASETS = run_config["datasets"]
SIZES = list(range(1, run_config["search"]["max_removed"] + 1))
EXHAUSTIVE_SIZES = sorted({1, *run_config["search"]["exhaustive_sizes"]})
PARTS = list(range(run_config["search"]["jobs_per_step"]))


wildcard_constraints:
    run=re.escape(RUN),
    dataset="|".join(map(re.escape, DATASETS)),
    size="|".join(map(str, SIZES)),
    part="|".join(map(str, PARTS)),


def given_table():
    """Whether a table of evaluations is given, so that nothing is searched."""
    return run_config["evaluations"] is not None


@cache
def code(script, *modules):
    """A script, the package files that it uses, and modules that it imports by a computed name: inputs of its rule."""
    named = [PACKAGE / f"{module.replace('.', '/')}.py" for module in modules]
    script = ROOT / "workflow/scripts" / script
    return [os.path.relpath(file) for file in (script, *source_closure(script, *named))]


def stable(content):
    """A param of any content as text whose order never changes. Give it in a function: the text may hold braces."""
    return json.dumps(content, sort_keys=True)


def results(pattern, **values):
    """Paths under the run's folder, one for every combination of the values."""
    return expand(f"results/{RUN}/{pattern}", **values)


def evaluation_code(wildcards):
    return code("evaluate.py", f"metrics.{DATASETS[wildcards.dataset]['metric']}")


def parent_beam(scope):
    """The beam of the size before, which a step extends; none where the step is exhaustive."""
    folder = "beams/own/{dataset}" if scope == "own" else "beams/generic"

    def beam(wildcards):
        if int(wildcards.size) in EXHAUSTIVE_SIZES:
            return []
        pattern = f"{folder}/remove{int(wildcards.size) - 1}.json"
        return results(pattern, dataset=wildcards.get("dataset"))[0]

    return beam


def baseline_shard(dataset):
    return results("shards/{dataset}/baseline.parquet", dataset=dataset)


def step_shards(scope, size, dataset):
    """The shards of one step, all parts. An exhaustive step serves both scopes and is evaluated as own."""
    scope = "own" if int(size) in EXHAUSTIVE_SIZES else scope
    return results(
        "shards/{dataset}/{scope}/remove{size}.{part}.parquet",
        scope=scope,
        size=size,
        dataset=dataset,
        part=PARTS,
    )


def search_shards(dataset):
    """Every shard of a dataset's search."""
    steps = [
        shard
        for scope in ("own", "generic")
        for size in SIZES
        for shard in step_shards(scope, size, dataset)
    ]
    return baseline_shard(dataset) + sorted(set(steps))


def all_shards(dataset):
    """Every shard of a dataset: its search, and the finalists."""
    finalists = "shards/{dataset}/finalists.{part}.parquet"
    return search_shards(dataset) + results(finalists, dataset=dataset, part=PARTS)


def every_shard():
    """Every shard of the run."""
    return [shard for dataset in DATASETS for shard in all_shards(dataset)]


def every_finalists_shard():
    """The shards of the finalists, of all datasets."""
    pattern = "shards/{dataset}/finalists.{part}.parquet"
    return results(pattern, dataset=DATASETS, part=PARTS)


def every_beam():
    """Every beam of the run, of both scopes."""
    own = results("beams/own/{dataset}/remove{size}.json", dataset=DATASETS, size=SIZES)
    return own + results("beams/generic/remove{size}.json", size=SIZES)
