"""A progress bar on stderr for long work, silent unless asked for."""

import sys
import time


class ProgressBar:
    """Count steps on one line of stderr and say how long the rest will take.

    Parameters
    ----------
    total : int
        How many steps there are.
    label : str
        What the line starts with.
    verbose : int
        0 for silence.
    """

    _WIDTH = 24
    _SECONDS_BETWEEN_UPDATES = 0.2

    def __init__(self, total, label, verbose):
        self.total = total
        self.label = label
        self.stream = sys.stderr if verbose else None
        self.started = time.monotonic()
        self._last_drawn = -float("inf")
        self._drawn_length = 0

    def update(self, done, note=""):
        """Draw the line anew, at most a few times a second.

        Parameters
        ----------
        done : int
            Steps that are finished.
        note : str, default=""
            What to show behind the bar.
        """
        now = time.monotonic()
        recently = now - self._last_drawn < self._SECONDS_BETWEEN_UPDATES
        if self.stream is None or (recently and done < self.total):
            return
        self._last_drawn = now
        filled = self._WIDTH * done // max(self.total, 1)
        bar = "#" * filled + "." * (self._WIDTH - filled)
        elapsed = now - self.started
        left = elapsed / done * (self.total - done) if done else float("nan")
        line = f"{self.label} [{bar}] {done}/{self.total} {elapsed:.0f}s"
        line += f"<{left:.0f}s {note}" if done < self.total else f" {note}"
        padding = " " * max(self._drawn_length - len(line), 0)
        self._drawn_length = len(line)
        print(f"\r{line}{padding}", end="", file=self.stream, flush=True)

    def close(self):
        """End the line."""
        if self.stream is not None and self._drawn_length:
            print(file=self.stream, flush=True)
