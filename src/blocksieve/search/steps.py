"""The names of a search's steps; the rules need them before anything is planned.

`baseline` evaluates the whole model, so that its answers can be looked at before anything else,
`single` every site alone, `remove2`, `remove3` ... the candidates of both scopes, `finalists` what
was chosen.
"""

BASELINE = "baseline"
SINGLE = "single"
FINALISTS = "finalists"
_NAMES = {0: BASELINE, 1: SINGLE}
_SIZES = {name: size for size, name in _NAMES.items()}


def step_of_size(size: int) -> str:
    """Return the step that evaluates the combinations of a size."""
    return _NAMES.get(size, f"remove{size}")


def size_of_step(step: str) -> int:
    """Return the size that a search step evaluates; ValueError for the finalists."""
    if step in _SIZES:
        return _SIZES[step]
    return int(step.removeprefix("remove"))


def steps_up_to(max_removed: int) -> list[str]:
    """Return the steps of a search, in their order."""
    return [step_of_size(size) for size in range(max_removed + 1)] + [FINALISTS]
