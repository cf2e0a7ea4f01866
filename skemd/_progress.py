"""A progress bar on stderr for long work, silent unless asked for."""

import sys
import time


class ProgressBar:
    """Count steps on one line of stderr and estimate the time that is left.

    On a terminal the line is redrawn a few times a second. Elsewhere, such as in a log
    file, a new line is written every ten seconds.

    Parameters
    ----------
    total : int
        Number of steps.
    label : str
        Text at the start of the line.
    verbose : int
        0 prints nothing.
    """

    _WIDTH = 24
    _SECONDS_ON_A_TERMINAL = 0.2
    _SECONDS_ELSEWHERE = 10.0

    def __init__(self, total, label, verbose):
        self.total = total
        self.label = label
        self.stream = sys.stderr if verbose else None
        self.started = time.monotonic()
        self._redraws = self.stream is not None and self.stream.isatty()
        self._seconds = (
            self._SECONDS_ON_A_TERMINAL if self._redraws else self._SECONDS_ELSEWHERE
        )
        self._last_drawn = -float("inf") if self._redraws else self.started
        self._drawn_length = 0
        self._state = (0, "")

    def update(self, done, note=""):
        """Redraw the line, or write a new one, if it is time to.

        Parameters
        ----------
        done : int
            Number of finished steps.
        note : str, default=""
            Text after the bar.
        """
        self._state = (done, note)
        if time.monotonic() - self._last_drawn > self._seconds:
            self._draw(finished=False)

    def close(self):
        """Draw the last state and end the line."""
        self._draw(finished=True)
        if self._redraws:
            print(file=self.stream, flush=True)

    def _draw(self, finished):
        if self.stream is None:
            return
        done, note = self._state
        now = time.monotonic()
        self._last_drawn = now
        filled = self._WIDTH * done // max(self.total, 1)
        bar = "#" * filled + "." * (self._WIDTH - filled)
        elapsed = now - self.started
        line = f"{self.label} [{bar}] {done}/{self.total} {elapsed:.0f}s"
        if done and not finished:
            line += f"<{elapsed / done * (self.total - done):.0f}s"
        line += f" {note}"
        if not self._redraws:
            print(line.rstrip(), file=self.stream, flush=True)
            return
        padding = " " * max(self._drawn_length - len(line), 0)
        self._drawn_length = len(line)
        print(f"\r{line}{padding}", end="", file=self.stream, flush=True)
