"""The errors that blocksieve raises on purpose.

One line each, saying what is wrong, where, and what to do.

BlocksieveError
├── ConfigError      a key of the config is missing, unknown, or has a wrong value
├── DataError        a table or a sample cannot be used
└── ModelError       a checkpoint cannot be loaded, or a combination cannot be removed from it
"""


class BlocksieveError(Exception):
    """What is wrong, where, and what to do, in one line."""


class ConfigError(BlocksieveError):
    """A key of the config is missing, unknown, or has a wrong value."""


class DataError(BlocksieveError):
    """A table or a sample cannot be used."""


class ModelError(BlocksieveError):
    """A checkpoint cannot be loaded, or a combination cannot be removed from it."""
