"""What a chip is set to, whichever names its registers have."""

import dataclasses
import operator
import reprlib

import numpy as np

from skemd.firmware._chip._encoder_frame import FULL_MASK
from skemd.firmware._chip._encoder_weights import (
    SMALLEST_WEIGHT,
    WEIGHT_SHAPES,
    EncoderWeights,
)
from skemd.firmware._chip._front_end import (
    CALIBRATION_BITS,
    LARGEST_CHARGE,
    N_CELLS,
    dropped_by_input,
)

__all__ = ["ALGORITHMS", "LARGEST", "PROTOTYPE_ROOM", "VERSIONS", "ChipSettings"]

# In the order of the register that selects them.
ALGORITHMS = (
    "threshold_sum",
    "super_trigger_cell",
    "best_choice",
    "repeater",
    "autoencoder",
)
VERSIONS = ("prototype", "production")
PROTOTYPE_ROOM = 474
IDLE_PATTERN = 0x122
UNIT_CALIBRATION = 1 << CALIBRATION_BITS
# The largest value of each register; the widths of T1 to T3 are not published.
LARGEST = {
    "n_links": 13,
    "stc_type": 4,
    "t1": 2**16 - 1,
    "t2": 2**16 - 1,
    "t3": 2**16 - 1,
    "idle_pattern": 2**11 - 1,
    "link_reset_pattern": 2**11 - 1,
    "drop_lsb": 7,
    "mux": N_CELLS - 1,
    "calibration": 2**12 - 1,
    "thresholds": LARGEST_CHARGE - 1,
    "keep_mask": FULL_MASK,
}
_MOST_DROPPED_BITS = 4


@dataclasses.dataclass(frozen=True, eq=False)
class ChipSettings:
    """All settings of ECON-T's trigger path.

    The chip's own values after a reset are not published; the defaults are those that
    its public test vectors have.

    Parameters
    ----------
    algorithm : str
        "threshold_sum", "super_trigger_cell", "best_choice", "repeater" or
        "autoencoder".
    version : {"production", "prototype"}, default="production"
        Which chip. They differ in the order of the cells on the input links and of the
        maps of cells.
    high_density : bool, default=True
        Whether the wafer has high density.
    n_links : int, default=13
        How many output links are enabled, 1 to 13, from link 0 on.
    use_sum : bool, default=False
        Whether sums of Best Choice and threshold sum are of all cells, or of those that
        are not sent.
    stc_type : int, default=0
        Type of the super trigger cells, 0 to 3; 4 on the production chip as well.
    t1, t2, t3 : int, default=338, 314, 25
        Limits of the output buffer in words of 16 bits.
    buffer_room : int, None or "version", default="version"
        Words that the output buffer keeps; what lies behind comes out as zeros. None
        for no limit; "version" for 474 on the prototype and no limit on the production
        chip, whose room is not known.
    idle_pattern, link_reset_pattern : int, default=0x122
        Lower eleven bits of the words that the links send when there is nothing to
        send, and after a link reset. Link resets are not emulated.
    drop_lsb : int or None, default=None
        How many bits of a charge are dropped before its seven bits are sent; 5 to 7 act
        as 0. None for 3 with high density and 1 with low density.
    mux : sequence of 48 int or None, default=None
        For each cell behind the multiplexer the one before it; None for all as they
        come.
    calibration : sequence of 48 int or None, default=None
        Factor of each cell in steps of 1 / 2048; None for 1.
    thresholds : sequence of 48 int or None, default=None
        For the threshold sum, in counts.
    weights : EncoderWeights or None, default=None
        For the autoencoder, in steps of 1/32.
    keep_mask : int, default=2**144 - 1
        Which bits of the autoencoder's code are sent; bit 143 is the top bit of the
        last number. The default keeps all.

    Raises
    ------
    ValueError
        If a setting is not one that the chip has, or the algorithm lacks one it needs.

    Examples
    --------
    >>> from skemd.firmware import ChipSettings
    >>> ChipSettings("best_choice", n_links=5).dropped_bits
    3
    """

    algorithm: str
    version: str = "production"
    high_density: bool = True
    n_links: int = 13
    use_sum: bool = False
    stc_type: int = 0
    t1: int = 338
    t2: int = 314
    t3: int = 25
    buffer_room: object = "version"
    idle_pattern: int = IDLE_PATTERN
    link_reset_pattern: int = IDLE_PATTERN
    drop_lsb: int | None = None
    mux: object = None
    calibration: object = None
    thresholds: object = None
    weights: object = None
    keep_mask: int = FULL_MASK

    def __post_init__(self):
        """Check everything, and bring it to one form."""
        _check_choice(self.algorithm, "algorithm", ALGORITHMS)
        _check_choice(self.version, "version", VERSIONS)
        checked = {
            name: _whole(getattr(self, name), name, low=0, high=1) == 1
            for name in ("high_density", "use_sum")
        }
        checked["n_links"] = _whole(self.n_links, "n_links", low=1)
        most_types = 4 if self.version == "production" else 3
        checked["stc_type"] = _whole(self.stc_type, "stc_type", high=most_types)
        for name in ("t1", "t2", "t3", "idle_pattern", "link_reset_pattern"):
            checked[name] = _whole(getattr(self, name), name)
        checked["keep_mask"] = _whole(self.keep_mask, "keep_mask")
        drop = self.drop_lsb
        if drop is None:
            drop = dropped_by_input(checked["high_density"])
        checked["drop_lsb"] = _whole(drop, "drop_lsb")
        checked["buffer_room"] = self._checked_room()
        defaults = {"mux": range(N_CELLS), "calibration": [UNIT_CALIBRATION] * N_CELLS}
        for name in ("mux", "calibration", "thresholds"):
            values = getattr(self, name)
            values = defaults.get(name) if values is None else values
            checked[name] = None if values is None else _cells(values, name)
        if self.weights is not None:
            checked["weights"] = _checked_weights(self.weights)
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        self._check_needs()

    @property
    def dropped_bits(self):
        """Bits that are dropped before a charge's seven bits are sent."""
        return self.drop_lsb if self.drop_lsb <= _MOST_DROPPED_BITS else 0

    def _checked_room(self):
        if isinstance(self.buffer_room, str) and self.buffer_room == "version":
            return PROTOTYPE_ROOM if self.version == "prototype" else None
        if self.buffer_room is None:
            return None
        return _whole(self.buffer_room, "buffer_room", low=1, high=2**16)

    def _check_needs(self):
        for algorithm, name in (
            ("threshold_sum", "thresholds"),
            ("autoencoder", "weights"),
        ):
            if self.algorithm == algorithm and getattr(self, name) is None:
                raise ValueError(
                    f"The algorithm {algorithm!r} needs {name}; there are none. Set "
                    "them, or select another algorithm."
                )


def _check_choice(value, name, choices):
    if not (isinstance(value, str) and value in choices):
        raise ValueError(
            f"{name} must be one of {', '.join(map(repr, choices))}; got "
            f"{reprlib.repr(value)}."
        )


def _whole(value, name, *, low=0, high=None):
    """Return a value as int, or say why the chip cannot hold it."""
    high = LARGEST[name] if high is None else high
    try:
        # A switch may be written as yes or true, a number may not.
        number = operator.index(value) if high == 1 or not _is_bool(value) else None
    except TypeError:
        number = None
    if number is None or not low <= number <= high:
        raise ValueError(
            f"{name} must be a whole number from {low} to {high}; got "
            f"{reprlib.repr(value)}."
        )
    return int(number)


def _is_bool(value):
    return isinstance(value, (bool, np.bool_))


def _cells(values, name):
    """Return a value for each trigger cell as an array that nobody can change."""
    if not isinstance(values, (list, tuple, range, np.ndarray)) or np.ndim(values) != 1:
        raise ValueError(
            f"{name} must be a list of {N_CELLS} whole numbers; got "
            f"{reprlib.repr(values)}."
        )
    values = list(values)
    if len(values) != N_CELLS:
        raise ValueError(
            f"{name} must have {N_CELLS} values, one for each trigger cell; got "
            f"{len(values)}."
        )
    checked = [_of_cell(value, name, cell) for cell, value in enumerate(values)]
    array = np.array(checked, dtype=np.int64)
    array.setflags(write=False)
    return array


def _of_cell(value, name, cell):
    try:
        return _whole(value, name)
    except ValueError as error:
        raise ValueError(f"Trigger cell {cell}: {error}") from None


def _checked_weights(weights):
    if not isinstance(weights, (list, tuple)) or len(weights) != len(WEIGHT_SHAPES):
        raise ValueError(
            f"weights must be {len(WEIGHT_SHAPES)} arrays, "
            f"{', '.join(WEIGHT_SHAPES._fields)}; got {reprlib.repr(weights)}."
        )
    checked = []
    for array, name, shape in zip(
        weights, WEIGHT_SHAPES._fields, WEIGHT_SHAPES, strict=True
    ):
        array = np.asarray(array)
        if array.shape != shape or array.dtype.kind not in "iu":
            raise ValueError(
                f"{name} must hold integers, steps of 1/32, of shape {shape}; got "
                f"dtype {array.dtype} and shape {array.shape}."
            )
        outside = (array < SMALLEST_WEIGHT) | (array >= -SMALLEST_WEIGHT)
        if outside.any():
            raise ValueError(
                f"{name} must lie in [{SMALLEST_WEIGHT}, {-SMALLEST_WEIGHT - 1}], six "
                f"bits in steps of 1/32; got {array[outside].flat[0]}. Clip and round "
                "the weights first."
            )
        array = array.astype(np.int64)
        array.setflags(write=False)
        checked.append(array)
    return EncoderWeights(*checked)
