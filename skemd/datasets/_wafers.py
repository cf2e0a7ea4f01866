"""Synthetic wafers of the CMS endcap calorimeter, with the statistics of real ones."""

import numpy as np
from sklearn.utils import check_random_state

from skemd._checks import check_number
from skemd.datasets._showers import (
    ENERGY_PER_MIP,
    N_LAYERS,
    collect,
    layer_z,
    pileup_crossings,
    signal_crossings,
)

__all__ = ["make_wafers"]

# HGCROC: 100 fC over 1024 counts; 3.43 fC per MIP in 200 um of silicon.
ADC_PER_MIP = 3.43 / (100 / 1024)
# ECON-T: a trigger cell has a calibration factor in steps of 2^-11, here 1/cosh(eta).
CHIP_TRANSVERSE_STEPS = 2048
SUPPRESSION = 3.0  # threshold of the zero suppression over the noise
# A trigger cell joins four sensor cells, and 0.135% of Gaussian noise is above 3 sigma.
NOISE_HIT_PROBABILITY = 4 * 0.00135
NOISE_HIT_DECAY = 0.28  # mean excess over 3 sigma of a Gaussian's tail, in sigma

CHUNK = 2000
MAX_ROUNDS = 1000


def make_wafers(
    n_samples=1000,
    *,
    pileup=200.0,
    signal_fraction=0.03,
    energy_scale=1.0,
    noise=0.11,
    layer=9,
    eta_range=(1.53, 3.05),
    random_state=None,
    return_info=False,
):
    """Generate wafers of trigger-cell charges as pile-up and showers leave them.

    With the default settings, occupancy, charge sum and largest charge follow the
    quantiles published for layer 9 in ttbar events with 200 pile-up collisions; see
    the card ``datasets/descr/make_wafers.rst``. Wafers are uniform over the area of
    the layer. Those without any charge after zero suppression are drawn again.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of wafers.
    pileup : float, default=200.0
        Mean number of pile-up collisions per bunch crossing. Its particles' density
        rises by two orders of magnitude from the rim of the endcap to the beam.
    signal_fraction : float, default=0.03
        Probability that an electromagnetic shower of signal falls on a wafer.
    energy_scale : float, default=1.0
        Factor on the energy of every particle, of signal and pile-up alike.
    noise : float, default=0.11
        Root mean square noise of a sensor cell in MIP; zero suppression cuts at three
        times that. The default is that of a new sensor of 200 um (0.38 fC of 3.43 fC).
    layer : int, default=9
        Layer of the electromagnetic compartment, 1 to 28. It sets the width and the
        depth of the showers.
    eta_range : tuple of (float, float), default=(1.53, 3.05)
        Lowest and highest pseudorapidity of the wafers' centers, within [1.4, 3.2].
    random_state : int, RandomState instance or None, default=None
        Source of randomness. An int gives the same wafers each time.
    return_info : bool, default=False
        Whether to return information about each wafer as well.

    Returns
    -------
    X : ndarray of shape (n_samples, 48)
        Transverse charges in whole CALQ counts (35.1 counts = 1 transverse MIP),
        float64, in trigger-cell order. Every row has a positive sum.
    info : dict of str to ndarray of shape (n_samples,)
        Only with ``return_info=True``:

        - "eta": pseudorapidity of the wafer's center;
        - "sim_energy": energy of the signal shower on this wafer in this layer in
          GeV, 0 without a shower;
        - "occupancy": number of cells with charge;
        - "n_pileup_crossings": charged particles of pile-up that crossed the wafer.

    Raises
    ------
    ValueError
        If a parameter is out of range, or no source of charge is left.

    References
    ----------
    CMS Collaboration, "The Phase-2 Upgrade of the CMS Endcap Calorimeter",
    CMS-TDR-019 (2017).

    R. Shenoy et al., arXiv:2306.04712.

    Examples
    --------
    >>> from skemd.datasets import make_wafers
    >>> X, info = make_wafers(5, random_state=0, return_info=True)
    >>> X.shape
    (5, 48)
    >>> bool((X.sum(axis=1) > 0).all())
    True
    """
    _check_parameters(n_samples, pileup, signal_fraction, energy_scale, noise, layer)
    radius_range = layer_z(layer) / np.sinh(_checked_eta_range(eta_range))
    rng = check_random_state(random_state)
    has_signal = rng.uniform(size=n_samples) < signal_fraction
    X = np.zeros((n_samples, 48))
    columns = ("eta", "sim_energy", "occupancy", "n_pileup_crossings")
    known = np.zeros((n_samples, len(columns)))
    missing = np.arange(n_samples)
    for _ in range(MAX_ROUNDS):
        for start in range(0, len(missing), CHUNK):
            rows = missing[start : start + CHUNK]
            X[rows], known[rows] = _draw(
                has_signal[rows], radius_range, layer, pileup, energy_scale, noise, rng
            )
        # A shower without charge is no signal; its wafer is drawn again as well.
        without_shower = has_signal[missing] & (known[missing, 1] == 0)
        missing = missing[(X[missing].sum(axis=1) == 0) | without_shower]
        if len(missing) == 0:
            break
    else:
        raise ValueError(
            f"{len(missing)} of {n_samples} wafers are still without charge after "
            f"{MAX_ROUNDS} draws of pileup={pileup} and noise={noise}. Raise pileup "
            "or noise, or narrow eta_range toward the beam."
        )
    if not return_info:
        return X
    info = dict(zip(columns, known.T.copy(), strict=True))
    for name in ("occupancy", "n_pileup_crossings"):
        info[name] = info[name].astype(np.intp)
    return X, info


def _draw(has_signal, radius_range, layer, pileup, energy_scale, noise, rng):
    """Draw one wafer for each entry of `has_signal`; some may be empty."""
    n_wafers = len(has_signal)
    # Uniform over the area of the layer, with a random orientation of each wafer.
    radius = np.sqrt(rng.uniform(*np.sort(np.square(radius_range)), n_wafers))
    azimuth = rng.uniform(0, 2 * np.pi, n_wafers)
    eta = np.arcsinh(layer_z(layer) / radius)
    rain = pileup_crossings(radius, azimuth, pileup, layer, energy_scale, rng)
    charges, n_crossings = collect(rain, n_wafers)
    struck = np.flatnonzero(has_signal)
    shower = signal_crossings(struck, eta[struck], layer, energy_scale, rng)
    signal_charges, _ = collect(shower, n_wafers)
    X = read_out(charges + signal_charges, eta, noise, rng)
    sim_energy = ENERGY_PER_MIP * signal_charges.sum(axis=1)
    return X, np.column_stack([eta, sim_energy, (X > 0).sum(axis=1), n_crossings])


def read_out(charges, eta, noise, rng):
    """Turn charges in the silicon into the counts that the concentrator sees.

    Noise and zero suppression come first, then the two truncations of the read-out:
    ``ADC = floor(charge)`` in counts and ``CALQ = floor(ADC w)``, where w is
    1/cosh(eta) rounded to 11 bits.

    Parameters
    ----------
    charges : ndarray of shape (n_wafers, 48)
        In MIP.
    eta : ndarray of shape (n_wafers,)
        Pseudorapidity.
    noise : float
        Of a sensor cell, in MIP.
    rng : RandomState
        Source of randomness.

    Returns
    -------
    X : ndarray of shape (n_wafers, 48)
        Whole transverse counts.
    """
    threshold = SUPPRESSION * noise
    # One sensor cell holds most of a trigger cell's charge; the noise is its own.
    smeared = charges + noise * rng.standard_normal(charges.shape) * (charges > 0)
    noise_hit = rng.uniform(size=charges.shape) < NOISE_HIT_PROBABILITY
    excess = NOISE_HIT_DECAY * rng.standard_exponential(np.count_nonzero(noise_hit))
    smeared[noise_hit] += threshold + noise * excess
    smeared[smeared < threshold] = 0.0
    adc = np.floor(smeared * ADC_PER_MIP)
    transverse = np.rint(CHIP_TRANSVERSE_STEPS / np.cosh(eta)) / CHIP_TRANSVERSE_STEPS
    return np.floor(adc * transverse[:, None])


def _check_parameters(n_samples, pileup, signal_fraction, energy_scale, noise, layer):
    check_number(n_samples, "n_samples", low=1, integer=True)
    check_number(pileup, "pileup", low=0)
    check_number(signal_fraction, "signal_fraction", low=0, high=1)
    check_number(energy_scale, "energy_scale", low=0, open_ends=True)
    check_number(noise, "noise", low=0)
    check_number(layer, "layer", low=1, high=N_LAYERS, integer=True)
    if pileup == 0 and noise == 0 and signal_fraction < 1:
        raise ValueError(
            "With pileup=0 and noise=0 a wafer without signal stays empty. Set "
            "signal_fraction=1, or raise pileup or noise."
        )


def _checked_eta_range(eta_range):
    eta_range = np.asarray(eta_range, dtype=np.float64)
    ordered = eta_range.shape == (2,) and 1.4 <= eta_range[0] <= eta_range[1] <= 3.2
    if not ordered:
        raise ValueError(
            "eta_range must hold a lowest and a highest pseudorapidity within "
            f"[1.4, 3.2]; got {eta_range.tolist()}."
        )
    return eta_range
