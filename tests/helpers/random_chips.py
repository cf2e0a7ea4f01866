"""Random settings of ECON-T, and words of its input links that try its corners."""

import numpy as np

from skemd.firmware import ChipSettings, EncoderWeights


def random_settings(algorithm, rng, **fixed):
    """Return settings drawn from all that the chip has, corners more often."""
    version = fixed.get("version", str(rng.choice(["prototype", "production"])))
    settings = {
        "version": version,
        "high_density": bool(rng.integers(2)),
        "n_links": int(rng.integers(1, 14)),
        "use_sum": bool(rng.integers(2)),
        "stc_type": int(rng.integers(5 if version == "production" else 4)),
        "drop_lsb": int(rng.integers(8)),
        "idle_pattern": int(rng.integers(2**11)),
        "mux": rng.permutation(48) if rng.random() < 0.7 else rng.integers(48, size=48),
        "calibration": calibration(rng),
        "thresholds": thresholds(rng),
        "keep_mask": keep_mask(rng),
        "weights": random_weights(rng),
    }
    settings |= limits(rng, settings["n_links"])
    return ChipSettings(algorithm, **(settings | fixed))


def limits(rng, n_links):
    """Return limits of the buffer such that each of its four cases comes up."""
    t1 = int(rng.choice([24 * n_links, 338, 505, rng.integers(1, 600)]))
    low = rng.random() < 0.6
    return {
        "t1": t1,
        "t2": int(rng.integers(1 + t1 // 4)) if low else 500,
        "t3": int(rng.integers(1, 26)) if low else 0,
        "buffer_room": rng.choice(["version", None, 100], p=[0.6, 0.2, 0.2]),
    }


def calibration(rng):
    kind = rng.integers(4)
    if kind == 0:
        return rng.integers(4096, size=48)
    if kind == 1:
        return 4095 * rng.integers(2, size=48)
    # As charges come, at the upper end of their range, or none at all.
    return np.full(48, rng.choice([2048, 4095, 0], p=[0.7, 0.2, 0.1]))


def thresholds(rng):
    kind = rng.integers(3)
    if kind == 0:
        return np.full(48, rng.choice([0, 4, 5, 47, 2**22 - 1]))
    low, high = (0, 2000) if kind == 1 else (0, 2**22)
    return rng.integers(low, high, size=48)


def keep_mask(rng):
    kind = rng.integers(3)
    if kind == 0:
        return 2**144 - 1
    random = int.from_bytes(rng.bytes(18), "big")
    if kind == 1:
        return random
    # The top bits of each number.
    top = int("1" * 3 + "0" * 6, 2)
    return sum(top << (9 * number) for number in range(16))


def random_weights(rng):
    """Return weights from narrow to as large as six bits hold."""
    low, high = [(-32, 32), (-4, 5), (-1, 2), (31, 32), (-32, -31)][rng.integers(5)]
    shapes = (3, 3, 8), (8,), (128, 16), (16,)
    return EncoderWeights(*(rng.integers(low, high, size=shape) for shape in shapes))


def random_words(n, rng):
    """Return input words of crossings of all kinds, in blocks."""
    blocks = []
    while sum(map(len, blocks)) < n:
        size = int(rng.integers(5, 80))
        kind = rng.integers(6)
        if kind == 0:
            codes = rng.integers(128, size=(size, 48))
        elif kind == 1:
            # Few different codes: ties everywhere.
            codes = rng.choice(rng.integers(128, size=3), size=(size, 48))
        elif kind == 2:
            codes = np.zeros((size, 48), dtype=np.int64)
        elif kind == 3:
            codes = np.full((size, 48), rng.choice([1, 7, 8, 127]))
        else:
            # Faint wafers with some charges, as most are.
            steep = np.minimum(rng.exponential(rng.choice([2, 12]), (size, 48)), 127)
            codes = np.where(rng.random((size, 48)) < 0.3, steep, 0).astype(np.int64)
        blocks.append(codes)
    codes = np.concatenate(blocks)[:n].reshape(n, 12, 4)
    words = (codes << np.array([21, 14, 7, 0])).sum(axis=2)
    headers = np.full((n, 12), 10)
    # Orbits that end early, and headers that are neither of the two.
    headers[rng.random(n) < 0.01, 0] = 9
    headers[rng.random(n) < 0.05] = rng.integers(16)
    return (words | headers << 28).astype(np.uint32)
