"""How a training ended: whether it was interrupted, or was not long enough."""

from sklearn.exceptions import ConvergenceWarning

from skemd._warnings import warn_user

__all__ = ["improvement", "warn_of_ending"]


def improvement(losses):
    """Return by which part the best loss fell in the second half of the epochs.

    The learning rate falls to zero at the end of every training, however short, and the
    last epochs improve little. The second half tells short trainings from long ones.

    Parameters
    ----------
    losses : list of float
        One value for each epoch.

    Returns
    -------
    improvement : float
        Between 0 and 1: 1 minus the best loss of all over the best one of the first
        half. 0 for a single epoch, which has no halves.
    """
    n_first = len(losses) // 2
    if n_first == 0:
        return 0.0
    first = min(losses[:n_first])
    return 1 - min(min(losses), first) / first if first > 0 else 0.0


def warn_of_ending(result, caller, most=0.03):
    """Warn if a training was interrupted, or ended while its loss still improved.

    Parameters
    ----------
    result : TrainingResult
        Of its history "val_loss" decides, or "loss" without early stopping. A training
        that stopped early had converged.
    caller : str
        Name of the estimator in the message.
    most : float, default=0.03
        The largest :func:`improvement` without a warning. Of 24
        autoencoders, fitted with three losses to 2,400 and 10,000 wafers in 250 to
        12,000 steps, half were above it. Their EMD was 6 to 115% larger than that of
        the best fit of the same wafers and loss, but for one that was as good. That of
        the others was up to 5% larger, but for one with 22%.

    Warns
    -----
    ConvergenceWarning
        Once in each call of the user, at the user's line.
    """
    if result.interruption is not None:
        warn_user(result.interruption, ConvergenceWarning)
        return
    losses = result.history.get("val_loss", result.history["loss"])
    found = improvement(losses)
    if result.stopped_early or found <= most:
        return
    warn_user(
        f"{caller} ended while still improving, after all of its {len(losses)} epochs: "
        f"in the second half of them the best loss fell by {found:.1%}, more than "
        f"{most:.1%}. Increase epochs.",
        ConvergenceWarning,
    )
