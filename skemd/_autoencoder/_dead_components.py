"""Dead components of the code: find those that carry no information, and warn."""

from skemd._warnings import warn_user

__all__ = ["dead_components", "warn_of_dead_components"]

# A fit of fewer wafers in floating point is a trial, which often has dead components.
_MANY_WAFERS = 1_000


def dead_components(codes):
    """Find the components that are the same in all codes.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, n_components)
        Codes of the wafers in fit.

    Returns
    -------
    dead : ndarray of int
        Their indices.
    """
    (dead,) = (codes.min(axis=0) == codes.max(axis=0)).nonzero()
    return dead


def warn_of_dead_components(dead, n_components, n_wafers, *, few_bits):
    """Warn the caller of fit, if dead components are worth a warning.

    Parameters
    ----------
    dead : ndarray of int
        Their indices.
    n_components, n_wafers : int
        Components of a code, and wafers in fit.
    few_bits : bool
        Whether the encoder has formats. A dead component then costs bandwidth, however
        few the wafers are.
    """
    if len(dead) == 0 or not (few_bits or n_wafers >= _MANY_WAFERS):
        return
    warn_user(
        f"{len(dead)} of {n_components} components of the code are dead: the same for "
        f"all wafers of fit ({', '.join(map(str, dead))}; see dead_components_). They "
        "cost bandwidth and say nothing. Fit again with another random_state, a "
        "smaller learning_rate or fewer n_components.",
    )
