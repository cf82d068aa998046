"""Print how readable the code is, in figures: `python tools/measure_style.py [FOLDER ...]`.

The folders default to src/blocksieve. Blank lines never count, and bodies are counted without
their docstrings.
"""

import ast
import io
import re
import statistics
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
MAX_COLUMNS = 100
VAGUE_WORDS = frozenset(
    [
        "found",
        "one",
        "own",
        "known",
        "given",
        "about",
        "other",
        "whole",
        "said",
        "asked",
        "several",
        "those",
    ]
)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
DOCUMENTED = (ast.Module, ast.ClassDef, *FUNCTIONS)
# What is bound to be a comment for a tool counts for no reader.
TOOL_COMMENT = re.compile(r"#\s*(type:|fmt:|noqa)")


@dataclass
class Counts:
    """What was counted over some files."""

    lines: int = 0
    code_lines: int = 0
    long_lines: int = 0
    comments: int = 0
    identifiers: int = 0
    vague_words: int = 0
    any_annotations: int = 0
    nested_comprehensions: int = 0
    functions: int = 0
    annotated: int = 0
    public: int = 0
    documented: int = 0
    nodes_per_line: list[float] = field(default_factory=list)
    function_lines: list[int] = field(default_factory=list)


def measure(files: list[Path]) -> Counts:
    """Count over Python files."""
    counts = Counts()
    for file in files:
        text = file.read_text(encoding="utf-8")
        tree = ast.parse(text)
        _count_lines(text, counts)
        _count_tokens(text, tree, counts)
        _count_nodes(tree, text.splitlines(), counts)
    return counts


def _count_lines(text: str, counts: Counts) -> None:
    lines = text.splitlines()
    counts.lines += sum(bool(line.strip()) for line in lines)
    counts.long_lines += sum(len(line) > MAX_COLUMNS for line in lines)


def _count_tokens(text: str, tree: ast.Module, counts: Counts) -> None:
    docstrings = set(_docstring_lines(tree))
    code_lines = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            counts.comments += TOOL_COMMENT.match(token.string) is None
        elif token.type in (tokenize.NAME, tokenize.OP, tokenize.NUMBER, tokenize.STRING):
            code_lines |= set(range(token.start[0], token.end[0] + 1)) - docstrings
        if token.type == tokenize.NAME and token.string == "Any":
            counts.any_annotations += 1
    counts.code_lines += len(code_lines)


def _docstring_lines(tree: ast.Module) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node) is not None:
            docstring = node.body[0]
            yield from range(docstring.lineno, (docstring.end_lineno or docstring.lineno) + 1)


def _count_nodes(tree: ast.Module, lines: list[str], counts: Counts) -> None:
    for node in ast.walk(tree):
        for identifier in _identifiers(node):
            counts.identifiers += 1
            counts.vague_words += identifier in VAGUE_WORDS
        if isinstance(node, COMPREHENSIONS):
            inner = [child for child in ast.walk(node) if child is not node]
            counts.nested_comprehensions += any(
                isinstance(child, COMPREHENSIONS) for child in inner
            )
        if isinstance(node, FUNCTIONS):
            _count_function(node, lines, counts)
        if isinstance(node, DOCUMENTED) and _is_public(node):
            counts.public += 1
            counts.documented += ast.get_docstring(node) is not None


def _identifiers(node: ast.AST) -> Iterator[str]:
    """Yield the names that a node uses or binds."""
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Attribute):
        yield node.attr
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, (*FUNCTIONS, ast.ClassDef)):
        yield node.name


def _is_public(node: ast.AST) -> bool:
    return isinstance(node, ast.Module) or not getattr(node, "name", "").startswith("_")


def _count_function(
    node: ast.FunctionDef | ast.AsyncFunctionDef, lines: list[str], counts: Counts
) -> None:
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    typed = [argument.annotation for argument in arguments if argument.arg not in ("self", "cls")]
    counts.functions += 1
    counts.annotated += node.returns is not None and None not in typed
    has_docstring = ast.get_docstring(node) is not None
    body = node.body[1:] if has_docstring else node.body
    if not body:
        return
    end = node.end_lineno or node.lineno
    body_lines = sum(bool(line.strip()) for line in lines[body[0].lineno - 1 : end])
    nodes = sum(1 for statement in body for _ in ast.walk(statement))
    counts.function_lines.append(body_lines)
    counts.nodes_per_line.append(nodes / body_lines)


def table(counts: Counts, engine: Counts) -> list[tuple[str, str, str]]:
    """Return rows of a figure's name, its value and its bar."""

    def per(count: int, total: int, thousand: int = 1000) -> str:
        return f"{thousand * count / max(1, total):.1f}"

    lengths = counts.function_lines
    return [
        (
            "AST nodes per body line, median",
            f"{statistics.median(counts.nodes_per_line):.1f}",
            "10",
        ),
        (f"lines over {MAX_COLUMNS} characters, %", per(counts.long_lines, counts.lines, 100), "0"),
        (
            "nested comprehensions per 1000 lines",
            per(counts.nested_comprehensions, counts.lines),
            "0.5",
        ),
        ("vague words per 1000 identifiers", per(counts.vague_words, counts.identifiers), "3"),
        ("`Any` per 1000 lines", per(counts.any_annotations, counts.lines), "15"),
        (
            "comments per 100 code lines in engine/",
            per(engine.comments, engine.code_lines, 100),
            "5",
        ),
        ("function lines, median", f"{statistics.median(lengths):g}", "12"),
        ("function lines, max", f"{max(lengths)}", "60"),
        ("annotated functions, %", per(counts.annotated, counts.functions, 100), "100"),
        ("public docstrings, %", per(counts.documented, counts.public, 100), "100"),
    ]


def main(folders: list[Path]) -> None:
    """Print the table for the Python files of some folders."""
    files = [file for folder in folders for file in sorted(folder.rglob("*.py"))]
    engine_files = [file for file in files if "engine" in file.parts]
    rows = [("figure", "today", "bar"), *table(measure(files), measure(engine_files))]
    width = max(len(name) for name, _, _ in rows)
    for name, value, bar in rows:
        print(f"{name.ljust(width)}  {value:>6}  {bar:>5}")


if __name__ == "__main__":
    main([Path(folder) for folder in sys.argv[1:]] or [ROOT / "src/blocksieve"])
