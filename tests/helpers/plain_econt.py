"""ECON-T once more, in the plainest way: Python integers, one crossing at a time.

Bits are strings of "0" and "1". Nothing here knows of the package; a chip is described
by an object with the fields of ChipSettings, whose values are taken one by one. What
comes up on the way is counted in SEEN, so that tests can say that it did.
"""

import collections

SEEN = collections.Counter()

N_CELLS = 48
BEST_CHOICE_CELLS = [1, 4, 6, 9, 14, 18, 23, 28, 32, 37, 41, 46, 48]
# Type: cells, address bits, exponent and mantissa bits, drops, sums with 1, 2, ...
# links.
SUPER_CELLS = {
    0: (4, 2, 5, 4, False, [2, 5, 8, 11, 12]),
    1: (16, 4, 5, 4, False, [2, 3]),
    2: (4, 0, 4, 3, True, [4, 8, 12]),
    3: (4, 2, 4, 3, True, [3, 6, 10, 12]),
    4: (4, 0, 5, 4, False, [3, 6, 10, 12]),
}


def bits(value, width):
    assert 0 <= value < 2**width
    return format(value, f"0{width}b") if width else ""


def floated(value, exponent_bits, mantissa_bits):
    length = len(format(value, "b")) if value else 0
    if length <= mantissa_bits:
        return value
    exponent = length - mantissa_bits
    if exponent >= 2**exponent_bits:
        return 2 ** (exponent_bits + mantissa_bits) - 1
    digits = format(value, "b")[1 : 1 + mantissa_bits]
    return exponent * 2**mantissa_bits + int(digits, 2)


def cells_of(words, version):
    """Return the 48 codes before the multiplexer."""
    cells = []
    for word in words:
        digits = bits(word, 32)[4:]
        four = [int(digits[7 * k : 7 * k + 7], 2) for k in range(4)]
        cells += four if version == "production" else four[::-1]
    return cells


def counts_of(code, high_density):
    dropped = 3 if high_density else 1
    exponent, mantissa = divmod(code, 8)
    if exponent == 0:
        return mantissa * 2**dropped + 2 ** (dropped - 1)
    unit = 2 ** (exponent - 1 + dropped)
    return (8 + mantissa) * unit + unit // 2


def charges_of(words, chip):
    before = cells_of(words, chip.version)
    counts = [counts_of(before[int(m)], chip.high_density) for m in chip.mux]
    return [
        x * int(factor) // 2048
        for x, factor in zip(counts, chip.calibration, strict=True)
    ]


def dropped(chip):
    return int(chip.drop_lsb) if chip.drop_lsb in (0, 1, 2, 3, 4) else 0


def long_header(counter):
    return bits(31 if counter == 0 else counter % 16, 5)


def short_header(counter):
    return bits(15 if counter == 0 else counter % 8, 4)


def map_of(sent, version):
    order = range(47, -1, -1) if version == "production" else range(48)
    return "".join("1" if cell in sent else "0" for cell in order)


def repeater(charges, counter, chip):
    frame = long_header(counter)
    for x in charges:
        frame += bits(floated(x >> dropped(chip), 4, 3), 7)
    return frame


def super_cells(charges, counter, chip):
    n_cells, address_bits, exponent, mantissa, drops, sizes = SUPER_CELLS[chip.stc_type]
    if chip.n_links > len(sizes):
        return ""
    frame, sums = short_header(counter), ""
    for k in range(sizes[chip.n_links - 1]):
        group = charges[n_cells * k : n_cells * (k + 1)]
        if address_bits:
            # The last of the largest.
            place = max(range(n_cells), key=lambda i: (group[i], i))
            SEEN["tie of the largest"] += group.count(max(group)) > 1
            frame += bits(place, address_bits)
        total = sum(group) >> (dropped(chip) if drops else 0)
        sums += bits(floated(total, exponent, mantissa), exponent + mantissa)
    return frame + sums


def sorted_by_network(keys):
    """Return (key, place) as Batcher's merge exchange for 48 keys leaves them."""
    items = [(key, place) for place, key in enumerate(keys)]
    p = 32
    while p >= 1:
        q, r, d = 32, 0, p
        while True:
            for i in range(48 - d):
                if i & p == r and items[i][0] < items[i + d][0]:
                    items[i], items[i + d] = items[i + d], items[i]
            if q == p:
                break
            d, q, r = q - p, q // 2, p
        p //= 2
    return items


def best_choice(charges, counter, chip):
    keys = [min(x >> dropped(chip), 2**18 - 1) for x in charges]
    n = BEST_CHOICE_CELLS[chip.n_links - 1]
    ranked = sorted_by_network(keys)
    chosen = sorted(place for _, place in ranked[:n])
    SEEN["clipped"] += max(charges) >> dropped(chip) > 2**18 - 1
    SEEN["tie at the cut"] += n < 48 and ranked[n - 1][0] == ranked[min(n, 47)][0] > 0
    summed = range(48) if chip.use_sum else set(range(48)) - set(chosen)
    frame = short_header(counter)
    frame += bits(floated(sum(keys[cell] for cell in summed), 5, 3), 8)
    if n < 8:
        frame += "".join(bits(cell, 6) for cell in chosen)
    else:
        frame += map_of(chosen, chip.version)
    return frame + "".join(bits(floated(keys[cell], 4, 3), 7) for cell in chosen)


def encoded(charges, weights):
    """Return the 16 numbers of the code."""
    total = sum(charges)
    top = len(format(total, "b")) - 1
    SEEN["sum below 128"] += total < 128
    SEEN["no charge"] += total == 0
    image = [[0] * 9 for _ in range(9)]
    for cell, x in enumerate(charges):
        pixel = x * 128 // 2**top
        SEEN["pixel above 100"] += pixel > 100
        if cell < 32:
            image[cell // 8][cell % 8] = pixel
        else:
            image[4 + (cell - 32) // 4][(cell - 32) % 4] = pixel
    kernel = weights.conv_kernel.tolist()
    flat = []
    for row in range(4):
        for column in range(4):
            for f in range(8):
                h = int(weights.conv_bias[f]) * 4
                for i in range(3):
                    for j in range(3):
                        pixel = image[2 * row + i][2 * column + j]
                        h += pixel * kernel[i][j][f] // 32
                flat.append(max(h, 0))
    dense = weights.dense_kernel.tolist()
    codes = []
    for output in range(16):
        o = int(weights.dense_bias[output]) * 8
        for h, row in zip(flat, dense, strict=True):
            o += h * row[output] // 16
        codes.append(min(max(o, 0), 511))
        SEEN["saturated code"] += o > 511
        SEEN["negative code"] += o < 0
    return codes


def autoencoder(charges, counter, chip):
    codes = encoded(charges, chip.weights)
    every = "".join(bits(code, 9) for code in reversed(codes))
    mask = bits(chip.keep_mask, 144)
    kept = "".join(b for b, keep in zip(every, mask, strict=True) if keep == "1")
    room = min(18 + 32 * (chip.n_links - 1), 146)
    kept = kept[-room:].rjust(room, "0")
    return long_header(counter) + bits(floated(sum(charges), 5, 4), 9) + kept


FRAMES = {
    "repeater": repeater,
    "super_trigger_cell": super_cells,
    "best_choice": best_choice,
    "autoencoder": autoencoder,
}


def threshold_frame(charges, counter, chip):
    """Return a frame's words of 16 bits, and the two words that may stand for it."""
    sent = [i for i in range(48) if charges[i] >= int(chip.thresholds[i])]
    summed = range(48) if chip.use_sum else [i for i in range(48) if i not in sent]
    rest = floated(sum(charges[i] for i in summed), 5, 3)
    codes = "".join(bits(floated(charges[i] >> dropped(chip), 4, 3), 7) for i in sent)
    if not sent:
        kind, more = "000", ""
    elif len(sent) < 8:
        kind = "010"
        more = bits(len(sent), 3) + "".join(bits(i, 6) for i in sent) + codes
    else:
        kind, more = "100", map_of(sent, chip.version) + codes
    whole = bits(floated(sum(charges), 5, 3), 8)
    header = long_header(counter)
    frame = header + kind + bits(rest, 8) + more
    frame += "0" * (-len(frame) % 16)
    words = [frame[i : i + 16] for i in range(0, len(frame), 16)]
    return words, header + "110" + whole, header + "111" + whole


def with_buffer(crossings, chip):
    """Yield the bits of each crossing, from (frame, cut word, cut word, header)."""
    waiting = []
    for frame, cut_1, cut_2, header in crossings:
        if len(waiting) + len(frame) > chip.t1:
            case, stored = "cut by T1", [cut_1]
        elif len(waiting) <= chip.t2:
            case, stored = "below T2", frame
        elif len(frame) <= chip.t3:
            case, stored = "cut by T2 and T3", [cut_2]
        else:
            case, stored = "kept above T2", frame
        SEEN[case] += 1
        for word in stored:
            full = chip.buffer_room is not None and len(waiting) >= chip.buffer_room
            SEEN["no room"] += full
            waiting.append("0" * 16 if full else word)
        taken, waiting = waiting[: 2 * chip.n_links], waiting[2 * chip.n_links :]
        idle = header + bits(chip.idle_pattern, 11)
        yield "".join(taken + [idle] * (2 * chip.n_links - len(taken)))


def run(link_words, chip):
    """Return the thirteen words of each crossing, as lists of int."""
    counter, found = -1, []
    for words in link_words:
        words = [int(word) for word in words]
        counter = 0 if words[0] >> 28 == 9 else (counter + 1) % 3564
        found.append((charges_of(words, chip), counter))
    if chip.algorithm == "threshold_sum":
        crossings = [
            (*threshold_frame(charges, counter, chip), long_header(counter))
            for charges, counter in found
        ]
        frames = with_buffer(crossings, chip)
    else:
        frame = FRAMES[chip.algorithm]
        frames = (frame(charges, counter, chip) for charges, counter in found)
    lines = [frame[: 32 * chip.n_links].ljust(13 * 32, "0") for frame in frames]
    return [[int(line[i : i + 32], 2) for i in range(0, 416, 32)] for line in lines]
