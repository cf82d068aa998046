"""The names of a search's steps; the rules need them before anything is planned.

`baseline` evaluates the whole model, so that its answers can be looked at before anything else,
`single` every site alone, `remove2`, `remove3` ... the candidates of both scopes, `finalists` what
was chosen. Where a size is raced, its rounds come before its step: `remove2-race1`,
`remove2-race2` ... evaluate what is still in the race on a part of the samples, and `remove2`
evaluates what survived them on all.
"""

from blocksieve.specs import Racing, SearchSpec

BASELINE = "baseline"
SINGLE = "single"
FINALISTS = "finalists"
ROUND = "-race"
_NAMES = {0: BASELINE, 1: SINGLE}
_SIZES = {name: size for size, name in _NAMES.items()}

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
    return _NAMES.get(size, f"remove{size}")


def size_of_step(step: str) -> int:
    """Return the size that a search step evaluates; ValueError for the finalists."""
    if step in _SIZES:
        return _SIZES[step]
    size, _, _ = step.removeprefix("remove").partition(ROUND)
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
    if size in exhaustive_sizes(search):
        return []
    step = step_of_size(size)
    shares = SHARES[search.racing]
    rounds = []
    for number, _ in enumerate(shares, start=1):
        rounds.append(f"{step}{ROUND}{number}")
    return rounds


def exhaustive_sizes(search: SearchSpec) -> set[int]:
    """Return the sizes of which every combination is evaluated."""
    return {0, 1, *search.exhaustive_sizes}


def steps_of_size(size: int, search: SearchSpec) -> list[str]:
    """Return the steps of a size in order: its rounds, and the step on all search samples."""
    rounds = rounds_of_size(size, search)
    last = step_of_size(size)
    return [*rounds, last]


def search_steps(search: SearchSpec) -> list[str]:
    """Return every step of a search in order, without the finalists."""
    steps = []
    for size in range(search.max_removed + 1):
        steps += steps_of_size(size, search)
    return steps


def all_steps(search: SearchSpec) -> list[str]:
    """Return every step in order."""
    return [*search_steps(search), FINALISTS]


def round_before(step: str, search: SearchSpec) -> str | None:
    """Return the round whose survivors a step evaluates; None for the first step of a size."""
    size = size_of_step(step)
    before = None
    for each in steps_of_size(size, search):
        if each == step:
            break
        before = each
    return before
