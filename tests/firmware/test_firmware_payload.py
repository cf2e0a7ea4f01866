"""Keep mask and payload: what the links carry of a code."""

import numpy as np
import pytest

from skemd.firmware import (
    LINK_FORMATS,
    MODULE_SUM,
    apply_keep_mask,
    bits_to_hex,
    hex_to_bits,
    keep_mask,
    read_payload,
    write_payload,
)

all_links = pytest.mark.parametrize("links", LINK_FORMATS)


def random_codes(n_samples, bits=9, seed=0):
    return np.random.default_rng(seed).integers(0, 2**bits, size=(n_samples, 16))


@all_links
def test_the_mask_keeps_the_top_bits_of_each_number(links):
    bits = "".join(f"{byte:08b}" for byte in keep_mask(links))
    kept = LINK_FORMATS[links].bits
    assert bits == ("1" * kept + "0" * (9 - kept)) * 16


@all_links
def test_cut_codes_are_rounded_down(links):
    codes = np.tile(np.arange(512)[:, None], 16)
    dropped = 9 - LINK_FORMATS[links].bits
    cut = apply_keep_mask(codes, keep_mask(links))
    np.testing.assert_array_equal(cut, codes // 2**dropped)
    values = codes / 256
    np.testing.assert_array_equal(
        cut * LINK_FORMATS[links].step, LINK_FORMATS[links].quantize(values, "floor")
    )


def test_a_mask_may_keep_any_bits():
    # All of the first number, the last bit of the second, the outer two of the third.
    kept = "111111111" + "000000001" + "100000001" + "0" * 117
    mask = int(kept, 2).to_bytes(18, "big")
    codes = np.zeros((1, 16), dtype=int)
    codes[0, :4] = [0b101010101, 0b111111110, 0b100000001, 511]
    cut = apply_keep_mask(codes, mask)
    assert cut[0].tolist() == [0b101010101, 0, 0b11, 0] + [0] * 12


@all_links
def test_the_payload_is_header_sum_and_code_in_order(links):
    bits = LINK_FORMATS[links].bits
    codes = random_codes(1, bits)
    sent = write_payload(codes, [1000], n_output_links=links, headers=19)
    expected = f"{19:05b}" + f"{MODULE_SUM.encode(1000):09b}"
    expected += "".join(f"{number:0{bits}b}" for number in codes[0]) + "00"
    assert "".join(map(str, sent[0])) == expected
    assert len(expected) == 32 * links
    # The room behind header and sum, as published.
    assert min(18 + 32 * (links - 1), 146) - 16 * bits == 2


@all_links
def test_what_is_written_is_read_again(links):
    codes = random_codes(500, LINK_FORMATS[links].bits, seed=links)
    rng = np.random.default_rng(links)
    sums, headers = rng.integers(0, 50_000, 500), rng.integers(0, 32, 500)
    sent = write_payload(codes, sums, n_output_links=links, headers=headers)
    words = bits_to_hex(sent)
    np.testing.assert_array_equal(hex_to_bits(words, 32 * links), sent)
    found = read_payload(sent, n_output_links=links)
    np.testing.assert_array_equal(found.codes, codes)
    np.testing.assert_array_equal(found.headers, headers)
    np.testing.assert_array_equal(
        found.sums, MODULE_SUM.decode(MODULE_SUM.encode(sums))
    )


def test_hexadecimal_words_have_the_first_bit_on_top():
    bits = [[1, 0, 0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 1, 1, 1, 0]]
    assert bits_to_hex(bits) == ["81", "0e"]
    np.testing.assert_array_equal(hex_to_bits(["81", "0E"], 8), bits)


CODES = np.zeros((2, 16), dtype=int)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: keep_mask(6), r"n_output_links must be one of \[2, 3, 4, 5\]; got 6"),
        (lambda: apply_keep_mask(CODES, b"\xff"), "mask must be 18 bytes"),
        (lambda: apply_keep_mask(CODES, "e0" * 9), "mask must be 18 bytes"),
        (lambda: apply_keep_mask(CODES + 512, keep_mask(2)), "codes .*got 512"),
        (lambda: apply_keep_mask(CODES[:, 1:], keep_mask(2)), r"got \(2, 15\)"),
        (
            lambda: write_payload(CODES + 8, [1, 1], n_output_links=2),
            r"codes must hold whole numbers in \[0, 7\]; got 8",
        ),
        (
            lambda: write_payload(CODES, [1], n_output_links=2),
            r"sums and headers must have shape \(2,\).*got \(1,\)",
        ),
        (
            lambda: write_payload(CODES, [1, 1], n_output_links=2, headers=[1] * 3),
            r"shape \(2,\).*\(3,\)",
        ),
        (
            lambda: write_payload(CODES, [1, 1], n_output_links=2, headers=32),
            r"headers must hold whole numbers in \[0, 31\]; got 32",
        ),
        (
            lambda: read_payload(np.zeros((2, 64)), n_output_links=3),
            r"3 links carry bits of shape \(n_samples, 96\); got \(2, 64\)",
        ),
        (lambda: bits_to_hex([[1, 0, 1]]), r"multiple of four .* got shape \(1, 3\)"),
        (lambda: bits_to_hex([[1, 0, 1, 2]]), r"bits must hold .* in \[0, 1\]; got 2"),
        (lambda: hex_to_bits(["81", "8g"], 8), "word 1 is '8g'"),
        (lambda: hex_to_bits(["811"], 8), "must be 2 hexadecimal digits; word 0"),
    ],
)
def test_what_does_not_fit_its_bits_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
