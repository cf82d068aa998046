"""The source of facts: known ones are there, none twice, always in the same order."""

import pytest

from blocksieve.datasets.draw import draw_samples
from blocksieve.datasets.facts import TASKS, read
from blocksieve.datasets.sample import Sample
from blocksieve.errors import ConfigError
from blocksieve.metrics import Target, load_metric


def statements(task: str) -> dict[str, Sample]:
    """Read a task's samples, by their question."""
    return {
        sample.question: sample for sample in read({"kind": "facts", "task": task}, "validation")
    }


@pytest.mark.parametrize(
    ("task", "question", "answer"),
    [
        ("capitals", "The capital of France is", "Paris"),
        (
            "capitals",
            "The capital of the United Kingdom is",
            "The capital of the United Kingdom is London.",
        ),
        ("capitals", "The capital of the Netherlands is", "Amsterdam"),
        (
            "languages",
            "The official language of Peru is",
            "The official language of Peru is Spanish.",
        ),
        ("languages", "The official language of Switzerland is", "French"),
        ("languages", "The official language of Switzerland is", "German"),
        ("arithmetic", "7 times 12 is", "84"),
        ("arithmetic", "7 times 12 is", "7 times 12 is 84."),
        ("arithmetic", "7 times 12 is", "12 times 7 is 84"),
        ("arithmetic", "7 times 12 is", "12 * 7 = 84"),
        ("arithmetic", "The sum of 7 and 12 is", "7 + 12 = 19"),
        ("arithmetic", "The sum of 7 and 12 is", "12 plus 7 is 19."),
        ("capitals", "The capital city of France is", "The capital of France is Paris."),
        ("languages", "In Peru, the official language is", "Spanish"),
    ],
)
def test_a_true_end_and_the_whole_statement_score(task: str, question: str, answer: str) -> None:
    """A known fact, as a model may write it, is right for the metric of the datasets."""
    target = Target(statements(task)[question].references)
    assert load_metric("exact_match").prepare([target])(answer, target) == 1.0


@pytest.mark.parametrize(
    ("task", "question", "answer"),
    [
        ("capitals", "The capital of France is", "London"),
        ("languages", "The official language of Peru is", "French"),
        ("arithmetic", "7 times 12 is", "7 times 11 is 84"),
        ("arithmetic", "7 times 12 is", "7 + 12 = 84"),
        ("arithmetic", "The sum of 7 and 12 is", "84"),
        ("arithmetic", "The sum of 7 and 12 is", "7 * 12 = 19"),
    ],
)
def test_a_false_end_does_not_score(task: str, question: str, answer: str) -> None:
    """What is not so is wrong."""
    target = Target(statements(task)[question].references)
    assert load_metric("exact_match").prepare([target])(answer, target) == 0.0


@pytest.mark.parametrize("task", TASKS)
def test_samples_are_text_only_distinct_and_in_a_fixed_order(task: str) -> None:
    """Two readings agree; no question, reference or id repeats within its list."""
    first = list(read({"kind": "facts", "task": task}, "validation"))
    second = list(read({"kind": "facts", "task": task}, "validation"))
    assert first == second
    assert len({sample.sample_id for sample in first}) == len(first)
    assert len({sample.question for sample in first}) == len(first)
    for sample in first:
        assert len(set(sample.references)) == len(sample.references) >= 2
        assert not sample.images
        assert not sample.choices


def test_countries_leave_out_former_states_and_capitals_of_the_same_name() -> None:
    """Serbia and Montenegro is no more, and Singapore is the capital of Singapore."""
    questions = " ".join(statements("capitals"))
    assert "Serbia is" in questions
    assert "Montenegro" not in questions
    assert "Singapore" not in questions


@pytest.mark.parametrize(
    ("task", "questions", "number_of_facts"),
    [
        ("arithmetic", ["7 times 12 is", "12 times 7 is", "12 multiplied by 7 is"], 132),
        ("arithmetic", ["The sum of 7 and 12 is", "The sum of 12 and 7 equals"], 132),
        ("capitals", ["The capital of France is", "The name of the capital of France is"], 158),
        (
            "languages",
            ["The official language of Peru is", "In Peru, the official language is"],
            160,
        ),
    ],
)
def test_all_questions_about_a_fact_are_a_cluster(
    task: str, questions: list[str], number_of_facts: int
) -> None:
    """So that none of them serves to choose while another measures."""
    samples = statements(task)
    assert len({samples[question].cluster for question in questions}) == 1
    assert len({samples[question].references for question in questions}) == 1
    assert len({sample.cluster for sample in samples.values()}) == number_of_facts


@pytest.mark.parametrize("task", TASKS)
def test_there_are_enough_samples_in_both_roles(task: str) -> None:
    """There are 200 samples per role in each of these datasets."""
    drawn = draw_samples(
        statements(task).values(), {"search": 200, "holdout": 200}, ["validation"], seed=0
    )
    assert len(drawn) == 400


@pytest.mark.parametrize(
    ("task", "fewest"), [("capitals", 230), ("languages", 240), ("arithmetic", 1100)]
)
def test_the_training_split_has_other_facts(task: str, fewest: int) -> None:
    """No sample, cluster or question of it is measured on."""
    training = list(read({"kind": "facts", "task": task}, "train"))
    validation = statements(task).values()
    for name in ("sample_id", "cluster", "question"):
        values = {getattr(sample, name) for sample in training}
        assert not values & {getattr(sample, name) for sample in validation}
    assert len({sample.sample_id for sample in training}) == len(training) >= fewest
    assert all(sample.references for sample in training)


def test_an_unknown_split_or_task_says_what_is_allowed() -> None:
    """One line that names the way out."""
    with pytest.raises(ConfigError, match="validation"):
        list(read({"kind": "facts", "task": "capitals"}, "test"))
    with pytest.raises(ConfigError, match="capitals, languages, arithmetic"):
        list(read({"kind": "facts", "task": "rivers"}, "validation"))
