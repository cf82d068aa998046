"""What the router is fitted on: the prompts of datasets, and which of them share a wording."""

import re
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from blocksieve.datasets.prompts import render_prompt
from blocksieve.specs import DatasetSpec

PLAIN = "{question}\n{choices}"
"""The template of a dataset without its instructions: what a user asks, choices included."""

Words = tuple[str, ...]
WithGap = tuple[int, Words]


def prompts_of(
    samples: Mapping[str, pl.DataFrame], definitions: Mapping[str, DatasetSpec]
) -> pl.DataFrame:
    """Return one row per sample and form of its prompt, by the datasets' samples; all roles.

    Columns: dataset, task_type, sample_id, role, form, text, wording, seen.

    - form: `plain` is the question and its choices, as a user asks; `full` has the dataset's
      instructions, and is left out where that is the same text.
    - wording: see `wordings`. Those of search samples do not depend on other samples.
    - seen: whether some search sample has this wording.
    """
    rows: list[dict[str, str]] = []
    for dataset, table in samples.items():
        definition = definitions[dataset]
        rows += _dataset_rows(dataset, definition, table)
    prompts = pl.DataFrame(rows)
    questions = prompts["question"]
    is_search = (prompts["role"] == "search").to_numpy()
    numbers = wordings(questions)
    seen = np.isin(numbers, numbers[is_search])
    # Search samples are numbered once more, without the others, whose wordings may join theirs.
    # The others' numbers move out of the way, so that none is also a search sample's.
    numbers += len(prompts)
    numbers[is_search] = wordings(questions.filter(is_search))
    prompts = prompts.with_columns(wording=numbers, seen=seen)
    return prompts.drop("question")


def _dataset_rows(
    dataset: str, definition: DatasetSpec, table: pl.DataFrame
) -> Iterator[dict[str, str]]:
    columns = table.select("sample_id", "role", "question", "choices")
    for sample_id, role, question, choices in columns.iter_rows():
        plain = render_prompt(PLAIN, question, choices)
        full = render_prompt(definition.prompt, question, choices)
        forms = {"plain": plain} if full == plain else {"full": full, "plain": plain}
        for form, text in forms.items():
            yield {
                "dataset": dataset,
                "task_type": definition.task_type,
                "sample_id": sample_id,
                "role": role,
                "question": question,
                "form": form,
                "text": text,
            }


def wordings(questions: Iterable[str]) -> NDArray[np.int32]:
    """Return one number per question, the same for questions of one wording.

    Two questions are of one wording if they have the same words, or the same but for one, or if a
    chain of such questions joins them: "what color is the dog?" and "What color is the cat". Case,
    punctuation and digits do not count.
    """
    words_of_questions = [_words(question) for question in questions]
    nodes = {words: node for node, words in enumerate(dict.fromkeys(words_of_questions))}
    # A graph of texts, and of texts with a gap in place of one word. Texts that differ in one word
    # share such a gap, so that the wordings are the connected components.
    gap_nodes: dict[WithGap, int] = {}
    edges: list[tuple[int, int]] = []
    for words, node in nodes.items():
        for gap in _with_gaps(words):
            next_node = len(nodes) + len(gap_nodes)
            gap_node = gap_nodes.setdefault(gap, next_node)
            edges.append((node, gap_node))
    num_nodes = len(nodes) + len(gap_nodes)
    labels = _components(edges, num_nodes)
    numbers = [labels[nodes[words]] for words in words_of_questions]
    return np.array(numbers, dtype=np.int32)


def _with_gaps(words: Words) -> Iterator[WithGap]:
    """Yield (position, words without the word there) for each word."""
    for position in range(len(words)):
        before = words[:position]
        after = words[position + 1 :]
        yield (position, before + after)


def _components(edges: list[tuple[int, int]], num_nodes: int) -> NDArray[np.int32]:
    """Return the number of each node's connected component: (num_nodes,)."""
    # The shape holds without edges, too: (edges, 2).
    ends = np.array(edges, dtype=np.intp).reshape(-1, 2)
    first_ends, second_ends = ends.T
    weights = np.ones(len(edges))
    shape = (num_nodes, num_nodes)
    graph = coo_array((weights, (first_ends, second_ends)), shape=shape)
    labels: NDArray[np.int32]
    _, labels = connected_components(graph, directed=False)
    return labels


def _words(question: str) -> Words:
    lower = question.lower()
    without_digits = re.sub(r"\d", "0", lower)
    words = re.findall(r"\w+", without_digits)
    return tuple(words)
