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
GENERATION = "-gen"
GENERATIONS = 4
"""How often an evolutionary search proposes combinations of a size."""
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
    size, _, _ = step.removeprefix("remove").partition("-")
    return int(size)


def generation_of_step(step: str) -> int:
    """Return the generation that a step evaluates, counted from 1; the last where it names none."""
    stage, _, _ = step.partition(ROUND)
    _, _, number = stage.partition(GENERATION)
    return int(number) if number else GENERATIONS


def share_of_step(step: str, racing: Racing) -> float:
    """Return the share of the search samples that a step evaluates: 1 unless it is a round."""
    _, _, number = step.partition(ROUND)
    if not number:
        return 1.0
    place = int(number) - 1
    return SHARES[racing][place]


def exhaustive_sizes(search: SearchSpec) -> set[int]:
    """Return the sizes of which every combination is evaluated."""
    return {0, 1, *search.exhaustive_sizes}


def stages_of_size(size: int, search: SearchSpec) -> list[str]:
    """Return the steps of a size that evaluate all search samples: its generations, or only one."""
    last = step_of_size(size)
    if search.strategy != "evolutionary" or size in exhaustive_sizes(search):
        return [last]
    generations = [f"{last}{GENERATION}{number}" for number in range(1, GENERATIONS)]
    return [*generations, last]


def steps_of_size(size: int, search: SearchSpec) -> list[str]:
    """Return the steps of a size in order: each stage after its rounds."""
    shares = SHARES[search.racing]
    # One candidate per scope has no rival.
    if size in exhaustive_sizes(search) or search.strategy == "one_shot":
        shares = ()
    steps = []
    for stage in stages_of_size(size, search):
        steps += [f"{stage}{ROUND}{number}" for number, _ in enumerate(shares, start=1)]
        steps.append(stage)
    return steps


def search_steps(search: SearchSpec) -> list[str]:
    """Return every step of a search in order, without the finalists."""
    steps = []
    for size in range(search.max_removed + 1):
        steps += steps_of_size(size, search)
    return steps


def all_steps(search: SearchSpec) -> list[str]:
    """Return every step in order."""
    return [*search_steps(search), FINALISTS]


def steps_before(step: str, search: SearchSpec) -> list[str]:
    """Return the steps of the same size that come before a step, in order."""
    of_size = steps_of_size(size_of_step(step), search)
    return of_size[: of_size.index(step)]
