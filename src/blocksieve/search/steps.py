"""The names of a search's steps; the rules need them before anything is planned.

`single` evaluates the baseline and every site alone, `remove2`, `remove3` ... the candidates of
both scopes, `finalists` what was chosen.
"""

SINGLE = "single"
FINALISTS = "finalists"


def step_of_size(size: int) -> str:
    """Return the step that evaluates the combinations of a size."""
    return SINGLE if size == 1 else f"remove{size}"


def size_of_step(step: str) -> int:
    """Return the size that a search step evaluates; ValueError for the finalists."""
    return 1 if step == SINGLE else int(step.removeprefix("remove"))
