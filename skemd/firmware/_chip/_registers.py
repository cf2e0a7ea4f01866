"""Registers to settings, and back, in all dialects."""

import reprlib

import numpy as np

from skemd.firmware._chip._dialects import (
    DIALECTS,
    PATHS,
    PER_CELL,
    VERSION_OF,
    dialect_of,
    read_paths,
)
from skemd.firmware._chip._encoder_weights import (
    BANK_REGISTERS,
    N_BANKS,
    banks_of_weights,
    weights_of_banks,
)
from skemd.firmware._chip._front_end import CELLS_A_LINK, N_CELLS
from skemd.firmware._chip._settings import ALGORITHMS, LARGEST, ChipSettings

__all__ = ["check_dialect", "registers_of_settings", "settings_of_registers"]

# What else the register of the algorithm may hold acts as the repeater, which is read
# only.
_SELECTED = (*ALGORITHMS, "repeater", "repeater", "repeater")
_MASK_AE2_BITS = 16


def settings_of_registers(registers):
    """Read a dictionary of registers.

    Parameters
    ----------
    registers : dict
        In one of the three dialects.

    Returns
    -------
    settings : ChipSettings
        What they mean; defaults stand for what is missing.
    dialect : {"tree", "flat", "production"}
        How they were named.

    Raises
    ------
    ValueError
        If they are not of ECON-T's trigger path, contradict each other, or have values
        that the chip cannot hold.
    """
    dialect = dialect_of(registers)
    found = read_paths(registers, dialect)
    for name in ("select", "high_density"):
        if name not in found:
            paths = [path for path, to in PATHS[dialect].items() if to == name]
            raise ValueError(
                f"Registers of the dialect {dialect!r} need {paths[0]}, which is "
                "missing."
            )
    settings = {"version": VERSION_OF[dialect]}
    settings["algorithm"] = _SELECTED[_number(found.pop("select"), "select", 7)]
    for name in PER_CELL:
        settings |= _values_of_cells(found, name)
    if "link_mask" in found:
        settings["n_links"] = _links_of_mask(found.pop("link_mask"))
    elif "n_links" in found:
        settings["n_links"] = _count_of_links(found.pop("n_links"), dialect)
    settings |= _weights(found)
    settings |= _keep_mask(found)
    if dialect != "production" and "idle_pattern" in found:
        settings["link_reset_pattern"] = found["idle_pattern"]
    return ChipSettings(**settings, **found), dialect


def registers_of_settings(settings, dialect):
    """Write settings as a dictionary of registers.

    A prototype written in the production chip's dialect, or the other way round,
    becomes a chip of the other version that sees the same cells: the multiplexer makes
    up for the order of the cells on the input links.

    Parameters
    ----------
    settings : ChipSettings
        What the chip is set to.
    dialect : {"tree", "flat", "production"}
        How to name the registers.

    Returns
    -------
    registers : dict
        As `settings_of_registers` takes it.

    Raises
    ------
    ValueError
        If the dialect is unknown, or the other chip has no such setting.
    """
    check_dialect(dialect)
    version = VERSION_OF[dialect]
    if settings.stc_type == 4 and version == "prototype":
        raise ValueError(
            "Super trigger cells of type 4 are the production chip's: the dialect "
            f"{dialect!r} has none. Write dialect='production'."
        )
    mux = settings.mux
    if settings.version != version:
        # Turns round the four cells of each input link.
        mux = mux ^ (CELLS_A_LINK - 1)
    values = {
        "select": ALGORITHMS.index(settings.algorithm),
        "high_density": int(settings.high_density),
        "n_links": settings.n_links,
        "link_mask": 2**settings.n_links - 1,
        "mask_ae": settings.keep_mask >> _MASK_AE2_BITS,
        "mask_ae2": settings.keep_mask & (2**_MASK_AE2_BITS - 1),
        "use_sum": int(settings.use_sum),
    }
    for name in ("stc_type", "t1", "t2", "t3", "drop_lsb", "keep_mask"):
        values[name] = getattr(settings, name)
    for name in ("idle_pattern", "link_reset_pattern"):
        values[name] = getattr(settings, name)
    cells = {"mux": mux, "calibration": settings.calibration}
    if settings.thresholds is not None:
        cells["thresholds"] = settings.thresholds
    for name, of_cells in cells.items():
        of_cells = values[name] = np.asarray(of_cells).tolist()
        values |= {(name, cell): value for cell, value in enumerate(of_cells)}
    if settings.weights is not None:
        for bank, numbers in enumerate(banks_of_weights(settings.weights)):
            values |= {("weights", bank, name): x for name, x in numbers.items()}
    return _nested(values, dialect)


def check_dialect(dialect):
    """Check the name of a dialect."""
    if not (isinstance(dialect, str) and dialect in DIALECTS):
        raise ValueError(
            f"dialect must be one of {', '.join(map(repr, DIALECTS))}; got "
            f"{reprlib.repr(dialect)}."
        )


def _nested(values, dialect):
    registers, written = {}, set()
    for path, setting in PATHS[dialect].items():
        # Where a setting has several names, the first one is written.
        if setting not in values or setting in written:
            continue
        # 'AlgoDroplsb/Global' is either a number or a block; the block is newer.
        if dialect == "production" and path == "AlgoDroplsb/Global":
            continue
        written.add(setting)
        *blocks, last = [
            int(name) if name.isdigit() else name for name in path.split("/")
        ]
        place = registers
        for block in blocks:
            place = place.setdefault(block, {})
        place[last] = values[setting]
    return {"ECON-T": {"RW": registers}} if dialect == "tree" else registers


def _number(value, name, high, low=0):
    number = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not number or not low <= value <= high:
        raise ValueError(
            f"{name} must be a whole number from {low} to {high}; got "
            f"{reprlib.repr(value)}."
        )
    return int(value)


def _values_of_cells(found, name):
    """Return the values that stand under the numbers of the cells, if there are any."""
    cells = [cell for cell in range(N_CELLS) if (name, cell) in found]
    if not cells:
        return {}
    if len(cells) < N_CELLS:
        missing = sorted(set(range(N_CELLS)) - set(cells))[0]
        raise ValueError(
            f"{name} must have {N_CELLS} values, one for each trigger cell; got "
            f"{len(cells)}, without that of cell {missing}."
        )
    return {name: [found.pop((name, cell)) for cell in cells]}


def _links_of_mask(mask):
    mask = _number(mask, "active_etxs", 2 ** LARGEST["n_links"] - 1, low=1)
    n_links = mask.bit_count()
    if mask != 2**n_links - 1:
        raise ValueError(
            f"active_etxs is {mask:#x}: in the production chip's dialect it is a mask "
            "of links, and this one has gaps, for which nobody has shown what the chip "
            f"sends. Enable links from 0 up: {n_links} links are {2**n_links - 1:#x}."
        )
    return n_links


def _count_of_links(count, dialect):
    try:
        return _number(count, "The number of output links", LARGEST["n_links"], low=1)
    except ValueError as error:
        hint = " In the dialect 'flat' active_etxs is a count, not a mask."
        raise ValueError(f"{error}{hint if dialect == 'flat' else ''}") from None


def _weights(found):
    """Return the weights of the twelve banks, if there are any."""
    banks = [{} for _ in range(N_BANKS)]
    for key in [key for key in found if isinstance(key, tuple)]:
        _, bank, register = key
        highest = 2 ** (8 * BANK_REGISTERS[register]) - 1
        name = f"{register} of the encoder's bank {bank}"
        banks[bank][register] = _number(found.pop(key), name, highest)
    if not any(banks):
        return {}
    for bank, numbers in enumerate(banks):
        for register in BANK_REGISTERS:
            if register not in numbers:
                raise ValueError(
                    f"The encoder needs {N_BANKS} banks of {len(BANK_REGISTERS)} "
                    f"registers; bank {bank} has no {register}."
                )
    return {"weights": weights_of_banks(banks)}


def _keep_mask(found):
    """Return the mask of the code's bits, which the prototype has in two registers."""
    if not {"mask_ae", "mask_ae2"} & set(found):
        return {}
    parts = {}
    for name, bits in (("mask_ae", 128), ("mask_ae2", _MASK_AE2_BITS)):
        parts[name] = _number(found.pop(name, 2**bits - 1), name, 2**bits - 1)
    return {"keep_mask": parts["mask_ae"] << _MASK_AE2_BITS | parts["mask_ae2"]}
