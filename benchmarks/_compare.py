"""Time rivals in turns and report ratios with their spread over the turns."""

import dataclasses
import time

import numpy as np

from skemd.study import rst_table


@dataclasses.dataclass
class Comparison:
    """Seconds that rivals take for the same work, one entry per turn.

    Attributes
    ----------
    work : str
        Name of the work.
    unit : str
        Name of the items, for the rates.
    n_items : int
        Number of items in one turn.
    seconds : dict of str to list of float
        For each rival, the seconds of its turns.
    ours : str
        Which rival is skemd.
    targets : dict of str to float
        For some rivals, the ratio to reach.
    """

    work: str
    unit: str
    n_items: int
    seconds: dict
    ours: str
    targets: dict

    def ratios(self, rival):
        """Return how many times faster skemd was than a rival, turn by turn."""
        return np.array(self.seconds[rival]) / np.array(self.seconds[self.ours])

    def rows(self):
        """Return the table's rows: work, rival, rate, ratio with its range, target."""
        rows = []
        for rival, turns in self.seconds.items():
            rate = f"{self.n_items / np.median(turns):,.0f} {self.unit}/s"
            if rival == self.ours:
                rows.append((self.work, rival, rate, "1", ""))
                continue
            ratios = self.ratios(rival)
            middle, low, high = np.median(ratios), ratios.min(), ratios.max()
            digits = 2 if middle < 10 else 1 if middle < 100 else 0
            spread = f"{middle:,.{digits}f} ({low:,.{digits}f}-{high:,.{digits}f})"
            target = f"{self.targets[rival]:g}" if rival in self.targets else ""
            rows.append((self.work, rival, rate, spread, target))
        return rows

    def as_json(self):
        """Return everything measured, as plain values."""
        return dataclasses.asdict(self)


def in_turns(rivals, n_turns):
    """Run each rival once a turn, after one turn that does not count.

    Parameters
    ----------
    rivals : dict of str to callable
        The work, by the names of the rivals.
    n_turns : int
        Number of turns that count.

    Returns
    -------
    seconds : dict of str to list of float
        For each rival, the seconds of its turns.
    """
    seconds = {name: [] for name in rivals}
    for turn in range(n_turns + 1):
        for name, run in rivals.items():
            started = time.perf_counter()
            run()
            if turn > 0:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def table(comparisons):
    """Return a reStructuredText table of all comparisons."""
    header = ("work", "rival", "rate", "skemd is faster by (range)", "target")
    return rst_table(
        [header, *(row for comparison in comparisons for row in comparison.rows())]
    )
