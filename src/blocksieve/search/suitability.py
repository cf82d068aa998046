"""Refuse a dataset that does not suit the model or its metric, before any model is loaded."""

import statistics

import polars as pl

from blocksieve.errors import DataError
from blocksieve.search.task import Task

FIRST_ROWS = 100
# CIDEr compares sequences of up to four words: shorter references have none.
CIDER_WORDS = 4


def refuse_unsuitable(task: Task, samples: pl.DataFrame) -> None:
    """Raise a DataError if the model cannot be asked, or the metric cannot score, these samples.

    Decided from the dataset's definition and its first rows.
    """
    first_rows = samples.head(FIRST_ROWS)
    fault = _fault_of_pictures(task, first_rows) or _fault_of_metric(task, first_rows)
    if fault:
        raise DataError(f"dataset {task.dataset}: {fault}")


def _fault_of_pictures(task: Task, rows: pl.DataFrame) -> str:
    has_pictures = (rows["images"].list.len() > 0).any()
    if task.model.kind == "text" and has_pictures:
        return (
            "its samples have pictures, which a text model (model.kind: text) does not see; "
            "take it out of `datasets`, or choose a vision-language model"
        )
    if task.definition.source.get("images") and not has_pictures:
        return (
            "source.images names pictures, but none of the first samples has one; "
            "name the right column, or take the key out if the dataset has no pictures"
        )
    return ""


def _fault_of_metric(task: Task, rows: pl.DataFrame) -> str:
    metric = task.definition.metric
    if metric == "multiple_choice" and not (rows["choices"].list.len() > 0).any():
        return (
            "metric multiple_choice needs choices, but none of the first samples has any; "
            "name their column in source.choices, or choose another metric"
        )
    if metric == "cider":
        references = rows["references"].explode().drop_nulls()
        num_words = [len(reference.split()) for reference in references]
        if num_words and statistics.median(num_words) < CIDER_WORDS:
            return (
                "metric cider compares captions by sequences of four words, but its references "
                f"have {statistics.median(num_words):g}; choose exact_match, vqa or anls"
            )
    return ""
