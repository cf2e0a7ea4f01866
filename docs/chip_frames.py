"""Draw the frames of the page "ECON-T, word by word".

    python docs/chip_frames.py

runs the emulator on one wafer for each of the chip's five algorithms, cuts the words
that it sends into the fields of the frame, and draws them as ``frame_*.svg`` in
``docs/figures``: a row a link, a column a bit, and in each field what was sent. No
number in the figures is typed by hand.
"""

import argparse
from pathlib import Path

import numpy as np

from skemd._number_formats._links import (
    ADDRESS_BITS,
    CHARGE,
    CODE_BITS,
    HEADER_BITS,
    LINK_BITS,
    LINK_FORMATS,
    MODULE_SUM,
    N_COMPONENTS,
    SELECTION_SUM,
    SHORT_HEADER_BITS,
    room_for_code,
)
from skemd.firmware import ChipSettings, EconT, EncoderWeights
from skemd.firmware._chip._encoder_frame import mask_of_top_bits
from skemd.firmware._chip._encoder_weights import WEIGHT_SHAPES
from skemd.firmware._chip._super_cells import SUPER_CELL_TYPES

FIGURES = Path(__file__).parent / "figures"
N_CELLS = 48
MAP_HALF = N_CELLS // 2
KIND_BITS, COUNT_BITS = 3, 3
# Half words of the threshold sum.
HALF_BITS = 16

COLORS = {
    "header": "#dce6f2",
    "kind": "#f2dcdb",
    "sum": "#fde9d9",
    "n": "#f2dcdb",
    "address": "#e4dfec",
    "map": "#e4dfec",
    "charge": "#ebf1de",
    "code": "#ebf1de",
    "zeros": "#ffffff",
    "idle": "#f2f2f2",
}
BIT, ROW, LEFT, TOP = 22, 26, 64, 46
LETTER = 6.4


def wafer():
    """Return one wafer with charge in 17 cells, in counts."""
    cells = np.arange(N_CELLS)
    return np.where(cells * 11 % N_CELLS < 17, (cells * cells * 37) % 900 + 9, 0)[None]


def frames():
    """Return what to draw: for each algorithm titles, words and fields.

    Returns
    -------
    drawn : dict of str to list of (str, ndarray of shape (n_words,), list)
        Fields are (kind, text, width in bits), in the order in which they are sent.
    """
    weights = EncoderWeights(
        *(np.random.RandomState(0).randint(-12, 16, shape) for shape in WEIGHT_SHAPES)
    )
    masks = {n: mask_of_top_bits(LINK_FORMATS[n].bits) for n in (2, 5)}
    return {
        "repeater": [_drawn("11 links", _repeater, n_links=11)],
        "super_trigger_cell": [
            _drawn("type 0 on 5 links", _super_cells, n_links=5),
            _drawn("type 2 on 2 links", _super_cells, n_links=2, stc_type=2),
        ],
        "best_choice": [
            _drawn("2 links", _best_choice, n_links=2),
            _drawn("5 links, production chip", _best_choice, n_links=5),
        ],
        "threshold_sum": [
            _drawn(
                "cells above 700 counts", _threshold_sum, thresholds=N_CELLS * [700]
            ),
            _drawn(
                "cells above 300 counts", _threshold_sum, thresholds=N_CELLS * [300]
            ),
        ],
        "autoencoder": [
            _drawn(
                f"{n} links, {LINK_FORMATS[n].bits} bits of each number",
                _autoencoder,
                n_links=n,
                weights=weights,
                keep_mask=mask,
            )
            for n, mask in masks.items()
        ],
    }


def _drawn(title, fields_of, **settings):
    algorithm = fields_of.__name__.strip("_").replace(
        "super_cells", "super_trigger_cell"
    )
    chip = EconT(ChipSettings(algorithm, high_density=False, **settings))
    words = chip.run(chip.link_words(wafer()))
    sent = {name: values[0] for name, values in chip.unpack(words).items()}
    fields = list(fields_of(chip.settings, sent))
    n_bits = sum(width for *_, width in fields)
    fields += _zeros(-n_bits % LINK_BITS)
    n_words = -(-n_bits // LINK_BITS)
    return title, words[0, :n_words], fields


def _repeater(settings, sent):
    yield "header", f"header {sent['header']}", HEADER_BITS
    yield from _charges(sent["codes"], np.arange(N_CELLS))


def _super_cells(settings, sent):
    kind = SUPER_CELL_TYPES[settings.stc_type]
    yield "header", f"header {sent['header']}", SHORT_HEADER_BITS
    for address in sent.get("addresses", ()):
        yield "address", f"{address}", kind.address_bits
    for number, code in enumerate(sent["codes"]):
        yield "charge", f"sum {number}: {code}", kind.code.bits


def _best_choice(settings, sent):
    yield "header", f"header {sent['header']}", SHORT_HEADER_BITS
    yield "sum", f"sum {sent['sum_codes']}", SELECTION_SUM.bits
    cells = sent["addresses"]
    if len(cells) < 8:
        for cell in cells:
            yield "address", f"cell {cell}", ADDRESS_BITS
    else:
        yield from _map(cells, settings.version == "production")
    yield from _charges(sent["codes"], cells)


def _threshold_sum(settings, sent):
    n_sent = sent["n_sent"]
    cells, codes = sent["addresses"][:n_sent], sent["codes"][:n_sent]
    yield "header", f"header {sent['header']}", HEADER_BITS
    yield "kind", f"{sent['kind']:03b}", KIND_BITS
    yield "sum", f"sum {sent['sum_codes']}", SELECTION_SUM.bits
    used = HALF_BITS + n_sent * CHARGE.bits
    if n_sent < 8:
        yield "n", f"n {n_sent}", COUNT_BITS
        for cell in cells:
            yield "address", f"cell {cell}", ADDRESS_BITS
        used += COUNT_BITS + n_sent * ADDRESS_BITS
    else:
        yield from _map(cells, settings.version == "production")
        used += N_CELLS
    yield from _charges(codes, cells)
    yield from _zeros(-used % HALF_BITS)
    if -(-used // HALF_BITS) % 2:
        idle = f"idle: header {sent['header']}, pattern"
        yield "idle", idle, HALF_BITS


def _autoencoder(settings, sent):
    yield "header", f"header {sent['header']}", HEADER_BITS
    yield "sum", f"sum {sent['sum_codes']}", MODULE_SUM.bits
    bits = LINK_FORMATS[settings.n_links].bits
    yield from _zeros(room_for_code(settings.n_links) - N_COMPONENTS * bits)
    for number in reversed(range(N_COMPONENTS)):
        kept = sent["codes"][number] >> (CODE_BITS - bits)
        yield (
            "code",
            f"{number}: {kept}" if bits < 5 else f"code {number}: {kept}",
            bits,
        )


def _charges(codes, cells):
    for cell, code in zip(cells, codes, strict=True):
        yield "charge", f"charge {cell}: {code}", CHARGE.bits


def _map(cells, reversed_):
    ends = ("47 to 24", "23 to 0") if reversed_ else ("0 to 23", "24 to 47")
    mask = np.isin(np.arange(N_CELLS), cells)[:: -1 if reversed_ else 1]
    for end, half in zip(ends, np.split(mask, 2), strict=True):
        bits = "".join(f"{int(bit)}" for bit in half)
        yield "map", f"map, cells {end}: {bits}", MAP_HALF


def _zeros(n_bits):
    return [("zeros", "0", n_bits)] if n_bits else []


def svg(algorithm, drawn):
    """Draw the frames of one algorithm below each other."""
    parts, top = [], 0
    for title, words, fields in drawn:
        parts.append(
            _text(LEFT, top + 18, f"{algorithm.replace('_', ' ')}, {title}", 14)
        )
        for bit in (0, 8, 16, 24, 31):
            x = LEFT + (bit + 0.5) * BIT
            parts.append(_text(x, top + 38, f"{31 - bit}", 10, "middle"))
        for row, word in enumerate(words):
            y = top + TOP + (row + 0.65) * ROW
            parts.append(_text(LEFT - 6, y, f"link {row}", 11, "end"))
            y = top + TOP + (row + 0.65) * ROW
            parts.append(_text(LEFT + 32 * BIT + 8, y, f"{word:08x}", 11, mono=True))
        parts += _boxes(fields, top + TOP)
        top += TOP + len(words) * ROW + 20
    width = LEFT + 32 * BIT + 84
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top}" '
            f'width="{width}" height="{top}" font-family="sans-serif">',
            f'<rect width="{width}" height="{top}" fill="white"/>',
            *parts,
            "</svg>\n",
        ]
    )


def _boxes(fields, top):
    """Return boxes of fields, each cut where a word ends."""
    parts, place = [], 0
    for kind, text, width in fields:
        pieces = []
        while width:
            row, offset = divmod(place, LINK_BITS)
            n_bits = min(width, LINK_BITS - offset)
            pieces.append((row, offset, n_bits))
            place, width = place + n_bits, width - n_bits
        widest = max(pieces, key=lambda piece: piece[2])
        for row, offset, n_bits in pieces:
            x, y = LEFT + offset * BIT, top + row * ROW
            parts.append(
                f'<rect x="{x}" y="{y}" width="{n_bits * BIT}" height="{ROW - 4}" '
                f'fill="{COLORS[kind]}" stroke="#404040"/>'
            )
            if (row, offset, n_bits) == widest:
                middle = x + n_bits * BIT / 2
                size = min(11, 11 * n_bits * BIT / (LETTER * len(text)))
                parts.append(_text(middle, y + 15, text, size, "middle"))
    return parts


def _text(x, y, text, size, anchor="start", mono=False):
    family = ' font-family="monospace"' if mono else ""
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size:.3g}" text-anchor="{anchor}"'
        f'{family} fill="black">{text}</text>'
    )


def main():
    """Write the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=FIGURES)
    options = parser.parse_args()
    for algorithm, drawn in frames().items():
        path = options.folder / f"frame_{algorithm}.svg"
        path.write_text(svg(algorithm, drawn), encoding="utf-8")


if __name__ == "__main__":
    main()
