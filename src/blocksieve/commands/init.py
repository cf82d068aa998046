"""`blocksieve init NAME --model MODEL --datasets ...`: write the config of a run.

With `--data FOLDER` also the definition of a dataset of one's own.
"""

import argparse
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from blocksieve.config import DEFINITIONS, read_run
from blocksieve.datasets.local_files import TABLES
from blocksieve.errors import ConfigError
from blocksieve.specs import Content
from blocksieve.workflow_files import workflow_folder

EXAMPLES = {
    "VQA": "coco_2014_vqa",
    "Captioning": "coco_caption",
    "Document QA": "doc_qa",
    "Scene Text QA": "st_qa",
    "Multiple Choice": "science_qa_img",
    "Exact Match": "tally_qa",
}
"""For each task type the ready dataset whose prompt, metric and longest answer a new one takes."""
SPLITS = ("train", "validation", "test")
# What stands between the words of a path, as `datasets` takes it.
BETWEEN_WORDS = re.compile(r"[-._ 0-9/]+")
RACING = 0.01
"""Saves half of the pairs of two blocks and more, and hardly changes a beam (config/README.md)."""


def main(arguments: Sequence[str]) -> None:
    """Write the files, check them as a run does, and say what comes next."""
    options = _parser().parse_args(arguments)
    config = Path("config", f"{options.name}.yaml")
    files = _files(options, config)
    _write_checked(files, config)
    print(f"wrote {', '.join(map(str, files))}; all other keys keep their defaults")
    print(f"next: blocksieve smoke {config}   (a small run, and how long all of it takes)")
    print(f"then: blocksieve run {config}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="blocksieve init", description=__doc__)
    parser.add_argument("name", help="the run's name; its config becomes config/NAME.yaml")
    parser.add_argument("--model", required=True, help="a checkpoint's folder, or an id of the hub")
    parser.add_argument("--revision", help="the commit of an id of the hub")
    parser.add_argument("--text", action="store_true", help="a model without pictures")
    parser.add_argument(
        "--datasets", nargs="+", default=[], help="names of ready datasets, or of those made before"
    )
    parser.add_argument("--samples", type=int, default=200, help="per dataset and role")
    parser.add_argument("--max-removed", type=int, default=4, help="how many blocks at most")
    dataset_options = parser.add_argument_group("a dataset of your own (columns by their names)")
    dataset_options.add_argument(
        "--data", type=Path, help="a folder of Parquet, JSON Lines, CSV or Arrow files"
    )
    dataset_options.add_argument(
        "--task-type", choices=sorted(EXAMPLES), help="what its questions are"
    )
    dataset_options.add_argument("--question", default="{question}", help="such as '{question}'")
    dataset_options.add_argument(
        "--references", default="answers", help="the accepted answer or answers"
    )
    dataset_options.add_argument("--images", help="the picture or pictures, or their paths")
    dataset_options.add_argument("--choices", help="the choices of multiple choice")
    dataset_options.add_argument(
        "--splits", nargs="+", help=f"by default those of {', '.join(SPLITS)} it has"
    )
    return parser


def _files(options: argparse.Namespace, config: Path) -> dict[Path, Content]:
    """Return what each file is to hold: the dataset's definition, if any, and the config."""
    names = list(options.datasets)
    files = {}
    if options.data is not None:
        name = options.data.name
        names.append(name)
        files[DEFINITIONS / f"{name}.yaml"] = definition(options)
    files[config] = run_config(options, names)
    return files


def _write_checked(files: Mapping[Path, Content], config: Path) -> None:
    """Write the files; none is left if a run would refuse the config. ConfigError then."""
    for path in files:
        if path.exists():
            raise ConfigError(f"{path} exists already; change it, or delete it first")
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
        path.write_text(text, encoding="utf-8")
    try:
        read_run([config], workflow_folder())
    except ConfigError:
        for path in files:
            path.unlink()
        raise


def run_config(options: argparse.Namespace, datasets: list[str]) -> Content:
    """Return what a run's config must say."""
    if not datasets:
        raise ConfigError("name --datasets, or the folder of your own with --data")
    model = {"path": options.model}
    if options.text:
        model["kind"] = "text"
    if options.revision:
        model["revision"] = options.revision
    return {
        "run": options.name,
        "model": model,
        "datasets": datasets,
        "samples": {"search": options.samples, "holdout": options.samples},
        "search": {"max_removed": options.max_removed, "racing": RACING},
    }


def definition(options: argparse.Namespace) -> Content:
    """Return the definition of a dataset in a folder; prompt and metric are those of its type."""
    if options.task_type is None:
        raise ConfigError(f"--data: name its --task-type: {', '.join(sorted(EXAMPLES))}")
    if not options.data.is_dir():
        raise ConfigError(f"--data: there is no folder {options.data}")
    files = files_by_split(options.data)
    splits = options.splits or list(files)
    if not splits:
        raise ConfigError(f"--data: no file of {options.data} is named by a split; name --splits")
    source: Content = {
        "kind": "columns",
        "path": str(options.data),
        "question": options.question,
        "references": options.references,
    }
    # Else the library looks for them, and takes pictures such as train_7.jpg for them as well.
    if set(splits) <= files.keys() and not card_names_files(options.data):
        source["files"] = {split: files[split] for split in splits}
    if options.images:
        source["images"] = options.images
        source["image_folder"] = str(options.data)
    if options.choices:
        source["choices"] = options.choices
    example_file = workflow_folder() / DEFINITIONS / f"{EXAMPLES[options.task_type]}.yaml"
    example = yaml.safe_load(example_file.read_text(encoding="utf-8"))
    return {
        "task_type": options.task_type,
        "source": source,
        "splits": splits,
        "prompt": example["prompt"],
        "metric": example["metric"],
        "max_new_tokens": example["max_new_tokens"],
    }


def files_by_split(folder: Path) -> dict[str, list[str]]:
    """Return the tables of a folder by the split that their path names, such as train/0.parquet."""
    files: dict[str, list[str]] = {}
    tables = [file for file in sorted(folder.rglob("*")) if file.suffix in TABLES]
    for split in SPLITS:
        for table in tables:
            path = table.relative_to(folder).as_posix()
            if split in BETWEEN_WORDS.split(path.lower()):
                files.setdefault(split, []).append(path)
    return files


def card_names_files(folder: Path) -> bool:
    """Tell whether a dataset's card says which files are which split."""
    card = folder / "README.md"
    return card.exists() and "data_files:" in card.read_text(encoding="utf-8", errors="replace")
