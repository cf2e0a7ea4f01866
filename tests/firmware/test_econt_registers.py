"""Registers in their three dialects: read, written, and read again."""

import json

import numpy as np
import pytest
import yaml
from random_chips import random_settings, random_weights, random_words

from skemd.firmware import ChipSettings, EconT
from skemd.firmware._chip._encoder_weights import banks_of_weights, weights_of_banks
from skemd.firmware._chip._settings import ALGORITHMS

DIALECTS = ("tree", "flat", "production")


def flat(**algorithm):
    """Return the shortest registers of the flat dialect."""
    return {"Algorithm": {"Global": {"select": 3, "density": 1} | algorithm}}


def production(buffer=None, **algorithm):
    """Return the shortest registers of the production dialect."""
    blocks = {"Global": {"alg_type": 3, "alg_high_density": 1} | algorithm}
    registers = {"ConfigAlgo": blocks}
    return registers | ({"FormatterBuffer": {"Global": buffer}} if buffer else {})


def tree(**buffer):
    """Return the shortest registers of the prototype's tree."""
    params = {"select": {"param_value": 3}, "density": {"param_value": 1}}
    blocks = {"MFC_ALGORITHM_SEL_DENSITY": {"registers": {"algo": {"params": params}}}}
    if buffer:
        blocks["FMTBUF_ALL"] = {"registers": buffer}
    return {"ECON-T": {"RW": blocks}}


def settings_of(registers):
    return EconT.from_registers(registers).settings


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_registers_are_read_as_they_were_written(algorithm, dialect, tmp_path):
    rng = np.random.default_rng(7)
    for number in range(5):
        version = "production" if dialect == "production" else "prototype"
        options = {"version": version, "stc_type": number % 4, "buffer_room": "version"}
        if dialect != "production":
            options["link_reset_pattern"] = options["idle_pattern"] = 100 + number
        settings = random_settings(algorithm, rng, **options)
        chip = EconT(settings)
        registers = chip.registers(dialect=dialect)
        # Plain values throughout.
        assert json.loads(json.dumps(registers)).keys() == registers.keys()
        path = tmp_path / "init.yaml"
        chip.write_registers(path, dialect=dialect)
        assert yaml.safe_load(path.read_text()) == registers
        again = EconT.from_registers(path)
        assert again.dialect == dialect
        # In its own dialect unless told otherwise.
        assert again.registers() == registers
        for name, value in vars(settings).items():
            np.testing.assert_equal(getattr(again.settings, name), value, name)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_other_chip_sees_the_same_cells(algorithm):
    rng = np.random.default_rng(8)
    words = random_words(60, rng)
    options = {"version": "prototype", "buffer_room": None, "t1": 200}
    chip = EconT(random_settings(algorithm, rng, **options))
    other = EconT.from_registers(chip.registers(dialect="production"))
    assert other.settings.version == "production"
    sent, expected = other.run(words), chip.run(words)
    if algorithm in ("repeater", "super_trigger_cell", "autoencoder"):
        np.testing.assert_array_equal(sent, expected)
    # Maps of cells are turned round, what they say is not.
    np.testing.assert_equal(other.unpack(sent), chip.unpack(expected))
    back = EconT.from_registers(other.registers(dialect="tree"))
    np.testing.assert_array_equal(back.run(words), expected)


@pytest.mark.parametrize(
    ("registers", "version", "dialect"),
    [
        (flat(), "prototype", "flat"),
        (production(), "production", "production"),
        (tree(), "prototype", "tree"),
    ],
)
def test_what_stands_for_missing_registers(registers, version, dialect):
    chip = EconT.from_registers(registers)
    settings = chip.settings
    assert (settings.version, chip.dialect) == (version, dialect)
    assert (settings.t1, settings.t2, settings.t3) == (338, 314, 25)
    assert (settings.n_links, settings.drop_lsb, settings.use_sum) == (13, 3, False)
    assert settings.idle_pattern == 0x122
    assert settings.keep_mask == 2**144 - 1
    assert settings.mux.tolist() == list(range(48))
    assert settings.calibration.tolist() == 48 * [2048]
    assert settings.buffer_room == (474 if version == "prototype" else None)


def test_low_density_drops_one_bit():
    assert settings_of(flat(density=0)).drop_lsb == 1


@pytest.mark.parametrize(("select", "algorithm"), list(enumerate(ALGORITHMS))[1:4])
def test_the_register_of_the_algorithm(select, algorithm):
    assert settings_of(flat(select=select)).algorithm == algorithm
    assert settings_of(production(alg_type=select)).algorithm == algorithm


@pytest.mark.parametrize("select", [5, 6, 7])
def test_other_algorithms_act_as_the_repeater(select):
    assert settings_of(flat(select=select)).algorithm == "repeater"


@pytest.mark.parametrize(
    ("registers", "n_links"),
    [
        (flat() | {"FormatterBuffer": {"Global": {"active_etxs": 5}}}, 5),
        (flat() | {"FmtBuf": {"Global": {"eporttx_numen": 4}}}, 4),
        (production({"active_etxs": 0x1F}), 5),
        (production({"active_etxs": 0x1FFF}), 13),
        (tree(eporttx_numen={"value": 2}), 2),
        (tree(config={"params": {"eporttx_numen": {"param_value": 7}}}), 7),
    ],
)
def test_links_are_a_count_or_a_mask(registers, n_links):
    assert settings_of(registers).n_links == n_links


def test_both_forms_of_the_dropped_bits():
    for form in (2, {"drop_lsb": 2}):
        for registers in (flat(), production()):
            registers |= {"AlgoDroplsb": {"Global": form}}
            assert settings_of(registers).drop_lsb == 2


def test_the_names_that_are_written():
    chip = EconT(ChipSettings("best_choice", n_links=5, drop_lsb=2))
    written = chip.registers()
    assert chip.dialect == "production"
    assert written["ConfigAlgo"] == {"Global": {"alg_type": 2, "alg_high_density": 1}}
    assert written["AlgoDroplsb"] == {"Global": {"drop_lsb": 2}}
    assert written["FormatterBuffer"] == {
        "Global": {
            "use_sum": 0,
            "stc_type": 0,
            "link_reset_pattern": 290,
            "buff_t1": 338,
            "buff_t2": 314,
            "buff_t3": 25,
            "active_etxs": 0x1F,
            "idle_pattern": 290,
            "keep_auto_encoder_bits": 2**144 - 1,
        }
    }
    assert written["Mux"] == dict(enumerate(range(48)))
    written = chip.registers(dialect="flat")
    assert written["Algorithm"] == {"Global": {"select": 2, "density": 1}}
    assert written["AlgoDroplsb"] == {"Global": 2}
    assert written["FormatterBuffer"]["Global"]["active_etxs"] == 5
    # The prototype has the cells of a link the other way round.
    assert list(written["Mux"].values())[:5] == [3, 2, 1, 0, 7]
    (blocks,) = chip.registers(dialect="tree")["ECON-T"].values()
    assert blocks["ALGO_DROPLSB"] == {"registers": {"drop_lsb": {"value": 2}}}
    params = blocks["FMTBUF_ALL"]["registers"]["config"]["params"]
    assert params["eporttx_numen"] == {"param_value": 5}


def test_the_prototypes_mask_has_two_registers():
    registers = tree(mask_ae={"value": 2**127 | 1}, mask_ae2={"value": 2**15 | 2})
    assert settings_of(registers).keep_mask == 2**143 | 2**16 | 2**15 | 2


def test_the_prototype_has_one_pattern():
    for name in ("tx_sync_word", "link_reset_pattern"):
        settings = settings_of(flat() | {"FormatterBuffer": {"Global": {name: 7}}})
        assert (settings.idle_pattern, settings.link_reset_pattern) == (7, 7)
    settings = settings_of(production({"link_reset_pattern": 7}))
    assert (settings.idle_pattern, settings.link_reset_pattern) == (0x122, 7)


def test_registers_of_the_test_stand_and_the_aligner_are_passed_over():
    registers = tree() | {"i2c": {"emulator_addr": 1}, "daq": {"verbose": 1}}
    registers["ECON-T"]["RW"]["ALIGNER_ALL"] = {"registers": {"snapshot_en": 1}}
    registers["ECON-T"]["RW"]["CH_ALIGNER_*INPUT_ALL"] = {"registers": {}}
    assert settings_of(registers).algorithm == "repeater"


# --- The encoder's banks


@pytest.mark.parametrize(
    ("tensor", "place", "bank", "register", "number"),
    [
        # Weight 0, bits 0 to 5.
        ("conv_kernel", (0, 0, 0), 0, "weights_byte0", 63),
        # Weight 79, bits 474 to 479: byte 48 begins with bit 384.
        ("conv_bias", (7,), 0, "weights_byte48", 63 << 90),
        # Weight 80 + 1, bits 486 to 491: inputs follow each other.
        ("dense_kernel", (1, 0), 0, "weights_byte48", 63 << 102),
        # Weight 80 + 128, bits 1248 to 1253: bank 1 begins with bit 1072.
        ("dense_kernel", (0, 1), 1, "weights_byte16", 63 << 48),
        # Weight 2143, bits 12858 to 12863, the last ones of bank 11.
        ("dense_bias", (15,), 11, "weights_byte128", 63 << 42),
    ],
)
def test_where_a_weight_stands_in_the_banks(tensor, place, bank, register, number):
    rng = np.random.default_rng(0)
    weights = [0 * array for array in random_weights(rng)]
    weights = random_weights(rng)._replace(
        **dict(zip(random_weights(rng)._fields, weights, strict=True))
    )
    # Minus one has all six bits.
    getattr(weights, tensor)[place] = -1
    banks = banks_of_weights(weights)
    found = {
        (i, name): value
        for i, numbers in enumerate(banks)
        for name, value in numbers.items()
        if value
    }
    assert found == {(bank, register): number}
    np.testing.assert_equal(weights_of_banks(banks), weights)


def test_weights_of_all_values_come_back():
    rng = np.random.default_rng(1)
    for _ in range(10):
        weights = random_weights(rng)
        banks = banks_of_weights(weights)
        assert len(banks) == 12
        assert [len(bank) for bank in banks] == 12 * [9]
        np.testing.assert_equal(weights_of_banks(banks), weights)


# --- Bad registers


def with_cells(block, values):
    return flat() | {block: dict(enumerate(values))}


BANK = {f"weights_byte{byte}": 0 for byte in range(0, 129, 16)}


@pytest.mark.parametrize(
    ("registers", "message"),
    [
        ([], "must be a dictionary of blocks; got list"),
        ({}, "not registers of ECON-T: expected a block 'ECON-T', or 'ConfigAlgo'"),
        ({"ROC": {"Global": 1}}, r"got \['ROC'\]"),
        ({"ECON-D": {"RW": {}}}, "not registers of ECON-T"),
        ({"ECON-T": {"RO": {}}}, "Under 'ECON-T' there must be a block 'RW'"),
        ({"ECON-T": None}, "Under 'ECON-T' there must be a block 'RW'"),
        (tree() | {"ROC": {}}, "stand beside a block 'ROC'"),
        (tree() | flat(), "mix dialects: beside 'ECON-T' there is 'Algorithm'"),
        (flat() | production(), "mix dialects: 'ConfigAlgo' is the production chip's"),
        (
            production({"mask_ae": 1}),
            "FormatterBuffer/Global/mask_ae belongs to the dialect 'flat'",
        ),
        (
            flat() | {"FormatterBuffer": {"Global": {"idle_pattern": 1}}},
            "idle_pattern belongs to the dialect 'production'",
        ),
        (
            production({"header_marker": 1}),
            "no register FormatterBuffer/Global/header_marker in the trigger path",
        ),
        (tree(buff_t4={"value": 1}), "no register FMTBUF_ALL/registers/buff_t4/value"),
        ({"Mux": {}}, "need Algorithm/Global/select, which is missing"),
        (
            {"ConfigAlgo": {"Global": {"alg_type": 3}}},
            "need ConfigAlgo/Global/alg_high_density, which is missing",
        ),
        (flat(select=8), "select must be a whole number from 0 to 7; got 8"),
        (flat(select="3"), "select must be a whole number from 0 to 7; got '3'"),
        (flat(select=None), "select must be a whole number from 0 to 7; got None"),
        (flat(density=2), "high_density must be a whole number from 0 to 1; got 2"),
        (flat(select=0), "'threshold_sum' needs thresholds; there are none"),
        (flat(select=4), "'autoencoder' needs weights; there are none"),
        (with_cells("Mux", range(47)), "got 47, without that of cell 47"),
        (with_cells("Mux", range(49)), "Mux has an entry '48'; expected 48 numbers"),
        (
            with_cells("Mux", [*range(47), 48]),
            "Trigger cell 47: mux must be a whole number from 0 to 47; got 48",
        ),
        (with_cells("Mux", [*range(47), -1]), "from 0 to 47; got -1"),
        (with_cells("Mux", [*range(47), 1.5]), "from 0 to 47; got 1.5"),
        (
            with_cells("Cal", 48 * [4096]),
            "Trigger cell 0: calibration .* 4095; got 4096",
        ),
        (with_cells("AlgoThreshold", 48 * [2**22]), "from 0 to 4194303; got 4194304"),
        (
            flat() | {"FormatterBuffer": {"Global": {"active_etxs": 0x1FFF}}},
            "from 1 to 13; got 8191. In the dialect 'flat' active_etxs is a count",
        ),
        (
            production({"active_etxs": 5}),
            "active_etxs is 0x5: .* a mask of links, and this one has gaps",
        ),
        (
            production({"active_etxs": 0}),
            "active_etxs must be .* from 1 to 8191; got 0",
        ),
        (production({"stc_type": 5}), "stc_type must be .* from 0 to 4; got 5"),
        (
            flat() | {"FormatterBuffer": {"Global": {"stc_type": 4}}},
            "stc_type must be a whole number from 0 to 3; got 4",
        ),
        (production({"buff_t1": -1}), "t1 must be a whole number from 0"),
        (production({"buff_t1": True}), "t1 must be a whole number from 0"),
        (production({"idle_pattern": 2048}), "idle_pattern must be .* to 2047"),
        (production({"keep_auto_encoder_bits": 2**144}), "keep_mask must be"),
        (tree(mask_ae={"value": 2**128}), "mask_ae must be a whole number"),
        (flat() | {"AlgoDroplsb": {"Global": 8}}, "drop_lsb must be .* 0 to 7; got 8"),
        (
            flat()
            | {
                "FormatterBuffer": {"Global": {"buff_t1": 1}},
                "FmtBuf": {"Global": {"buff_t1": 2}},
            },
            "contradict each other: .*buff_t1 is [12], but .*, which means the same",
        ),
        (flat() | {"Encoder": {0: BANK}}, "bank 1 has no weights_byte0"),
        (
            flat() | {"Encoder": {0: BANK | {"weights_byte128": 2**48}}},
            "weights_byte128 of the encoder's bank 0 must be a whole number",
        ),
        (flat() | {"Encoder": {12: BANK}}, "no register Encoder/12/weights_byte"),
        (flat() | {"Mux": {(1, 2): 3}}, r"Under Mux there is a name \(1, 2\)"),
        (flat() | {"Mux": {"x\n\x1b[m": 3}}, r"there is a name 'x\\n\\x1b\[m'"),
    ],
)
def test_bad_registers(registers, message):
    with pytest.raises(ValueError, match=message):
        EconT.from_registers(registers)


def test_registers_without_end():
    endless = flat()
    endless["Mux"] = {0: endless}
    with pytest.raises(ValueError, match="more than 12 names deep or have more than"):
        EconT.from_registers(endless)
    wide = flat() | {"Cal": {str(cell): 1 for cell in range(10_000)}}
    with pytest.raises(ValueError, match=r"Cal has an entry|more than 5000"):
        EconT.from_registers(wide)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"algorithm": "huffman"},
            "algorithm must be one of 'threshold_sum', .*'huffman'",
        ),
        ({"version": "v3"}, "version must be one of 'prototype', 'production'"),
        ({"n_links": 0}, "n_links must be a whole number from 1 to 13; got 0"),
        ({"n_links": 2.0}, r"n_links must be .* got 2\.0"),
        ({"buffer_room": 0}, "buffer_room must be a whole number from 1"),
        ({"buffer_room": "small"}, "buffer_room must be"),
        (
            {"mux": range(49)},
            "mux must have 48 values, one for each trigger cell; got 49",
        ),
        ({"mux": "0" * 48}, "mux must be a list of 48 whole numbers"),
        (
            {"mux": dict.fromkeys(range(48), 0)},
            "mux must be a list of 48 whole numbers",
        ),
        ({"weights": [1]}, r"weights must be 4 arrays, conv_kernel, .* got \[1\]"),
    ],
)
def test_bad_settings(options, message):
    with pytest.raises(ValueError, match=message):
        ChipSettings(**{"algorithm": "repeater"} | options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x + 32 - x, r"conv_kernel must lie in \[-32, 31\].*; got 32"),
        (lambda x: x - 33 - x, r"conv_kernel must lie in \[-32, 31\].*; got -33"),
        (lambda x: x / 32, "conv_kernel must hold integers, steps of 1/32.*float64"),
        (lambda x: x[1:], r"conv_kernel must hold .* shape \(3, 3, 8\).*\(2, 3, 8\)"),
    ],
)
def test_bad_weights(change, message):
    weights = random_weights(np.random.default_rng(0))
    weights = weights._replace(conv_kernel=change(weights.conv_kernel))
    with pytest.raises(ValueError, match=message):
        ChipSettings("autoencoder", weights=weights)


def test_settings_cannot_be_changed_afterwards():
    settings = ChipSettings("repeater", mux=list(range(48)))
    with pytest.raises(ValueError, match="read-only"):
        settings.mux[0] = 99
    with pytest.raises(AttributeError):
        settings.n_links = 99


def test_a_chip_is_made_of_settings():
    with pytest.raises(ValueError, match="settings must be ChipSettings; got dict"):
        EconT({})


@pytest.mark.parametrize("dialect", ["prototype", "", 3])
def test_unknown_dialects(dialect, tmp_path):
    chip = EconT(ChipSettings("repeater"))
    with pytest.raises(ValueError, match="dialect must be one of 'tree', 'flat'"):
        chip.registers(dialect=dialect)
    with pytest.raises(ValueError, match="dialect must be one of 'tree', 'flat'"):
        chip.write_registers(tmp_path / "init.yaml", dialect=dialect)
    assert list(tmp_path.iterdir()) == []


def test_what_the_prototype_does_not_have():
    chip = EconT(ChipSettings("super_trigger_cell", stc_type=4))
    with pytest.raises(ValueError, match="type 4 are the production chip's"):
        chip.registers(dialect="flat")


# --- Bad files


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"a: [1", "could not be read as registers in YAML"),
        (b"\xff\xfe\x00", "could not be read as registers in YAML"),
        (b"- 1\n- 2\n", "must be a dictionary of blocks; got list"),
        (b"", "must be a dictionary of blocks; got NoneType"),
        (b"a: 1\n---\nb: 2\n", "could not be read as registers in YAML"),
        (b"a: !!python/object/apply:os.getcwd []\n", "could not be read as registers"),
        (b"Mux: {0: 1, 0: 2}\n", "line 1 begins a block in which a name occurs twice"),
        (b"Mux: &m {0: 1}\nCal: *m\n", "line 2 refers to another place"),
        (b"a: " + 500 * b"[" + 500 * b"]", "line 1 is nested more than 20 deep"),
        (b"a: " + 100_000 * b"[", "nested more than 20 deep|maximum nesting depth"),
        (b"Mux: {0: " + 5000 * b"9" + b"}", "could not be read as registers in YAML"),
        (b"Mux: {0: 1" + 34 * b":59" + b"}", "line 1 has a name or a value of more"),
        (b"Mux:\n  " + 101 * b"k" + b": 1\n", "line 2 has a name or a value of more"),
        (b"#" * (2**20 + 1), "holds more than 1,048,576 bytes"),
        (b"ROC: {Global: 1}\n", "init.yaml: These are not registers of ECON-T"),
    ],
)
def test_bad_files_of_registers(text, message, tmp_path):
    path = tmp_path / "init.yaml"
    path.write_bytes(text)
    with pytest.raises(ValueError, match=message):
        EconT.from_registers(path)


def test_files_that_are_none(tmp_path):
    with pytest.raises(FileNotFoundError):
        EconT.from_registers(tmp_path / "missing.yaml")
    with pytest.raises(ValueError, match="is not a regular file"):
        EconT.from_registers(tmp_path)
    chip = EconT(ChipSettings("repeater"))
    with pytest.raises(ValueError, match="is a folder and will not be replaced"):
        chip.write_registers(tmp_path)
    with pytest.raises(ValueError, match="missing does not exist"):
        chip.write_registers(tmp_path / "missing" / "init.yaml")


def test_pyyaml_is_an_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "yaml", None)
    path = tmp_path / "init.yaml"
    path.write_text("{}")
    for do in (EconT.from_registers, EconT(ChipSettings("repeater")).write_registers):
        with pytest.raises(ImportError, match=r'pip install "skemd\[firmware\]"'):
            do(path)
    # A dictionary needs no reader.
    assert EconT.from_registers(flat()).dialect == "flat"
