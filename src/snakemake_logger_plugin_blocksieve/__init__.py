"""Snakemake's logger `blocksieve`: a bar per rule, as the logger `rich` has them, and time left.

Snakemake finds loggers by the names of their modules, and imports them before the Snakefile says
where the package lies. So nothing of the package is imported here.
"""

import time
from collections.abc import Callable
from typing import ClassVar

from rich.panel import Panel
from rich.progress import Progress
from snakemake_logger_plugin_rich import LogHandler as RichLogHandler

SECONDS_BETWEEN_LOOKS = 10.0


class LogHandler(RichLogHandler):
    """The logger `rich` with the time left under its bars."""

    time_left: ClassVar[Callable[[], str | None] | None] = None
    """Says how long the run will still take, if that is known; the Snakefile sets it."""

    def __post_init__(self) -> None:
        """Show the bars in a frame that tells the time left."""
        super().__post_init__()
        self.live_display.update(Frame(self.progress))


class Frame:
    """Snakemake's bars, framed, with the time left in the lower edge."""

    def __init__(self, bars: Progress) -> None:
        self.bars = bars
        self.time_left: str | None = None
        self.last_look = 0.0

    def __rich__(self) -> Panel:
        """Draw the frame; ask for the time left every few seconds only."""
        now = time.monotonic()
        if LogHandler.time_left and now - self.last_look >= SECONDS_BETWEEN_LOOKS:
            self.last_look = now
            self.time_left = LogHandler.time_left()
        return Panel(self.bars, subtitle=self.time_left, border_style="dim", padding=(0, 1, 0, 1))
