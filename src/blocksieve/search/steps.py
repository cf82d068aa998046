"""The names of a search's steps; the rules need them before anything is planned.

`single` evaluates the baseline and every site alone, `remove2`, `remove3` ... the candidates of
both scopes, `finalists` what was chosen. Where a size is raced, its rounds come before its step:
`remove2-race1`, `remove2-race2` ... evaluate what is still in the race on a part of the samples,
and `remove2` evaluates what survived them on all.
"""

from blocksieve.specs import Racing, SearchSpec

SINGLE = "single"
FINALISTS = "finalists"
ROUND = "-race"

TESTED_SHARES = (1 / 8, 1 / 4, 1 / 2, 3 / 4)
SHARES: dict[Racing, tuple[float, ...]] = {
    "off": (),
    0.001: TESTED_SHARES,
    0.01: TESTED_SHARES,
    "halving": (1 / 4, 1 / 2),
}
"""Of the search samples, in the draw order: what the rounds of a size evaluate."""


def step_of_size(size: int) -> str:
    """Return the step that evaluates the combinations of a size on all search samples."""
    return SINGLE if size == 1 else f"remove{size}"


def size_of_step(step: str) -> int:
    """Return the size that a search step evaluates; ValueError for the finalists."""
    if step == SINGLE:
        return 1
    of_size, _, _ = step.partition(ROUND)
    size = of_size.removeprefix("remove")
    return int(size)


def share_of_step(step: str, racing: Racing) -> float:
    """Return the share of the search samples that a step evaluates: 1 unless it is a round."""
    _, _, number = step.partition(ROUND)
    if not number:
        return 1.0
    place = int(number) - 1
    return SHARES[racing][place]


def rounds_of_size(size: int, search: SearchSpec) -> list[str]:
    """Return the rounds of a size in order; none where every combination is evaluated."""
    if size == 1 or size in search.exhaustive_sizes:
        return []
    step = step_of_size(size)
    shares = SHARES[search.racing]
    rounds = []
    for number, _ in enumerate(shares, start=1):
        rounds.append(f"{step}{ROUND}{number}")
    return rounds


def steps_of_size(size: int, search: SearchSpec) -> list[str]:
    """Return the steps of a size in order: its rounds, and the step on all search samples."""
    rounds = rounds_of_size(size, search)
    last = step_of_size(size)
    return [*rounds, last]


def search_steps(search: SearchSpec) -> list[str]:
    """Return every step of a search in order, without the finalists."""
    steps = []
    for size in range(1, search.max_removed + 1):
        steps += steps_of_size(size, search)
    return steps


def round_before(step: str, search: SearchSpec) -> str | None:
    """Return the round whose survivors a step evaluates; None for the first step of a size."""
    size = size_of_step(step)
    before = None
    for each in steps_of_size(size, search):
        if each == step:
            break
        before = each
    return before
