"""Batcher's merge exchange, the network by which the chip sorts 48 charges."""

import functools

import numpy as np

from skemd._number_formats._links import ADDRESS_BITS

__all__ = ["largest_first"]

_ADDRESSES = 2**ADDRESS_BITS - 1


@functools.cache
def _comparisons(n_places):
    """Return the network: for each of its steps two index arrays, compared in pairs.

    D. E. Knuth, The Art of Computer Programming, volume 3, algorithm 5.2.2 M.
    """
    steps = []
    top = 1 << ((n_places - 1).bit_length() - 1)
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
    keys : ndarray of int32 of shape (n_places, n_crossings)
        Not negative and below 2**24, at most 64 places.

    Returns
    -------
    keys : ndarray of int32 of shape (n_places, n_crossings)
        The largest first.
    addresses : ndarray of int32 of shape (n_places, n_crossings)
        Where each of them stood.
    """
    n_places = len(keys)
    address = np.arange(n_places, dtype=np.int32)[:, None]
    # The address travels in the lowest bits of its key.
    both = keys.astype(np.int32) << ADDRESS_BITS | address
    for first, second in _comparisons(n_places):
        a, b = both[first], both[second]
        # True where the key of a is smaller, whatever the addresses.
        exchange = (a | _ADDRESSES) < b
        larger = np.where(exchange, b, a)
        both[second] = a ^ b ^ larger
        both[first] = larger
    return both >> ADDRESS_BITS, both & _ADDRESSES
