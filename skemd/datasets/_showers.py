"""Charges of particles on a wafer: crossings of the silicon, in showers and alone.

A particle of pile-up or signal is a bundle of *crossings*, passages of single charged
particles through the silicon. Each crossing has a place on the wafer and a charge of
about half a minimum ionizing particle. Electromagnetic showers follow the longitudinal
and radial profiles of the LLR FastShower; pile-up is a Poisson process of small bundles
whose density rises toward the beam. Lengths are in cm, from the wafer's center or, for
radii, from the beam; energies are in GeV; charges are in MIP of a 200 um sensor.

References
----------
HGCAL FastShower, https://github.com/jbsauvan/HGCAL-FastShower (shower_cfg.py).
G. Grindhammer, S. Peters, "The Parameterized Simulation of Electromagnetic Showers in
Homogeneous and Sampling Calorimeters", arXiv:hep-ex/0001020.
"""

import functools
from typing import NamedTuple

import numpy as np
from scipy.special import gammaln

from skemd.geometry import TRIGGER_CELL_PITCH_CM, hgcal_wafer

N_LAYERS = 28  # of the electromagnetic compartment; CMS-TDR-019: 25 X0, from z = 321 cm
RADIATION_LENGTHS_PER_LAYER = 25 / N_LAYERS
FIRST_LAYER_Z = 321.0
LAYER_SPACING = 1.2
UPSTREAM_RADIATION_LENGTHS = 1.0  # tracker and services in front

MOLIERE_RADIUS = 2.3  # cm, FastShower
CRITICAL_ENERGY = 5.36e-3  # GeV, FastShower
ENERGY_PER_MIP = 10.94e-3  # GeV a layer, CMSSW's dE/dx weights

# Crossings are drawn on a disk slightly larger than the wafer, whose corners lie 9.7 cm
# from its center.
DISK_RADIUS = 10.0
RASTER_STEP = 0.06

# Larger showers have this many crossings of more charge, which are as smooth.
MAX_CROSSINGS = 400

# Signal: dN/dpT ~ pT^-2 between these, in GeV.
SIGNAL_PT_RANGE = (2.0, 100.0)

# Calibrated together to the published quantiles of ttbar events with 200 pile-up
# collisions at layer 9 (the table of the dataset's card).
CROSSING_CHARGE = 0.48  # mean in MIP; most crossings are soft, the sensors irradiated
CROSSING_SPREAD = 1.05  # standard deviation of the charge's logarithm
PILEUP_DENSITY = 0.082  # particles per cm^2 and 200 collisions, 100 cm off the beam
PILEUP_FALL = 8.0  # density ~ (r^2 + PILEUP_CORE^2)^(-PILEUP_FALL / 2)
PILEUP_CORE = 88.0  # cm
# Mean number of crossings of a particle beyond its first, per unit of cosh(eta): the
# median, and the end of the tail ~ n^-2.
PILEUP_SHOWER_SCALE = 0.06
MAX_PILEUP_SHOWER = 13.0


class Crossings(NamedTuple):
    """Charges left at places on wafers: four arrays of shape (n_crossings,).

    `wafer` is the row of the crossing, `x` and `y` its place in cm from the wafer's
    center, `charge` its charge in MIP.
    """

    wafer: np.ndarray
    x: np.ndarray
    y: np.ndarray
    charge: np.ndarray


def layer_z(layer):
    """Return the distance of a layer from the collisions, along the beam, in cm."""
    return FIRST_LAYER_Z + LAYER_SPACING * layer


def radial_scale(layer):
    """Return the mean distance of a shower's crossings from its axis in cm.

    FastShower's quadratic in the layer index k = layer - 1, in units of the Moliere
    radius, which holds 90% of the energy at k = 14.
    """
    k = layer - 1
    quadratic = 9 - 18 / 63 + 135 / 630 * k + 45 / 630 * k**2
    return quadratic * MOLIERE_RADIUS / np.log(10) / N_LAYERS


def layer_fraction(energy, layer, normals=(0.0, 0.0)):
    """Return the fraction of electromagnetic showers' energy that one layer holds.

    Along the depth t, in radiation lengths, a shower is a gamma density with maximum
    at T and shape a,

        dE/dt = E b (b t)^(a-1) exp(-b t) / Gamma(a),   b = (a - 1) / T,

    where ln T and ln a of single showers fluctuate together about their means, which
    grow with ln(E / E_critical).

    Parameters
    ----------
    energy : float or ndarray of shape (n_showers,)
        In GeV.
    layer : int
        From 1.
    normals : pair of float or of ndarray of shape (n_showers,), default=(0.0, 0.0)
        Standard normal numbers that set the fluctuations; zeros for the mean shower.

    Returns
    -------
    fraction : float or ndarray of shape (n_showers,)
        Energy in the layer over energy of the shower.
    """
    normal_t, normal_a = normals
    # The parametrization ends below a few hundred MeV.
    log_y = np.log(np.maximum(energy, 0.5) / CRITICAL_ENERGY)
    correlation = 0.7858 - 0.0232 * log_y
    normal_a = correlation * normal_t + np.sqrt(1 - correlation**2) * normal_a
    maximum = (-1.396 + 1.007 * log_y) * np.exp(normal_t / (-2.506 + 1.245 * log_y))
    shape = (-0.0433 + 0.540 * log_y) * np.exp(normal_a / (-0.08442 + 0.7904 * log_y))
    shape = np.maximum(shape, 1.1)
    rate = (shape - 1) / maximum
    depth = UPSTREAM_RADIATION_LENGTHS + RADIATION_LENGTHS_PER_LAYER * layer
    log_density = (shape - 1) * np.log(rate * depth) - rate * depth - gammaln(shape)
    return rate * np.exp(log_density) * RADIATION_LENGTHS_PER_LAYER


def signal_crossings(wafer, eta, layer, energy_scale, rng):
    """Draw one electromagnetic shower for each signal wafer.

    Parameters
    ----------
    wafer : ndarray of int of shape (n_showers,)
        The rows that get a shower.
    eta : ndarray of shape (n_showers,)
        Pseudorapidity of these wafers.
    layer : int
        From 1.
    energy_scale : float
        Factor on the showers' energies.
    rng : RandomState
        Source of randomness.

    Returns
    -------
    crossings : Crossings
        On the wafers and around them.
    """
    n_showers = len(wafer)
    lowest, highest = SIGNAL_PT_RANGE
    pt = lowest / (1 - rng.uniform(size=n_showers) * (1 - lowest / highest))
    energy = energy_scale * pt * np.cosh(eta)
    fraction = layer_fraction(energy, layer, rng.standard_normal((2, n_showers)))
    expected = energy * fraction / (ENERGY_PER_MIP * CROSSING_CHARGE)
    thrown = 1 + rng.poisson(np.minimum(expected, MAX_CROSSINGS))
    weight = np.maximum(expected / MAX_CROSSINGS, 1.0)
    x, y = _places_on_disk(n_showers, rng)
    return _bundles(wafer, x, y, thrown, weight, radial_scale(layer), rng)


def pileup_crossings(radius, azimuth, collisions, layer, energy_scale, rng):
    """Draw the pile-up on wafers.

    The number of particles on a wafer is Poisson with a mean in proportion to the
    activity of the event's collisions; their density on the wafer falls with the
    distance from the beam. Most cross alone; the number of further crossings has a tail
    ~ n^-2.

    Parameters
    ----------
    radius : ndarray of shape (n_wafers,)
        Distance of the wafers' centers from the beam in cm.
    azimuth : ndarray of shape (n_wafers,)
        Direction of the beam as seen from the wafers, whose orientation is random, in
        radians.
    collisions : float
        Mean number of pile-up collisions.
    layer : int
        From 1.
    energy_scale : float
        Factor on the particles' energies: on the crossings beyond a particle's first.
    rng : RandomState
        Source of randomness.

    Returns
    -------
    crossings : Crossings
        On the wafers and around them.
    """
    # Collisions are Poisson and the activity of each exponential: a sum of n is gamma.
    activity = rng.standard_gamma(rng.poisson(collisions, len(radius))) / 200
    # Soft showers of a few GeV carry pile-up from layer to layer.
    depth = layer_fraction(3.0, layer) / layer_fraction(3.0, 9)
    nearest = radius - DISK_RADIUS
    expected = PILEUP_DENSITY * np.pi * DISK_RADIUS**2 * depth * activity
    particles = rng.poisson(expected * _relative_density(nearest))
    wafer = np.repeat(np.arange(len(radius)), particles)
    x, y = _places_on_disk(len(wafer), rng)
    from_beam = np.hypot(
        radius[wafer] + x * np.cos(azimuth[wafer]) + y * np.sin(azimuth[wafer]),
        y * np.cos(azimuth[wafer]) - x * np.sin(azimuth[wafer]),
    )
    # Drawn at the density of the disk's nearest point, then thinned to that of each
    # place.
    thinning = _relative_density(from_beam) / _relative_density(nearest)[wafer]
    kept = rng.uniform(size=len(wafer)) < thinning
    wafer, x, y = wafer[kept], x[kept], y[kept]
    tail = 1 / (1 - rng.uniform(size=len(wafer))) - 1
    further = np.minimum(PILEUP_SHOWER_SCALE * tail, MAX_PILEUP_SHOWER)
    # Energy is transverse energy times cosh(eta) = sqrt(1 + (z / r)^2).
    boost = np.hypot(1.0, layer_z(layer) / radius)[wafer]
    thrown = 1 + rng.poisson(energy_scale * boost * further)
    return _bundles(wafer, x, y, thrown, 1.0, radial_scale(layer), rng)


def collect(crossings, n_wafers):
    """Sum the crossings' charges in the trigger cells that they hit.

    Parameters
    ----------
    crossings : Crossings
        Those outside of the wafer are lost.
    n_wafers : int
        Number of rows.

    Returns
    -------
    charges : ndarray of shape (n_wafers, 48)
        In MIP.
    n_crossings : ndarray of int of shape (n_wafers,)
        Number of crossings that hit a cell.
    """
    cell = _cell_at(crossings.x, crossings.y)
    hit = cell >= 0
    wafer, n_cells = crossings.wafer[hit], hgcal_wafer().n_cells
    place = wafer * n_cells + cell[hit]
    charges = np.bincount(place, crossings.charge[hit], minlength=n_wafers * n_cells)
    n_crossings = np.bincount(wafer, minlength=n_wafers)
    return charges.reshape(n_wafers, n_cells), n_crossings


def _bundles(wafer, x, y, thrown, weight, scale, rng):
    """Draw each bundle's crossings around its axis, exponential in the distance."""
    bundle = np.repeat(np.arange(len(wafer)), thrown)
    distance = scale * rng.standard_exponential(len(bundle))
    # A lone crossing is a track: it stays on the axis.
    distance[(thrown == 1)[bundle]] = 0.0
    angle = rng.uniform(0, 2 * np.pi, len(bundle))
    logarithm = rng.normal(-(CROSSING_SPREAD**2) / 2, CROSSING_SPREAD, len(bundle))
    charge = CROSSING_CHARGE * np.exp(logarithm)
    charge *= np.broadcast_to(weight, len(wafer))[bundle]
    return Crossings(
        wafer[bundle],
        x[bundle] + distance * np.cos(angle),
        y[bundle] + distance * np.sin(angle),
        charge,
    )


def _relative_density(radius):
    """Return the density of pile-up particles over that at 100 cm from the beam."""
    ratio = (100.0**2 + PILEUP_CORE**2) / (radius**2 + PILEUP_CORE**2)
    return ratio ** (PILEUP_FALL / 2)


def _places_on_disk(n_places, rng):
    distance = DISK_RADIUS * np.sqrt(rng.uniform(size=n_places))
    angle = rng.uniform(0, 2 * np.pi, n_places)
    return distance * np.cos(angle), distance * np.sin(angle)


def _cell_at(x, y):
    """Return the trigger cell at each place, -1 outside, to the step of the raster."""
    raster = _raster()
    half = len(raster) // 2
    row = np.rint(x / RASTER_STEP).astype(np.intp) + half
    column = np.rint(y / RASTER_STEP).astype(np.intp) + half
    inside = (np.abs(row - half) <= half) & (np.abs(column - half) <= half)
    return np.where(inside, raster[row * inside, column * inside], -1)


@functools.cache
def _raster():
    """Return the nearest trigger cell for each point of a square around the wafer."""
    half = int(np.ceil((DISK_RADIUS + TRIGGER_CELL_PITCH_CM) / RASTER_STEP))
    axis = RASTER_STEP * np.arange(-half, half + 1)
    positions = hgcal_wafer().positions * TRIGGER_CELL_PITCH_CM / 2
    cell_x, cell_y = (positions - positions.mean(axis=0)).T
    squared = np.stack(
        [
            (axis[:, None] - x) ** 2 + (axis[None, :] - y) ** 2
            for x, y in zip(cell_x, cell_y, strict=True)
        ]
    )
    # Cells tile their faces as hexagons of one pitch across.
    reach = TRIGGER_CELL_PITCH_CM / np.sqrt(3)
    raster = np.where(squared.min(axis=0) <= reach**2, squared.argmin(axis=0), -1)
    raster = raster.astype(np.int8)
    raster.setflags(write=False)
    return raster
