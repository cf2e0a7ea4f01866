"""Summaries of a comparison: a row for each algorithm, profiles, ratios over seeds.

The key of an algorithm is (algorithm, n_output_links) here.
"""

import numpy as np

from skemd.study._profiles import profile, profile_ratios

__all__ = ["link_rows", "pooled_profiles", "ratios_over_seeds"]


def link_rows(comparisons):
    """Summarize accuracy and payload of each algorithm over the seeds.

    Parameters
    ----------
    comparisons : sequence of Comparison
        As returned by :func:`skemd.study.compare`.

    Returns
    -------
    rows : list of dict
        One for each algorithm and number of links, in order of first appearance:
        "algorithm", "n_output_links", "n_seeds", "n_wafers" (of all seeds); for each
        metric the mean over wafers, as "{metric}_mean", "_lowest" and "_highest" over
        the seeds, without wafers that have no finite number; "payload_bits_mean" and
        "payload_bits_max"; "lost_fraction", the fraction of wafers whose reconstruction
        has no charge.
    """
    groups = grouped(comparisons)
    return [_link_row(*key, group) for key, group in groups.items()]


def _link_row(algorithm, n_output_links, group):
    row = {
        "algorithm": algorithm,
        "n_output_links": n_output_links,
        "n_seeds": len(group),
        "n_wafers": sum(len(one.lost) for one in group),
    }
    for metric in group[0].values:
        means = np.array([_mean(one.values[metric]) for one in group])
        row[f"{metric}_mean"] = _mean(means)
        row[f"{metric}_lowest"] = means.min()
        row[f"{metric}_highest"] = means.max()
    payload = np.concatenate([one.payload_bits for one in group])
    row["payload_bits_mean"] = payload.mean()
    row["payload_bits_max"] = payload.max()
    row["lost_fraction"] = np.concatenate([one.lost for one in group]).mean()
    return row


def _mean(values):
    finite = values[np.isfinite(values)]
    return finite.mean() if len(finite) else np.nan


def pooled_profiles(comparisons, value, by, bins=10):
    """Return the profile of each algorithm over the wafers of all seeds.

    Parameters
    ----------
    comparisons : sequence of Comparison
        As returned by :func:`skemd.study.compare`.
    value, by : str
        Names of a metric and of a property of the wafers.
    bins : int or array-like of shape (n_bins + 1,), default=10
        As in :func:`skemd.study.profile`; pass edges to compare algorithms.

    Returns
    -------
    profiles : dict of (str, int or None) to Profile
        By algorithm and number of links, in order of first appearance.

    Raises
    ------
    ValueError
        If there is no such metric or property.
    """
    return {
        key: profile(
            np.concatenate([_column(one.values, value, "metric") for one in group]),
            np.concatenate([_column(one.properties, by, "property") for one in group]),
            bins,
        )
        for key, group in grouped(comparisons).items()
    }


def ratios_over_seeds(comparisons, ours, other, value, by, bins):
    """Divide one algorithm's medians by another's, bin by bin and seed by seed.

    Parameters
    ----------
    comparisons : sequence of Comparison
        As returned by :func:`skemd.study.compare`.
    ours, other : tuple of (str, int or None)
        Name and number of links of each.
    value, by : str
        Names of a metric and of a property of the wafers.
    bins : array-like of shape (n_bins + 1,)
        Edges in the unit of the property, as in :func:`skemd.study.profile`.

    Returns
    -------
    ratios : Ratios
        Mean and range over the seeds.

    Raises
    ------
    ValueError
        If there is no such algorithm, metric or property.
    """
    groups = grouped(comparisons)
    missing = [key for key in (ours, other) if key not in groups]
    if missing:
        raise ValueError(
            f"The comparisons hold no {missing[0]}; they have {list(groups)}."
        )
    by_seed = [
        [
            profile(
                _column(one.values, value, "metric"),
                _column(one.properties, by, "property"),
                bins,
            )
            for one in groups[key]
        ]
        for key in (ours, other)
    ]
    return profile_ratios(*by_seed)


def grouped(comparisons):
    """Return the comparisons of each algorithm and number of links."""
    groups = {}
    for one in comparisons:
        groups.setdefault((one.algorithm, one.n_output_links), []).append(one)
    return groups


def _column(columns, name, kind):
    if name not in columns:
        raise ValueError(
            f"The wafers have no {kind} {name!r}; they have {list(columns)}."
        )
    return columns[name]
