"""The commands of `blocksieve`: what they write and say, and what they import."""

import contextlib
import io
import json
import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import yaml
from PIL import Image
from rich.console import Console
from rich.progress import Progress

from blocksieve.__main__ import main
from blocksieve.commands import COMMANDS
from blocksieve.commands.run import call_snakemake
from blocksieve.commands.status import duration, time_left
from blocksieve.config import read_run
from blocksieve.datasets.sources import read_samples
from blocksieve.errors import ConfigError
from blocksieve.job_times import ShareTimes, write_job_times
from blocksieve.workflow_files import workflow_folder
from snakemake_logger_plugin_blocksieve import Frame, LogHandler

ROOT = Path(__file__).parents[2]
OWN_DATA = ["--data", "signs", "--task-type", "Scene Text QA", "--images", "photo"]


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a dataset and a model, far from the repository."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "signs").mkdir()
    (tmp_path / "signs/validation.jsonl").write_text("")
    return tmp_path


def init(*arguments: str) -> None:
    main(["init", "mine", "--model", str(ROOT / "models/demo-vlm"), *arguments])


def test_the_workflow_lies_beside_the_package() -> None:
    assert workflow_folder() == ROOT


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_explains_itself(command: str, capsys) -> None:
    with contextlib.suppress(SystemExit):
        main([command, "--help"])
    assert f"blocksieve {command}" in capsys.readouterr().out


def test_init_writes_a_run_that_is_valid(elsewhere: Path, capsys) -> None:
    init("--datasets", "demo_vqa", *OWN_DATA, "--references", "text", "--max-removed", "2")
    run_spec = read_run([Path("config/mine.yaml")], ROOT)
    assert list(run_spec.datasets) == ["demo_vqa", "signs"]
    assert run_spec.search.max_removed == 2
    assert run_spec.search.racing == 0.01
    signs = run_spec.datasets["signs"]
    assert (signs.metric, signs.splits) == ("anls", ["validation"])
    assert signs.source["images"] == "photo"
    assert signs.source["image_folder"] == "signs"
    assert signs.source["files"] == {"validation": ["validation.jsonl"]}
    assert "blocksieve smoke config/mine.yaml" in capsys.readouterr().out


def test_init_takes_no_picture_for_a_table(elsewhere: Path) -> None:
    for name in ("train_7.jpg", "photos/COCO_val2014_7.jpg", "test/validation.jpg", "latest.csv"):
        picture = elsewhere / "signs" / name
        picture.parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8)).save(picture, "JPEG")
    line = {"text": "?", "photo": "photos/COCO_val2014_7.jpg", "answers": ["x"]}
    (elsewhere / "signs/validation.jsonl").write_text(json.dumps(line))
    init(*OWN_DATA, "--question", "{text}")
    signs = read_run([Path("config/mine.yaml")], ROOT).datasets["signs"]
    assert signs.splits == ["validation"]
    (sample,) = read_samples(signs.source, signs.splits)
    assert len(sample.images) == 1


def test_init_leaves_files_to_a_datasets_card(elsewhere: Path) -> None:
    (elsewhere / "signs/README.md").write_text("---\nconfigs:\n- data_files: validation.jsonl\n---")
    init(*OWN_DATA)
    assert "files" not in read_run([Path("config/mine.yaml")], ROOT).datasets["signs"].source


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ([], "name --datasets, or the folder of your own with --data"),
        (["--datasets", "demo_vqua"], "no dataset 'demo_vqua' (did you mean 'demo_vqa'?)"),
        (["--data", "signs"], "name its --task-type: Captioning"),
        (["--data", "nowhere", "--task-type", "VQA"], "there is no folder nowhere"),
        (["--datasets", "demo_vqa", "--samples", "1"], "samples.search: 1 must be at least 2"),
    ],
)
def test_init_refuses_in_one_line_and_leaves_nothing(
    arguments: list[str], fault: str, elsewhere: Path
) -> None:
    with pytest.raises(SystemExit) as end:
        init(*arguments)
    assert fault in str(end.value)
    assert "\n" not in str(end.value)
    assert not list(elsewhere.rglob("*.yaml"))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (None, "mine.yaml: cannot be read (No such file or directory); check the path"),
        ("run: [x", "mine.yaml: line 1: not YAML (expected ',' or ']'"),
    ],
)
def test_a_config_that_cannot_be_read_is_named(
    elsewhere: Path, text: str | None, fault: str
) -> None:
    if text is not None:
        (elsewhere / "mine.yaml").write_text(text)
    with pytest.raises(SystemExit, match=re.escape(f"error: {fault}")):
        main(["run", "mine.yaml", "-n"])


def test_init_overwrites_nothing(elsewhere: Path) -> None:
    init("--datasets", "demo_vqa")
    with pytest.raises(SystemExit, match=r"config/mine\.yaml exists already"):
        init("--datasets", "demo_caption")


def test_an_estimate_counts_before_anything_ran(elsewhere: Path, capsys) -> None:
    main(["estimate"])
    printed = capsys.readouterr().out
    assert "demo: about 555,776 pairs" in printed
    assert "in 10 jobs" in printed


@pytest.fixture
def begun_run(elsewhere: Path) -> Path:
    """The results of a run some of whose evaluation jobs are done, or running."""
    results = elsewhere / "results/demo"
    run_spec = read_run([], ROOT)
    shares = {dataset: ShareTimes(pairs=96) for dataset in run_spec.datasets}
    write_job_times(results / "times/baseline.0.json", shares)
    for name, lines in {
        "model.json": '{"num_blocks": 16}',
        "logs/evaluate/baseline.0.log": "03:28:56 INFO 9 of 9 pairs, 1.0/s, 0 s remaining",
        "shards/demo_vqa/single.0.parquet": "",  # the first dataset of a job that goes on
        "logs/evaluate/single.0.log": "03:28:51 INFO loaded\n"
        "03:28:52 INFO 192 of 1632 pairs, 28.3/s, 510 s remaining\n",
        "logs/evaluate/single.1.log": "03:28:51 INFO loaded\n",
        "logs/evaluate/single.2.log": "03:28:51 ERROR cannot be\n",
        "config.yaml": yaml.safe_dump(run_spec.content()),
    }.items():
        path = results / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(lines)
    os.utime(results / "logs/evaluate/baseline.0.log", (0, 0))
    return results


def test_a_run_that_has_not_begun_has_no_status(elsewhere: Path) -> None:
    with pytest.raises(SystemExit, match="there is no run of this name"):
        main(["status", "demo"])


def test_status_reads_what_jobs_have_logged(begun_run: Path, capsys) -> None:
    main(["status", "demo"])
    assert capsys.readouterr().out.splitlines() == [
        "baseline: 1 of 2 jobs done",
        "single: 0 of 2 jobs done",
        "remove2: 0 of 2 jobs done",
        "remove3: 0 of 2 jobs done",
        "finalists: 0 of 2 jobs done",
        "  running: single.0: 192 of 1,632 pairs, 28.3 per second, 8 min left",
        "  running: single.1: starting",
        "evaluations: about 5 h 26 min left, 960 of about 555,776 pairs done, 28.3 per second",
        "report: not yet",
    ]


def test_the_frame_around_the_bars_tells_the_time_left(
    begun_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LogHandler, "time_left", partial(time_left, begun_run))
    console = Console(file=io.StringIO(), record=True, width=120)
    console.print(Frame(Progress()))
    assert "evaluations: about 5 h 26 min left" in console.export_text()


def test_the_logger_imports_nothing_of_the_package() -> None:
    """Snakemake imports it first: another copy's Snakefile would then run this copy's code."""
    code = "import sys, snakemake_logger_plugin_blocksieve; print('blocksieve' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_durations_are_short() -> None:
    assert [duration(seconds) for seconds in (119, 120, 3599, 7260)] == [
        "119 s", "2 min", "59 min", "2 h 1 min",
    ]  # fmt: skip


def test_a_router_is_asked_without_torch_polars_or_snakemake(tmp_path: Path) -> None:
    code = (
        "import sys; from blocksieve.__main__ import main\n"
        "try: main(['route', 'demo', 'What?'])\n"
        "except SystemExit as end: print(end)\n"
        "print([name for name in ('torch', 'polars', 'snakemake') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "results/demo/router.json is missing" in done.stdout
    assert done.stdout.endswith("[]\n")


@pytest.mark.parametrize(
    "arguments", [["-c1"], ["-c", "1"], ["--cores=1"], ["-j2"], ["--jobs=2"], ["--profile=slurm"]]
)
def test_run_leaves_where_jobs_run_to_who_says_it(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    commands: list[list[str]] = []

    def record(command: list[str], check: bool) -> subprocess.CompletedProcess[bytes]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", record)
    call_snakemake([], arguments)
    call_snakemake([], ["-n"])
    said, silent = commands
    assert "all" not in said
    assert silent[-2:] == ["--cores", "all"]


def test_run_takes_one_config() -> None:
    with pytest.raises(ConfigError, match="--configfile beside"):
        call_snakemake([ROOT / "config/config.yaml"], ["-n", "--configfile", "other.yaml"])
