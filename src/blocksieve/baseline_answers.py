"""The whole model's answers to a few samples, to be looked at, and whether they are any good."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from blocksieve.combination import NONE
from blocksieve.datasets.prompts import render_prompt
from blocksieve.errors import DataError

NUM_SHOWN = 5


@dataclass(frozen=True)
class Answer:
    """One sample with the whole model's answer; `score` is None if it gave none."""

    sample_id: str
    prompt: str
    num_images: int
    references: list[str]
    prediction: str | None
    score: float | None


def baseline_rows(dataset: str, shards: Sequence[Path], samples: Path) -> pl.DataFrame:
    """Read the whole model's answers to a dataset's search samples, joined with the samples."""
    is_baseline = pl.col("combination") == str(NONE)
    is_of_dataset = pl.col("dataset") == dataset
    answers = pl.scan_parquet(list(shards)).filter(is_baseline, is_of_dataset)
    answers = answers.select("sample_id", "prediction", "score")
    columns = ["sample_id", "question", "choices", "references", "images"]
    table = pl.scan_parquet(samples).select(columns)
    return answers.join(table, on="sample_id", maintain_order="left").collect()


def first_answers(rows: pl.DataFrame, template: str) -> list[Answer]:
    """Return the first answers, in the order of the draw, with the prompts of a template."""
    answers = []
    for row in rows.head(NUM_SHOWN).iter_rows(named=True):
        answers.append(
            Answer(
                sample_id=row["sample_id"],
                prompt=render_prompt(template, row["question"], row["choices"]),
                num_images=len(row["images"]),
                references=row["references"],
                prediction=row["prediction"],
                score=row["score"],
            )
        )
    return answers


def page(dataset: str, rows: pl.DataFrame, answers: list[Answer]) -> str:
    """Return the Markdown page of a dataset's answers."""
    mean = _mean_score(rows)
    lines = [
        f"# {dataset}: answers of the whole model",
        "",
        f"Mean score {mean:.4g} of {len(rows)} search samples. The first {len(answers)}:",
    ]
    for answer in answers:
        lines += ["", f"## Sample {answer.sample_id}", ""]
        lines += _field("Prompt", answer.prompt)
        if answer.num_images:
            lines += [f"with {answer.num_images} picture(s)", ""]
        lines += _field("Answer", answer.prediction or "")
        lines += _field("References", "\n".join(answer.references))
        score = "none" if answer.score is None else f"{answer.score:.4g}"
        lines += [f"Score: {score}"]
    return "\n".join(lines) + "\n"


def _field(name: str, text: str) -> list[str]:
    """Return a named text as it is: indented, so that Markdown changes nothing in it."""
    indented = [f"    {line}" for line in text.splitlines() or [""]]
    return [f"{name}:", "", *indented, ""]


def weakness(rows: pl.DataFrame, metric: str, above_chance: bool = False) -> str | None:
    """Say why no drop can be measured from a baseline: it is 0, or no better than guessing.

    `above_chance`: whether the scores of multiple choice are, so that guessing gives 0.
    """
    mean = _mean_score(rows)
    if mean == 0:
        return "every baseline score is 0"
    if metric != "multiple_choice":
        return None
    chances = []
    for choices in rows["choices"]:
        num_choices = sum(bool(choice.strip()) for choice in choices)
        chances.append(1 / max(num_choices, 1))
    chance = sum(chances) / len(chances)
    variance = sum(each * (1 - each) for each in chances)
    if above_chance:
        chance = 0.0
        variance = sum(each / (1 - each) for each in chances if each < 1)
    error = math.sqrt(variance) / len(chances)  # standard error of the score of pure guessing
    if mean <= chance + error:
        return f"the baseline score {mean:.3g} is what guessing gives ({chance:.3g} +- {error:.2g})"
    return None


def refuse_weak_baselines(reasons: Mapping[str, str | None], folder: Path) -> None:
    """DataError, pointing to the folder of answers, if a dataset's baseline has a weakness.

    `reasons`: of each dataset, as `weakness` gives them.
    """
    faults = [f"dataset {name}: {reason}" for name, reason in reasons.items() if reason is not None]
    if faults:
        raise DataError(
            f"{'; '.join(faults)}; look at the answers in {folder}, then correct the dataset's"
            " prompt or metric, leave it out, or set search.weak_baseline to go_on"
        )


def _mean_score(rows: pl.DataFrame) -> float:
    """Return the mean of the scores; a sample without one counts 0."""
    scores: list[float] = rows["score"].cast(pl.Float64).fill_null(0.0).to_list()
    return sum(scores) / max(len(scores), 1)
