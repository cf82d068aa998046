"""The errors that blocksieve raises on purpose.

One line each, saying what is wrong, where, and what to do.

BlocksieveError
├── ConfigError      a key of the config is missing, unknown, or has a wrong value
├── DataError        a table or a sample cannot be used
└── ModelError       a checkpoint cannot be loaded, or a combination cannot be removed from it
"""

CUDA_WITHOUT_GPU = (
    "config: model.device: cuda is wanted but this machine shows no GPU; set it to cpu or auto"
)


class BlocksieveError(Exception):
    """What is wrong, where, and what to do, in one line."""


class ConfigError(BlocksieveError):
    """A key of the config is missing, unknown, or has a wrong value."""


class DataError(BlocksieveError):
    """A table or a sample cannot be used."""


class ModelError(BlocksieveError):
    """A checkpoint cannot be loaded, or a combination cannot be removed from it."""


def first_line(error: Exception) -> str:
    """Return the first line of what an exception says; the name of its type if it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0].strip() if lines else type(error).__name__


def name_and_first_line(error: Exception) -> str:
    """Return the name of an exception's type and the first line of what it says, if anything."""
    name = type(error).__name__
    return f"{name}: {first_line(error)}" if str(error).strip() else name
