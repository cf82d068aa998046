"""A report's sections, and how they become plain text or Markdown."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from textwrap import wrap

WIDTH = 110


@dataclass(frozen=True)
class Section:
    """A heading, sentences, a table and sentences below it; the first `left` columns are aligned at their left edge."""

    title: str
    sentences: Sequence[str] = ()
    header: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = field(default=())
    left: int = 1
    below: Sequence[str] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing under the heading."""
        return not (self.sentences or self.rows or self.below)


def as_text(title: str, sections: Iterable[Section]) -> str:
    """Write sections as plain text, sentences wrapped."""
    lines = [title, "=" * WIDTH]
    for section in sections:
        if not section.empty:
            table = _columns(section) if section.rows else []
            lines += ["", section.title, "-" * len(section.title)]
            lines += [*_wrapped(section.sentences), *table, *_wrapped(section.below)]
    return "\n".join(lines) + "\n"


def as_markdown(title: str, sections: Iterable[Section]) -> str:
    """Write sections as Markdown."""
    lines = [f"# {title}"]
    for section in sections:
        if not section.empty:
            lines += ["", f"## {section.title}"]
            lines += [line for text in section.sentences for line in ("", text)]
            if section.rows:
                ends = [
                    "---" if place < section.left else "---:"
                    for place in range(len(section.header))
                ]
                lines += ["", *(_piped(row) for row in (section.header, ends, *section.rows))]
            lines += [line for text in section.below for line in ("", text)]
    return "\n".join(lines) + "\n"


def _piped(row: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


def _wrapped(sentences: Sequence[str]) -> list[str]:
    return [line for text in sentences for line in wrap(text, WIDTH)]


def _columns(section: Section) -> list[str]:
    """Aligned columns; a last column of text goes on in the next line."""
    lines = [section.header, *section.rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    before = sum(width + 2 for width in widths[:-1])
    found = []
    for line in lines:
        cells = [
            cell.ljust(width) if place < section.left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        if section.left == len(line) and before + len(line[-1]) > WIDTH:
            first, *rest = wrap(line[-1], WIDTH - before)
            cells[-1] = first
            found += ["  ".join(cells).rstrip(), *(" " * before + part for part in rest)]
        else:
            found.append("  ".join(cells).rstrip())
    return found
