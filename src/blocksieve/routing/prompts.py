"""What the router is fitted on: the prompts of datasets, and which of them are of one wording."""

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from blocksieve.datasets.prompts import render_prompt
from blocksieve.specs import DatasetSpec

PLAIN = "{question}\n{choices}"
"""The template of a dataset without its instructions: what a user asks, choices included."""


def prompts_of(
    samples: Mapping[str, pl.DataFrame], definitions: Mapping[str, DatasetSpec]
) -> pl.DataFrame:
    """A row a sample and form of its prompt, from the datasets' samples and definitions; all roles.

    Columns dataset, task_type, sample_id, role, form, text, wording, seen. form `plain`: the question and its choices,
    as a user asks; form `full`: with the dataset's instructions, where that is another text. wording: see `wordings`;
    those of search samples do not depend on other samples. seen: some search sample has this wording.
    """
    rows = []
    for dataset, table in samples.items():
        about = {"dataset": dataset, "task_type": definitions[dataset].task_type}
        for sample_id, role, question, choices in table.select(
            "sample_id", "role", "question", "choices"
        ).iter_rows():
            forms = {"full": render_prompt(definitions[dataset].prompt, question, choices)}
            forms["plain"] = render_prompt(PLAIN, question, choices)
            if forms["full"] == forms["plain"]:
                del forms["full"]
            common = about | {"sample_id": sample_id, "role": role, "question": question}
            rows += [common | {"form": form, "text": text} for form, text in sorted(forms.items())]
    table = pl.DataFrame(rows)
    search, found = (table["role"] == "search").to_numpy(), wordings(table["question"])
    seen = np.isin(found, found[search])
    found += len(table)  # the others' numbers, so that none is also one of a search sample
    found[search] = wordings(table.filter(search)["question"])
    return table.with_columns(wording=found, seen=seen).drop("question")


def wordings(questions: Iterable[str]) -> NDArray[np.int32]:
    """Number the questions so that those of one wording have one number.

    Two questions are of one wording if they have the same words, or the same but for one, or a chain of such questions
    joins them: "what color is the dog?" and "What color is the cat". Case, punctuation and digits do not count.
    """
    words = [
        tuple(re.findall(r"\w+", re.sub(r"\d", "0", question.lower()))) for question in questions
    ]
    distinct = {found: place for place, found in enumerate(dict.fromkeys(words))}
    gaps: dict[tuple[Sequence[str], int], int] = {}
    edges = [
        (place, gaps.setdefault(((*found[:at], "", *found[at + 1 :]), at), len(gaps)))
        for found, place in distinct.items()
        for at in range(len(found))
    ]
    size = len(distinct) + len(gaps)
    ones, others = np.array(edges, dtype=np.intp).reshape(-1, 2).T
    joined = coo_array((np.ones(len(edges)), (ones, len(distinct) + others)), shape=(size, size))
    labels = connected_components(joined, directed=False)[1]
    return np.array([labels[distinct[found]] for found in words], dtype=np.int32)
