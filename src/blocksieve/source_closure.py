"""Which of the package's source files a script uses: what a rule lists as input, so that a changed one re-runs it."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent


def source_closure(*files: Path) -> list[Path]:
    """The package's files that `files` import, directly or through each other, with those of `files` in the package.

    Imports inside functions count; imports by computed name do not: name such modules among `files`.
    """
    found: set[Path] = {file for file in files if file.is_relative_to(PACKAGE)}
    waiting = list(files)
    while waiting:
        new = set(_imports(waiting.pop())) - found
        found |= new
        waiting += new
    return sorted(found)


@cache
def _imports(file: Path) -> tuple[Path, ...]:
    return tuple(
        path
        for name in _names(ast.parse(file.read_text(encoding="utf-8")))
        for path in _files(name)
    )


def _names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _files(name: str) -> Iterator[Path]:
    """The module's own file and the `__init__.py` of every package above it."""
    parts = name.split(".")
    if parts[0] != PACKAGE.name:
        return
    for end in range(1, len(parts) + 1):
        base = PACKAGE.joinpath(*parts[1:end])
        for path in (base / "__init__.py", base.with_suffix(".py")):
            if path.is_file():
                yield path
