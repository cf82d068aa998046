"""Which of several options no other one beats."""

from collections.abc import Sequence


def on_front(costs: Sequence[tuple[float, float]]) -> list[bool]:
    """Return which options are on the Pareto front: no other costs less without costing more.

    Each option has two costs. Of options with equal costs all are on it, or none.
    """
    front = []
    for option in costs:
        is_beaten = False
        for rival in costs:
            is_no_worse = rival[0] <= option[0] and rival[1] <= option[1]
            is_beaten |= is_no_worse and rival != option
        front.append(not is_beaten)
    return front
