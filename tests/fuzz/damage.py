"""Damage to the bytes of a file, of any kind."""


def stretch(rng, data, longest=200):
    """Return the ends of a random stretch of the data."""
    start = int(rng.integers(len(data) + 1))
    return start, min(start + int(rng.integers(1, longest)), len(data))


def flip_bits(rng, data):
    changed = bytearray(data)
    for place in rng.integers(max(len(data), 1), size=rng.integers(1, 9)):
        if changed:
            changed[place] ^= 1 << rng.integers(8)
    return bytes(changed)


def put_bytes(rng, data):
    start, end = stretch(rng, data, 16)
    return data[:start] + rng.bytes(end - start) + data[end:]


def extreme_bytes(rng, data):
    start, end = stretch(rng, data, 9)
    filled = [b"\x00", b"\xff", b"\x7f"][rng.integers(3)] * (end - start)
    return data[:start] + filled + data[end:]


def delete(rng, data):
    start, end = stretch(rng, data)
    return data[:start] + data[end:]


def repeat(rng, data):
    start, end = stretch(rng, data)
    return data[:end] + data[start:end] * int(rng.integers(1, 20)) + data[end:]


def truncate(rng, data):
    return data[: rng.integers(len(data) + 1)]


def swap_stretches(rng, data):
    (a, b), (c, d) = sorted([stretch(rng, data), stretch(rng, data)])
    return data if b > c else data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


DAMAGE = (
    flip_bits,
    put_bytes,
    extreme_bytes,
    delete,
    repeat,
    truncate,
    swap_stretches,
)


def damaged(rng, data, damage=DAMAGE, most=4):
    """Return data after a few kinds of damage, one after the other."""
    for _ in range(rng.integers(1, most, endpoint=True)):
        data = damage[rng.integers(len(damage))](rng, data)
    return data
