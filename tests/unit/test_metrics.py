"""The registry of metrics."""

import subprocess
import sys

import pytest

from blocksieve.errors import BlocksieveError
from blocksieve.metrics import METRICS, Metric, Target, load_metric

CHOICES = ("red", "blue")


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_scores_a_perfect_and_a_wrong_answer(name: str) -> None:
    """The full score for the reference itself, 0 for something else."""
    metric = load_metric(name)
    targets = [Target(("red",) * 4, CHOICES), Target(("blue",) * 4, CHOICES)]
    scorer = metric.prepare(targets)
    assert isinstance(metric, Metric)
    assert metric.version >= 1
    # One word has no n-grams of the orders 2 to 4, which leaves CIDEr a quarter of its full 10.
    assert scorer("red", targets[0]) == (1.0 if metric.bounded else pytest.approx(2.5))
    assert scorer("xxxx", targets[0]) == 0.0


def test_unknown_metric_names_what_is_allowed() -> None:
    """The error lists every metric."""
    with pytest.raises(BlocksieveError, match=", ".join(METRICS)):
        load_metric("bleu")


def test_a_target_needs_a_reference() -> None:
    """A sample without references cannot be scored."""
    with pytest.raises(BlocksieveError, match="no reference"):
        Target(())


def test_importing_one_metric_imports_no_other() -> None:
    """Loading exact_match in a fresh interpreter leaves the other modules and rapidfuzz unimported."""
    code = (
        "import sys; from blocksieve.metrics import METRICS, load_metric; load_metric('exact_match');"
        "print([name for name in METRICS if f'blocksieve.metrics.{name}' in sys.modules], 'rapidfuzz' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['exact_match'] False"
