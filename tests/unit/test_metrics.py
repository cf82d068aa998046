"""The registry of metrics."""

import subprocess
import sys
from pathlib import Path

import pytest

from blocksieve.errors import BlocksieveError
from blocksieve.metrics import METRICS, Metric, Target, above_chance, load_metric

CHOICES = ("red", "blue")
README = Path(__file__).parents[2] / "config/README.md"
MARK = "<!-- metrics -->"


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_scores_a_perfect_and_a_wrong_answer(name: str) -> None:
    """The full score for the reference itself, 0 for something else."""
    metric = load_metric(name)
    targets = [Target(("red",) * 4, CHOICES), Target(("blue",) * 4, CHOICES)]
    scorer = metric.prepare(targets)
    assert isinstance(metric, Metric)
    # One word has no n-grams of the orders 2 to 4, which leaves CIDEr a quarter of its full 10.
    assert scorer("red", targets[0]) == (1.0 if metric.bounded else pytest.approx(2.5))
    assert scorer("xxxx", targets[0]) == 0.0


def test_above_chance_guessing_scores_0_and_all_lost_is_100_percent() -> None:
    """The number of choices differs by sample; what cannot be read scores as a wrong answer."""
    letters = "ABCDE"
    for num_choices in (2, 4, 5):
        # An empty choice is never named.
        choices = tuple(f"thing {letter}" for letter in letters[:num_choices])
        target = Target(("A",), (*choices, " "))
        scorer = above_chance(load_metric("multiple_choice").prepare([target]))
        guesses = [scorer(letter, target) for letter in letters[:num_choices]]
        assert guesses[0] == 1
        assert sum(guesses) == pytest.approx(0)
        assert scorer("neither of these", target) == pytest.approx(-1 / (num_choices - 1))
    single = Target(("A",), ("thing A",))
    assert above_chance(load_metric("multiple_choice").prepare([single]))("A", single) == 0


def test_unknown_metric_names_what_is_allowed() -> None:
    """The error lists every metric."""
    with pytest.raises(BlocksieveError, match=", ".join(METRICS)):
        load_metric("bleu")


def test_a_target_needs_a_reference() -> None:
    """A sample without references cannot be scored."""
    with pytest.raises(BlocksieveError, match="no reference"):
        Target(())


def test_importing_one_metric_imports_no_other() -> None:
    """Loading exact_match in a fresh interpreter imports neither a second metric nor rapidfuzz."""
    code = (
        "import sys; from blocksieve.metrics import METRICS, load_metric;"
        "load_metric('exact_match');"
        "imported = [name for name in METRICS if f'blocksieve.metrics.{name}' in sys.modules];"
        "print(imported, 'rapidfuzz' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['exact_match'] False"


def test_the_table_of_metrics_in_the_documentation_is_that_of_the_registry() -> None:
    """The block between the marks in config/README.md has one row per metric, in order."""
    rows = [f"| `{name}` | {description} |" for name, description in METRICS.items()]
    table = "\n".join(["| metric | a score is |", "| --- | --- |", *rows])
    documented = README.read_text(encoding="utf-8")
    block = documented.partition(f"{MARK}\n")[2].partition(f"\n{MARK}")[0]
    assert block == table, f"between the marks {MARK} of config/README.md, put:\n{table}"
