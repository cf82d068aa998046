"""Snakemake's logger `blocksieve`: a bar per rule, as the logger `rich` has them, and time left.

Snakemake finds loggers by the names of their modules.
"""

import time
from pathlib import Path
from typing import ClassVar

from rich.panel import Panel
from rich.progress import Progress
from snakemake_logger_plugin_rich import LogHandler as RichLogHandler

from blocksieve.commands import status

SECONDS_BETWEEN_LOOKS = 10.0


class LogHandler(RichLogHandler):
    """The logger `rich` with the time left under its bars."""

    results: ClassVar[Path | None] = None
    """The results of the run that goes on; the Snakefile sets it."""

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
        """Draw the frame; look at the run's files every few seconds only."""
        now = time.monotonic()
        if LogHandler.results and now - self.last_look >= SECONDS_BETWEEN_LOOKS:
            self.last_look = now
            self.time_left = status.time_left(LogHandler.results)
        return Panel(self.bars, subtitle=self.time_left, border_style="dim", padding=(0, 1, 0, 1))
