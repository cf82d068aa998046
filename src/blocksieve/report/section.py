"""A report's sections, and how they become plain text, or Markdown with figures and contents.

A section is given by keywords. Its table is a header and rows of cells, all of them text that is
written as it is; `blocksieve.report.columns` makes both from columns and records.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from textwrap import wrap

WIDTH = 110
GAP = "  "
CONTENTS = "Contents"
NO_ANCHOR = re.compile(r"[^\w\- ]")
"""What hubs and editors leave out of a heading's anchor."""


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading, in Markdown a figure with how to read it, notes, a table, and notes below it.

    The first `text_columns` columns are aligned at their left edge, the others at their right.
    """

    title: str
    figure: str | None = None
    reading: str = ""
    notes: Sequence[str] = ()
    header: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    text_columns: int = 1
    below: Sequence[str] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing under the heading."""
        return not (self.notes or self.rows or self.below or self.figure)


def with_rows(sections: Iterable[Section]) -> list[Section]:
    """Return the sections whose table has rows: without them their notes say nothing."""
    return [section for section in sections if section.rows]


def as_text(title: str, sections: Iterable[Section]) -> str:
    """Return sections as plain text, notes wrapped, without figures."""
    lines = [title, "=" * WIDTH]
    for section in sections:
        has_text = section.notes or section.rows or section.below
        if has_text:
            lines += _section_text(section)
    return "\n".join(lines) + "\n"


def _section_text(section: Section) -> list[str]:
    lines = ["", section.title, "-" * len(section.title), *_wrapped(section.notes)]
    if section.rows:
        lines += _aligned_table(section)
    return lines + _wrapped(section.below)


def as_markdown(title: str, sections: Iterable[Section]) -> str:
    """Return sections as Markdown, with a list of contents behind the first section."""
    first, *others = [section for section in sections if not section.empty]
    lines = [f"# {title}", *_section_markdown(first), "", f"## {CONTENTS}", ""]
    lines += [f"- [{section.title}](#{anchor(section.title)})" for section in others]
    for section in others:
        lines += _section_markdown(section)
    return "\n".join(lines) + "\n"


def _section_markdown(section: Section) -> list[str]:
    lines = ["", f"## {section.title}"]
    if section.figure:
        picture = f"![{section.title}](../figures/{section.figure}.png)"
        lines += ["", picture, "", f"*{section.reading}*"]
    lines += _paragraphs(section.notes)
    if section.rows:
        lines += ["", *_markdown_table(section)]
    return lines + _paragraphs(section.below)


def anchor(heading: str) -> str:
    """Return what a link to a heading ends with."""
    return NO_ANCHOR.sub("", heading.lower()).replace(" ", "-")


def _wrapped(notes: Sequence[str]) -> list[str]:
    lines = []
    for note in notes:
        lines += wrap(note, WIDTH)
    return lines


def _paragraphs(notes: Sequence[str]) -> list[str]:
    lines = []
    for note in notes:
        lines += ["", note]
    return lines


def _markdown_table(section: Section) -> list[str]:
    num_numbers = len(section.header) - section.text_columns
    rule = ["---"] * section.text_columns + ["---:"] * num_numbers
    return [_piped(cells) for cells in (section.header, rule, *section.rows)]


def _piped(cells: Sequence[str]) -> str:
    escaped = [cell.replace("|", "\\|") for cell in cells]
    return "| " + " | ".join(escaped) + " |"


def _aligned_table(section: Section) -> list[str]:
    rows = [section.header, *section.rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for cells in rows:
        lines += _aligned_row(cells, widths, section.text_columns)
    return lines


def _aligned_row(cells: Sequence[str], widths: Sequence[int], text_columns: int) -> list[str]:
    """Return the lines of one row: several where a last column of text is too long for the page."""
    indent = sum(width + len(GAP) for width in widths[:-1])
    last, further = cells[-1], []
    if text_columns == len(cells) and indent + len(last) > WIDTH:
        last, *further = wrap(last, WIDTH - indent)
    aligned = []
    for place, (cell, width) in enumerate(zip([*cells[:-1], last], widths, strict=True)):
        is_text = place < text_columns
        aligned.append(cell.ljust(width) if is_text else cell.rjust(width))
    first_line = GAP.join(aligned).rstrip()
    return [first_line, *(" " * indent + line for line in further)]
