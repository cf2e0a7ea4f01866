"""A score from any metric that returns one number per wafer."""

from skemd.metrics._pairs import weighted_mean

__all__ = ["mean_metric"]


def mean_metric(y_true, y_pred, *, metric, sample_weight=None, **options):
    """Return the mean of a metric over wafers, for ``make_scorer``.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples, n_cells), or images of a layout
        As `X_true` and `X_pred` of the metric.
    metric : callable
        ``metric(X_true, X_pred, **options)`` with one number per wafer, such as
        :func:`center_shift`.
    sample_weight : array-like of shape (n_samples,) or None, default=None
        Weights of the mean, not negative.
    **options
        Passed on to the metric, such as `geometry`.

    Returns
    -------
    mean : float
        In the unit of the metric.

    Raises
    ------
    ValueError
        As the metric raises, and if the weights do not fit.

    Examples
    --------
    >>> from sklearn.metrics import make_scorer
    >>> from skemd.metrics import center_shift, mean_metric
    >>> scoring = make_scorer(
    ...     mean_metric, metric=center_shift, greater_is_better=False
    ... )  # search.fit(X, X) passes the wafers as y
    """
    return weighted_mean(metric(y_true, y_pred, **options), sample_weight)
