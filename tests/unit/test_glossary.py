"""The package uses the words of docs/glossary.md, and none of the names that it calls retired."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src/blocksieve"
GLOSSARY = (ROOT / "docs/glossary.md").read_text(encoding="utf-8")
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def retired(heading: str) -> set[str]:
    """The names in the bullets of a section of the glossary."""
    _, section = GLOSSARY.split(f"## {heading}\n")
    section = section.split("\n## ")[0]
    return set(re.findall(r"^- `(\w+)`", section, re.MULTILINE))


def bound_name(node: ast.AST) -> str | None:
    """The name that a node gives to something. Names of imported modules are not among them."""
    if isinstance(node, DEFINITIONS):
        return node.name
    if isinstance(node, ast.arg):
        return node.arg
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        return node.id
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
        return node.attr
    if isinstance(node, ast.alias):
        return node.asname
    if isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar):
        return node.name
    return None


def uses(code: str, names: set[str]) -> Iterator[tuple[int, str]]:
    """Where code binds one of the names: line and name."""
    for node in ast.walk(ast.parse(code)):
        name = bound_name(node)
        if name in names:
            yield node.lineno, name


def test_the_package_binds_no_retired_name() -> None:
    names = retired("Retired names")
    assert "held_out" in names
    faults = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for line, name in uses(path.read_text(encoding="utf-8"), names):
            faults.append(f"{path.relative_to(PACKAGE)}:{line}: {name}")
    assert not faults, "\n".join(faults)


def test_no_module_has_a_retired_name() -> None:
    names = retired("Retired modules")
    assert "logs" in names
    faults = [path for path in PACKAGE.rglob("*") if path.stem in names]
    assert not faults


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("def pieces(): ...", ["pieces"]),
        ("class Report:\n    pieces: int", ["pieces"]),
        ("def split(pieces, /, *, count): ...", ["pieces"]),
        ("for pieces in table: ...", ["pieces"]),
        ("self.pieces = 1", ["pieces"]),
        ("import chunks as pieces", ["pieces"]),
        ("from blocksieve import pieces", []),
        ("text.pieces('a piece of pieces')", []),
    ],
)
def test_names_count_where_they_are_bound(code: str, expected: list[str]) -> None:
    assert [name for _, name in uses(code, {"pieces"})] == expected


def test_every_word_is_explained_once() -> None:
    table = GLOSSARY.split("## Retired names")[0]
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \|[^|]*\|$", table, re.MULTILINE)
    words = [word for word, meaning in rows[2:]]
    assert len(words) == len(set(words)) > 30
