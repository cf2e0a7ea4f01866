"""The three dialects in which files name the chip's registers.

"tree" is that of the prototype's slow control: everything under ``ECON-T``. "flat" came
between: short names, and the number of links as a count. "production" is the production
chip's: an algorithm under ``ConfigAlgo``, and the links as a mask of bits. A file in
the first two describes a prototype.

Each dialect is a table from the path of a register to the setting it means.
"""

import reprlib

from skemd.firmware._chip._encoder_weights import BANK_REGISTERS, N_BANKS
from skemd.firmware._chip._front_end import N_CELLS

__all__ = ["DIALECTS", "PER_CELL", "VERSION_OF", "dialect_of", "read_paths"]

DIALECTS = ("tree", "flat", "production")
VERSION_OF = {"tree": "prototype", "flat": "prototype", "production": "production"}
PER_CELL = ("mux", "calibration", "thresholds")

# The largest file has some 300 registers, five names deep.
_MOST_ENTRIES = 5000
_MOST_DEPTH = 12
# Of the test stand and of the words' alignment, which the trigger path does not see.
_NOT_OF_THE_CHIP = ("i2c", "daq", "global")
_NOT_OF_THE_PATH = ("ALIGNER_ALL", "CH_ALIGNER_")

_TREE_BUFFER = "FMTBUF_ALL/registers"
_TREE_ALGORITHM = "MFC_ALGORITHM_SEL_DENSITY/registers/algo/params"
_TREE = {
    f"{_TREE_ALGORITHM}/select/param_value": "select",
    f"{_TREE_ALGORITHM}/density/param_value": "high_density",
    f"{_TREE_BUFFER}/tx_sync_word/value": "idle_pattern",
    f"{_TREE_BUFFER}/mask_ae/value": "mask_ae",
    f"{_TREE_BUFFER}/mask_ae2/value": "mask_ae2",
    "MFC_MUX_SELECT/registers/mux_select_*/value": "mux",
    "MFC_CAL_VAL/registers/cal_*/value": "calibration",
    "ALGO_THRESHOLD_VAL/registers/threshold_val_*/value": "thresholds",
    "ALGO_DROPLSB/registers/drop_lsb/value": "drop_lsb",
}
_TREE |= {f"{_TREE_BUFFER}/buff_t{i}/value": f"t{i}" for i in (1, 2, 3)}
for _register, _setting in (
    ("eporttx_numen", "n_links"),
    ("use_sum", "use_sum"),
    ("stc_type", "stc_type"),
):
    _TREE[f"{_TREE_BUFFER}/config/params/{_register}/param_value"] = _setting
    _TREE[f"{_TREE_BUFFER}/{_register}/value"] = _setting

_COMMON = {
    "AlgoDroplsb/Global": "drop_lsb",
    "AlgoDroplsb/Global/drop_lsb": "drop_lsb",
    "FormatterBuffer/Global/use_sum": "use_sum",
    "FormatterBuffer/Global/stc_type": "stc_type",
    "FormatterBuffer/Global/link_reset_pattern": "link_reset_pattern",
}
_COMMON |= {f"FormatterBuffer/Global/buff_t{i}": f"t{i}" for i in (1, 2, 3)}
_FLAT = _COMMON | {
    "Algorithm/Global/select": "select",
    "Algorithm/Global/density": "high_density",
    "FormatterBuffer/Global/active_etxs": "n_links",
    # The prototype has one pattern, whose register was renamed.
    "FormatterBuffer/Global/tx_sync_word": "idle_pattern",
    "FormatterBuffer/Global/link_reset_pattern": "idle_pattern",
    "FormatterBuffer/Global/mask_ae": "mask_ae",
    "FormatterBuffer/Global/mask_ae2": "mask_ae2",
    # Dumps of test beams.
    "FmtBuf/Global/eporttx_numen": "n_links",
    "FmtBuf/Global/use_sum": "use_sum",
    "FmtBuf/Global/stc_type": "stc_type",
    "FmtBuf/Global/tx_sync_word": "idle_pattern",
    "FmtBuf/Global/buff_t1": "t1",
    "FmtBuf/Global/buff_t2": "t2",
    "FmtBuf/Global/buff_t3": "t3",
}
_PRODUCTION = _COMMON | {
    "ConfigAlgo/Global/alg_type": "select",
    "ConfigAlgo/Global/alg_high_density": "high_density",
    "FormatterBuffer/Global/active_etxs": "link_mask",
    "FormatterBuffer/Global/idle_pattern": "idle_pattern",
    "FormatterBuffer/Global/keep_auto_encoder_bits": "keep_mask",
}
for _bank in range(N_BANKS):
    for _register in BANK_REGISTERS:
        _setting = ("weights", _bank, _register)
        _TREE[f"AUTOENCODER_{_bank}INPUT/registers/{_register}/value"] = _setting
        _FLAT[f"Encoder/{_bank}/{_register}"] = _setting
        _PRODUCTION[f"Encoder/{_bank}/{_register}"] = _setting
for _cell in range(N_CELLS):
    for _block, _setting in zip(("Mux", "Cal", "AlgoThreshold"), PER_CELL, strict=True):
        _FLAT[f"{_block}/{_cell}"] = (_setting, _cell)
        _PRODUCTION[f"{_block}/{_cell}"] = (_setting, _cell)
PATHS = {"tree": _TREE, "flat": _FLAT, "production": _PRODUCTION}
_BLOCKS = {path.split("/")[0] for path in (*_FLAT, *_PRODUCTION)}


def dialect_of(registers):
    """Say in which dialect registers are named.

    Parameters
    ----------
    registers : dict
        As a file of registers holds them.

    Returns
    -------
    dialect : {"tree", "flat", "production"}
        The one whose blocks there are.

    Raises
    ------
    ValueError
        If it is none of them, or more than one.
    """
    if not isinstance(registers, dict):
        raise ValueError(
            "Registers must be a dictionary of blocks; got "
            f"{type(registers).__name__}. Pass what a file init.yaml of ECON-T holds."
        )
    blocks = {block for block in registers if isinstance(block, str)}
    tree, others = "ECON-T" in blocks, blocks & _BLOCKS
    if tree and others:
        raise ValueError(
            f"Registers mix dialects: beside 'ECON-T' there is {sorted(others)[0]!r}. "
            "Keep the blocks of one dialect."
        )
    if {"ConfigAlgo", "Algorithm"} <= blocks:
        raise ValueError(
            "Registers mix dialects: 'ConfigAlgo' is the production chip's name of "
            "'Algorithm'. Keep the blocks of one dialect."
        )
    if tree:
        return "tree"
    if "ConfigAlgo" in blocks:
        return "production"
    if others:
        return "flat"
    raise ValueError(
        "These are not registers of ECON-T: expected a block 'ECON-T', or "
        "'ConfigAlgo', or 'Algorithm'; got "
        f"{reprlib.repr(sorted(map(str, list(registers)[:50])))}."
    )


def read_paths(registers, dialect):
    """Find the registers' values, under the names of the settings.

    Parameters
    ----------
    registers : dict
        As a file of registers holds them.
    dialect : {"tree", "flat", "production"}
        As `dialect_of` finds it.

    Returns
    -------
    found : dict
        Values as they stand there, by settings.

    Raises
    ------
    ValueError
        If there is a register that the trigger path does not have, or two contradict
        each other.
    """
    if dialect == "tree":
        registers = _chip_of_tree(registers)
    found, came_from = {}, {}
    for path, value in _leaves(registers):
        if dialect == "tree" and path.startswith(_NOT_OF_THE_PATH):
            continue
        if path not in PATHS[dialect]:
            raise ValueError(_unknown(path, dialect))
        setting = PATHS[dialect][path]
        # Equal and of one type: 1 and True are the same number, 1 and "1" are not.
        if setting in found and found[setting] != value:
            raise ValueError(
                f"Registers contradict each other: {came_from[setting]} is "
                f"{reprlib.repr(found[setting])}, but {path}, which means the same, is "
                f"{reprlib.repr(value)}. Keep one of them."
            )
        found[setting], came_from[setting] = value, path
    return found


def _chip_of_tree(registers):
    foreign = [key for key in registers if key not in ("ECON-T", *_NOT_OF_THE_CHIP)]
    if foreign:
        raise ValueError(
            f"Registers of ECON-T stand beside a block {reprlib.repr(foreign[0])}, "
            "which is not the chip's. Remove it."
        )
    chip = registers["ECON-T"]
    if not isinstance(chip, dict) or not isinstance(chip.get("RW"), dict):
        raise ValueError(
            "Under 'ECON-T' there must be a block 'RW' of registers; got "
            f"{reprlib.repr(chip)}."
        )
    return chip["RW"]


def _leaves(registers):
    """Yield the path and the value of each register, however the names are nested."""
    waiting = [((), registers)]
    n_entries = 0
    while waiting:
        names, value = waiting.pop()
        n_entries += 1
        # What refers to itself, or to a thousand copies of a thousand copies, ends
        # here.
        if n_entries > _MOST_ENTRIES or len(names) > _MOST_DEPTH:
            raise ValueError(
                f"Registers are nested more than {_MOST_DEPTH} names deep or have more "
                f"than {_MOST_ENTRIES} entries. No registers of ECON-T are."
            )
        if not isinstance(value, dict):
            yield "/".join(names), value
            continue
        for name, inner in value.items():
            # Messages quote names.
            if not (
                isinstance(name, (str, int))
                and len(str(name)[:101]) <= 100
                and str(name).isprintable()
            ):
                raise ValueError(
                    f"Under {'/'.join(names) or 'the top'} there is a name "
                    f"{reprlib.repr(name)}; expected a register's name or a number."
                )
            waiting.append(((*names, str(name)), inner))


def _unknown(path, dialect):
    others = [other for other in DIALECTS if path in PATHS[other]]
    if others:
        return (
            f"Registers mix dialects: {path} belongs to the dialect {others[0]!r}, but "
            f"the other blocks are in {dialect!r}. Keep the names of one dialect."
        )
    block = path.split("/")[0]
    if dialect != "tree" and block in ("Mux", "Cal", "AlgoThreshold"):
        return (
            f"{block} has an entry {path[len(block) + 1 :]!r}; expected {N_CELLS} "
            f"numbers, one for each trigger cell, under 0 to {N_CELLS - 1}."
        )
    return (
        f"There is no register {path} in the trigger path of ECON-T, dialect "
        f"{dialect!r}. Remove it, or look whether the file is of another chip."
    )
