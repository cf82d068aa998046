"""Which of the package's source files a script uses, and a checksum of them."""

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from blocksieve.files import file_hash, fingerprint

PACKAGE = Path(__file__).parent


def source_closure(*files: Path) -> list[Path]:
    """Return the package's files that `files` import, directly or through each other.

    With those of `files` that lie in the package. Imports inside functions count; imports by
    computed name do not: name such modules among `files`.
    """
    closure: set[Path] = {file for file in files if file.is_relative_to(PACKAGE)}
    waiting = list(files)
    while waiting:
        imported = _imports(waiting.pop())
        new = set(imported) - closure
        closure |= new
        waiting += new
    return sorted(closure)


def checksum_of_code(files: Iterable[Path]) -> str:
    """Return a checksum of the content of some files, whatever folder they lie in."""
    return fingerprint([_file_hash(file) for file in files])


@cache
def _file_hash(file: Path) -> str:
    return file_hash(file)


@cache
def _imports(file: Path) -> tuple[Path, ...]:
    """Return the package's files that a file imports itself."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    imported: list[Path] = []
    for name in _imported_names(tree):
        imported += _files(name)
    return tuple(imported)


def _imported_names(tree: ast.Module) -> Iterator[str]:
    """Yield dotted names, of which the last part may be a module or something in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _files(name: str) -> Iterator[Path]:
    """Yield the module's own file and the `__init__.py` of every package above it."""
    parts = name.split(".")
    if parts[0] != PACKAGE.name:
        return
    for end in range(1, len(parts) + 1):
        base = PACKAGE.joinpath(*parts[1:end])
        candidates = (base / "__init__.py", base.with_suffix(".py"))
        for path in candidates:
            if path.is_file():
                yield path
