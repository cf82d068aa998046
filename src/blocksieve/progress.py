"""How far a long job is, how fast, and how long it will still take."""

import logging
import time

logger = logging.getLogger("blocksieve")

SECONDS_BETWEEN_LINES = 5.0


class Progress:
    """Counts units of work and logs them, at most every few seconds."""

    def __init__(self, total: int, unit: str) -> None:
        self.total = total
        self.unit = unit
        self.done = 0
        self.start = time.monotonic()
        self.last_line = self.start

    def add(self, count: int) -> None:
        """Count `count` more units as done."""
        self.done += count
        now = time.monotonic()
        due = now - self.last_line >= SECONDS_BETWEEN_LINES
        if not due and self.done < self.total:
            return
        self.last_line = now
        rate = self.done / max(now - self.start, 1e-9)
        remaining = (self.total - self.done) / rate
        logger.info(
            "%d of %d %s, %.1f/s, %.0f s remaining",
            self.done,
            self.total,
            self.unit,
            rate,
            remaining,
        )
