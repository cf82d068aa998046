# What all rules share: the checked config, wildcards, paths, and the checksum of the code that a
# rule uses.

import atexit
import json
import os
import re
import sys
import time
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path

# The package that lies beside these rules, for this process and for the jobs: also in a second copy
# of the repository, and in the environments of `--sdm conda`, which hold only the dependencies.
ROOT = Path(workflow.basedir)
sys.path.insert(0, str(ROOT / "src"))
os.environ.update(PYTHONPATH=str(ROOT / "src"))

from blocksieve.analysis import analyses_of, figures_of, sections_of
from blocksieve.config import (
    check_before_jobs,
    check_device,
    read_file,
    resolve,
    with_defaults,
)
from blocksieve.datasets.local_files import checksum_of_all, local_files
from blocksieve.datasets.sources import SOURCES
from blocksieve.errors import BlocksieveError
from blocksieve.jobs import print_faults
from blocksieve.models.checkpoint import checkpoint_files
from blocksieve.search.steps import (
    BASELINE,
    FINALISTS,
    SINGLE,
    all_steps,
    exhaustive_sizes,
    search_steps,
    share_of_step,
    size_of_step,
    stages_of_size,
    step_of_size,
    steps_before,
)
from blocksieve.search.strategies import DRAWING, EXTENDING
from blocksieve.source_closure import PACKAGE, checksum_of_code, source_closure

STARTED = time.time()

try:
    for config_file in workflow.configfiles:
        if Path(config_file).suffix != ".json":
            read_file(Path(config_file))  # refuses a key that is there twice
    RUN = resolve(with_defaults(config, ROOT), ROOT)
    CHECKPOINT = []
    if RUN.evaluations is None:  # otherwise no model is used
        check_before_jobs(RUN)
        CHECKPOINT = [str(file) for file in checkpoint_files(RUN.model)]
    # Jobs of a cluster (where `--jobs` counts nodes) may have a GPU that this machine lacks.
    if workflow.is_main_process and workflow.resource_settings.nodes is None:
        check_device(RUN.model)
except BlocksieveError as error:
    sys.exit(f"error: {error}")

DATASETS = list(RUN.datasets)
# Imported by a computed name: a rule whose numbers depend on metrics names them as its code.
METRICS = sorted(
    {f"metrics.{definition.metric}" for definition in RUN.datasets.values()}
)
GPUS = 0 if RUN.model.device == "cpu" else RUN.resources.gpu
ANALYSES = analyses_of(RUN.search.unit)
FIGURES = figures_of(ANALYSES)
SECTIONS = sections_of(ANALYSES)
SIZES = list(range(1, RUN.search.max_removed + 1))
PARTS = list(range(RUN.search.jobs_per_step))
STEPS = all_steps(RUN.search)
SEARCH_STEPS = search_steps(RUN.search)
# A step without all search samples is a round, before the step of its size.
ROUNDS = [step for step in SEARCH_STEPS if share_of_step(step, RUN.search.racing) < 1]
# Every beam, and the step that it is selected from: a size's own, or an earlier generation.
STEP_OF_BEAM = {"remove1": step_of_size(1)} | {
    stage: stage for size in SIZES[1:] for stage in stages_of_size(size, RUN.search)
}


wildcard_constraints:
    dataset="|".join(map(re.escape, DATASETS)),
    beam="|".join(STEP_OF_BEAM),
    step="|".join(STEPS),
    round="|".join(ROUNDS),
    part="|".join(map(str, PARTS)),


def given_table():
    """Whether a table of evaluations is given, so that nothing is searched."""
    return RUN.evaluations is not None


def searched(paths):
    """The paths, of which a run from a given table has none."""
    return [] if given_table() else paths


def healing(paths):
    """The paths, of which a run that heals nothing has none."""
    return searched(paths) if RUN.deploy.heal.method != "none" else []


@cache
def code(script, *modules):
    """The checksum of a script and of the package files that it uses.

    `modules`: those that it imports by a computed name. A param of every rule: a changed module
    then re-runs exactly the rules that use it.
    """
    named = [PACKAGE / f"{module.replace('.', '/')}.py" for module in modules]
    script = ROOT / "workflow/scripts" / script
    return checksum_of_code([script, *source_closure(script, *named)])


def stable(content):
    """A param of any content, as text whose order never changes.

    Give it in a function: the text may hold braces.
    """
    return json.dumps(content, sort_keys=True)


def definitions(datasets=DATASETS):
    """A function that gives some datasets' definitions as a param."""
    return lambda wildcards: stable(
        {dataset: asdict(RUN.datasets[dataset]) for dataset in datasets}
    )


def in_run(pattern):
    """A path in the run's folder.

    No wildcard names the run: Snakemake looks rules up by how their outputs begin.
    """
    return f"results/{RUN.run}/{pattern}"


def results(pattern, **values):
    """Paths under the run's folder, one for every combination of the values."""
    return expand(in_run(pattern), **values)


def of_all_datasets(pattern):
    """The outputs of a job that serves all datasets: a path for each.

    Other wildcards stay as they are.
    """
    return expand(in_run(pattern), dataset=DATASETS, allow_missing=True)


def shards(datasets=DATASETS, steps=STEPS):
    """The shards of some steps on some datasets, all parts."""
    return results(
        "shards/{dataset}/{step}.{part}.parquet",
        dataset=datasets,
        step=steps,
        part=PARTS,
    )


# The samples of every dataset, in the datasets' order.
SAMPLES = results("datasets/{dataset}.parquet", dataset=DATASETS)
# What says that drops can be measured from the baselines.
CHECKED_BASELINES = results("answers/{dataset}.json", dataset=DATASETS)


def job_times():
    """What each evaluation job took."""
    return results("times/{step}.{part}.json", step=STEPS, part=PARTS)


def beams(sizes=SIZES):
    """The beams of some sizes, of every dataset and the generic one."""
    return results(
        "beams/own/{dataset}/remove{size}.json", dataset=DATASETS, size=sizes
    ) + results("beams/generic/remove{size}.json", size=sizes)


def drawing_code(wildcards, script="draw_samples.py"):
    """The code that decides which samples are drawn.

    It is the source's, and the metric's, which says what it can score.
    """
    definition = RUN.datasets[wildcards.dataset]
    source = SOURCES[definition.source["kind"]]
    return code(script, source, f"metrics.{definition.metric}")


def drawing_definition(wildcards):
    """What of a dataset's definition decides which samples are drawn."""
    definition = RUN.datasets[wildcards.dataset]
    return stable(
        {
            "source": definition.source,
            "splits": definition.splits,
            "metric": definition.metric,
        }
    )


@cache
def files_checksum(dataset, *splits):
    """The checksum of the local files of some of a dataset's splits; none if it has none."""
    files = local_files(RUN.datasets[dataset].source, splits)
    return checksum_of_all(files, Path(".snakemake/checksums.json")) if files else None


def drawing_files(wildcards, *splits):
    """What the files hold that a dataset, or some splits of it, is read from.

    A param, since the files may be very many.
    """
    splits = splits or RUN.datasets[wildcards.dataset].splits
    try:
        return files_checksum(wildcards.dataset, *splits)
    except BlocksieveError as error:
        sys.exit(f"error: {error}")


def beams_to_analyse(wildcards):
    """All beams, for the analysis that follows them, if each extends the one before."""
    follows = wildcards.analysis == "search_tree" and RUN.search.strategy in EXTENDING
    return searched(beams()) if follows else []


def beams_before(folder):
    """What survived the round before, or the beams before; none where the step is exhaustive."""

    def paths(wildcards):
        if not is_searched(wildcards.step):
            return []
        before = steps_before(wildcards.step, RUN.search)
        if before:
            kind = "races" if before[-1] in ROUNDS else "beams"
            return results(f"{kind}/{folder}/{before[-1]}.json", dataset=DATASETS)
        if RUN.search.strategy == "one_shot":
            return results(f"orders/{folder}.json", dataset=DATASETS)
        size = size_of_step(wildcards.step)
        return results(f"beams/{folder}/remove{size - 1}.json", dataset=DATASETS)

    return paths


def is_searched(step):
    """Whether a step evaluates what the search strategy proposed, or what is left of that."""
    if step == FINALISTS:
        return False
    return size_of_step(step) not in exhaustive_sizes(RUN.search)


def is_proposed(step):
    """Whether a step evaluates what the search strategy proposes, not what survived a round."""
    if not is_searched(step):
        return False
    before = steps_before(step, RUN.search)
    return not before or before[-1] not in ROUNDS


def plans_before(wildcards):
    """The plans of the earlier generations of a size, of every dataset.

    None if the strategy has no generations.
    """
    if RUN.search.strategy != "evolutionary" or not is_proposed(wildcards.step):
        return []
    before = steps_before(wildcards.step, RUN.search)
    return results("plans/{dataset}/{step}.json", dataset=DATASETS, step=before)


def strategy(wildcards):
    """What decides a step's proposals besides what was evaluated.

    Null where the strategy proposes nothing.
    """
    if not is_proposed(wildcards.step):
        return stable(None)
    search = RUN.search
    if search.strategy not in DRAWING:
        return stable(dict(name=search.strategy))
    limits = dict(budget=search.budget, beam_width=search.beam_width)
    return stable(dict(name=search.strategy, seed=RUN.seed, limits=limits))


# What removing blocks gains; a run from a given table has no model to measure.
GAIN = searched(results("deployment/deployment.json"))
# What healing brings back.
HEALED = healing(results("deployment/healing.json"))


# What an analysis may need beside (`needs` in its registry line).
NEEDS = dict(
    router=searched(results("router.json")),
    detections=searched(results("detections.parquet")),
    proxies=searched(results("proxies/{dataset}.parquet", dataset=DATASETS)),
    finalist_samples=searched(shards(steps=[FINALISTS])),
    routing=results("analysis/routing.json"),
    stability=results("analysis/stability.json"),
    recommendations=results("analysis/pruning_recommendations.json"),
)


def needed(need):
    """The files of a need, for the analyses that have it."""
    return lambda w: NEEDS[need] if need in ANALYSES[w.analysis].needs else []
