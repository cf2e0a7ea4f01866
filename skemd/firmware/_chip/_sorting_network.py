"""Batcher's merge exchange, the network by which the chip sorts 48 charges."""

import functools

import numpy as np

from skemd._number_formats._links import address_bits

__all__ = ["largest_first"]

_KEY_BITS = 24


@functools.cache
def _comparisons(n_places):
    """Return the network: for each of its steps two index arrays, compared in pairs.

    D. E. Knuth, The Art of Computer Programming, volume 3, algorithm 5.2.2 M.
    """
    steps = []
    top = 1 << (address_bits(n_places) - 1)
    p = top
    while p:
        q, r, distance = top, 0, p
        while True:
            first = np.arange(n_places - distance)
            first = first[first & p == r]
            steps.append((first, first + distance))
            if q == p:
                break
            distance, q, r = q - p, q >> 1, p
        p >>= 1
    return steps


def largest_first(keys):
    """Sort keys as the network does, and say where they came from.

    Equal keys are never exchanged, but they move with others: their order is neither
    that of rising nor that of falling addresses.

    Parameters
    ----------
    keys : ndarray of int of shape (n_places, n_crossings)
        Not negative and below 2**24. The chip has 48 places.

    Returns
    -------
    keys : ndarray of int of shape (n_places, n_crossings)
        The largest first.
    addresses : ndarray of int of shape (n_places, n_crossings)
        Where each of them stood.
    """
    n_places = len(keys)
    width = address_bits(n_places)
    # The chip's 6 bits fit, and half the width is twice the speed.
    dtype = np.int32 if _KEY_BITS + width < 32 else np.int64
    # The address travels in the lowest bits of its key.
    both = keys.astype(dtype) << width | np.arange(n_places, dtype=dtype)[:, None]
    addresses = 2**width - 1
    for first, second in _comparisons(n_places):
        a, b = both[first], both[second]
        # True where the key of a is smaller, whatever the addresses.
        exchange = (a | addresses) < b
        larger = np.where(exchange, b, a)
        both[second] = a ^ b ^ larger
        both[first] = larger
    return both >> width, both & addresses
