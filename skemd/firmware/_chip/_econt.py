"""EconT: the trigger path of the concentrator chip, bit by bit."""

import os

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skemd._checks import check_container
from skemd._input._units import warn_unless_counts
from skemd.firmware._chip._best_choice import pack_best_choice, unpack_best_choice
from skemd.firmware._chip._bit_fields import N_OUTPUT_WORDS
from skemd.firmware._chip._encoder_arithmetic import encode_wafers
from skemd.firmware._chip._encoder_frame import (
    mask_of_top_bits,
    pack_encoder,
    unpack_encoder,
)
from skemd.firmware._chip._front_end import (
    FRONT_ENDS,
    N_CELLS,
    N_INPUT_LINKS,
    checked_counts,
    crossing_counters,
    input_codes,
    to_charges,
    to_link_words,
)
from skemd.firmware._chip._output_buffer import frames_of_stream, through_buffer
from skemd.firmware._chip._register_files import read_register_file, write_register_file
from skemd.firmware._chip._registers import (
    registers_of_settings,
    settings_of_registers,
)
from skemd.firmware._chip._repeater import pack_repeater, unpack_repeater
from skemd.firmware._chip._settings import ChipSettings
from skemd.firmware._chip._super_cells import pack_super_cells, unpack_super_cells
from skemd.firmware._chip._threshold_sum import (
    Frames,
    pack_threshold_sum,
    read_frames,
)
from skemd.firmware._chip._trigger_cells import (
    checked_trigger_cells,
    image_cells,
    trigger_cells_of_mux,
)
from skemd.firmware._chip._word_files import as_words
from skemd.firmware._encoder import IntegerEncoder

__all__ = ["EconT"]

# Crossings at a time: what an algorithm works on then stays in the processor's cache.
_CHUNK = 1024


class EconT:
    """The trigger path of ECON-T: words of the input links in, words of the links out.

    Everything is computed as the chip does it, in whole numbers. :doc:`/guide/econt`
    says field by field what a captured chip confirms, what only vectors or the public
    emulator do, and what is open.

    Parameters
    ----------
    settings : ChipSettings
        What the chip is set to.
    trigger_cells : sequence of 48 int or None, default=None
        For each cell behind the multiplexer the trigger cell of the wafer that lies
        there, which `link_words` needs. None for the cells' own numbers, but if the
        multiplexer is the one that `from_autoencoder` or `to_chip` of a baseline set,
        for the trigger cells that it brings there.

    Attributes
    ----------
    settings : ChipSettings
        The same.
    trigger_cells : ndarray of int of shape (48,)
        The trigger cell at each place behind the multiplexer.
    dialect : str
        How :meth:`registers` names registers unless told otherwise: as the file that
        the chip was read from, else "production" or "tree" by version.

    See Also
    --------
    skemd.firmware.read_words : Read the words of the input links from a file.

    Examples
    --------
    >>> import numpy as np
    >>> from skemd.firmware import ChipSettings, EconT
    >>> chip = EconT(ChipSettings("best_choice", n_links=2))
    >>> X = np.zeros((1, 48), dtype=int)
    >>> X[0, 7] = 1000
    >>> words = chip.run(chip.link_words(X))
    >>> f"{words[0, 0]:08x}"
    'f0000108'
    >>> frames = chip.unpack(words)
    >>> frames["addresses"], frames["charges"]
    (array([[0, 1, 2, 7]]), array([[  0,   0,   0, 960]]))
    """

    def __init__(self, settings, *, trigger_cells=None):
        if not isinstance(settings, ChipSettings):
            raise ValueError(
                f"settings must be ChipSettings; got {type(settings).__name__}. For "
                "files and dictionaries of registers there is EconT.from_registers."
            )
        self.settings = settings
        self.trigger_cells = (
            trigger_cells_of_mux(settings)
            if trigger_cells is None
            else checked_trigger_cells(trigger_cells)
        )
        self.dialect = "production" if settings.version == "production" else "tree"

    @classmethod
    def from_registers(cls, registers, *, trigger_cells=None):
        """Make a chip from its registers.

        Parameters
        ----------
        registers : str, path-like or dict
            A YAML file, or what it holds, in one of three dialects: the prototype's
            tree under ``ECON-T``, the flat names that came after it, or the production
            chip's.
        trigger_cells : sequence of 48 int or None, default=None
            As in the constructor. Registers do not say what lies where on the wafer.

        Returns
        -------
        chip : EconT
            A prototype for the first two dialects. Settings that are missing are those
            of :class:`ChipSettings`.

        Raises
        ------
        ValueError
            If these are not registers of ECON-T's trigger path, or hold values that it
            cannot.
        ImportError
            If a file is to be read and PyYAML is not installed.
        """
        if isinstance(registers, (str, os.PathLike)):
            path = registers
            registers = read_register_file(path)
            try:
                settings, dialect = settings_of_registers(registers)
            except ValueError as error:
                raise ValueError(f"{os.fspath(path)}: {error}") from error
        else:
            settings, dialect = settings_of_registers(registers)
        chip = cls(settings, trigger_cells=trigger_cells)
        chip.dialect = dialect
        return chip

    @classmethod
    def from_autoencoder(cls, autoencoder, *, mux=None, calibration=None):
        """Make the chip that sends what a fitted autoencoder transforms to.

        Parameters
        ----------
        autoencoder : EMDAutoencoder
            Fitted with ``n_output_links``, and ``arithmetic`` and ``front_end`` of the
            chip.
        mux : sequence of 48 int or None, default=None
            For each cell behind the multiplexer the input cell before it, as the
            production chip numbers them. Place i must get trigger cell
            ``chip.trigger_cells[i]``, so that, if trigger cell t comes on input cell
            ``input_cell_of[t]``, this is ``input_cell_of[chip.trigger_cells]``. None if
            trigger cells come in order on the input links.
        calibration : sequence of 48 int or None, default=None
            Factor of each cell behind the multiplexer in steps of 1 / 2048; None for 1.
            The chip then encodes charges times these factors.

        Returns
        -------
        chip : EconT
            A production chip of the autoencoder's density and number of links. Its keep
            mask has the top bits of each number of the code. `link_words` takes charges
            in the order of trigger cells, whatever the multiplexer is.

        Raises
        ------
        ValueError
            If the autoencoder computes what no chip does, or the chip cannot have this
            multiplexer or calibration.
        """
        check_is_fitted(autoencoder)
        cures = {
            "n_output_links": autoencoder.n_output_links_ is None and "2 to 5",
            "arithmetic": autoencoder.arithmetic_ != "chip" and "'chip'",
            "front_end": autoencoder.front_end_ is None and "'LD' or 'HD'",
        }
        wrong = [f"{name}={cure}" for name, cure in cures.items() if cure]
        if wrong:
            raise ValueError(
                "This autoencoder was not fitted for what a chip sends. Set "
                f"{', '.join(wrong)} and fit again."
            )
        encoder = IntegerEncoder.from_estimator(autoencoder)
        settings = ChipSettings(
            "autoencoder",
            high_density=FRONT_ENDS[autoencoder.front_end_],
            n_links=autoencoder.n_output_links_,
            mux=image_cells() if mux is None else mux,
            calibration=calibration,
            weights=encoder.weights,
            keep_mask=mask_of_top_bits(encoder.latent_format.bits),
        )
        return cls(settings, trigger_cells=image_cells())

    def run(self, link_words):
        """Compute what the chip sends.

        Parameters
        ----------
        link_words : array-like of int of shape (n_crossings, 12)
            32 bits a link, of successive crossings, as `read_words` reads them.

        Returns
        -------
        words : ndarray of uint32 of shape (n_crossings, 13)
            32 bits a link. The buffer of the threshold sum is empty before the first
            crossing. Words of links that are not enabled are zero.

        Raises
        ------
        ValueError
            If these are not words of twelve links.
        """
        link_words = as_words(link_words, "link_words", (N_INPUT_LINKS,))
        counters = crossing_counters(link_words)
        buffered = self.settings.algorithm == "threshold_sum"
        parts = [
            self._frames(link_words[start : start + _CHUNK], counters[start:][:_CHUNK])
            for start in range(0, len(link_words), _CHUNK)
        ]
        if not parts:
            return np.zeros((0, N_OUTPUT_WORDS), dtype=np.uint32)
        if not buffered:
            return np.concatenate(parts)
        settings = self.settings
        return through_buffer(
            Frames(*map(np.concatenate, zip(*parts, strict=True))),
            n_links=settings.n_links,
            limits=(settings.t1, settings.t2, settings.t3),
            room=settings.buffer_room,
            idle_pattern=settings.idle_pattern,
        )

    def link_words(self, X):
        """Write wafers as the words of the input links.

        Charges are cut to the 4E3M codes of the links and put backwards through the
        multiplexer, so that behind it each trigger cell lies where `trigger_cells` has
        it. The calibration is not undone. One wafer is one crossing.

        Parameters
        ----------
        X : array-like of shape (n_crossings, 48)
            Charges in counts, at most 2**22, a column for each trigger cell. For
            registers whose multiplexer is not one of skemd's and that were read without
            `trigger_cells`, these are the cells as numbered behind the multiplexer.
            What is between two counts is rounded down.

        Returns
        -------
        link_words : ndarray of uint32 of shape (n_crossings, 12)
            32 bits a link, with header 9 in the first crossing of each orbit of 3,564,
            else 10.

        Raises
        ------
        ValueError
            If a charge is negative, not finite or too large, or the multiplexer leaves
            a cell out.

        Warns
        -----
        UserWarning
            If the charges cannot be in counts.
        """
        counts = _checked_counts(X)
        mux = self.settings.mux
        if len(set(mux.tolist())) < N_CELLS:
            left_out = sorted(set(range(N_CELLS)) - set(mux.tolist()))
            raise ValueError(
                f"The multiplexer reads some input cells twice and leaves out "
                f"{left_out}, so that it cannot be undone. Make a chip whose mux is a "
                "permutation."
            )
        codes = input_codes(counts[:, self.trigger_cells], self.settings.high_density)
        return to_link_words(codes, mux, version=self.settings.version)

    def unpack(self, words, *, half_lsb=False):
        """Read what the chip has sent.

        Parameters
        ----------
        words : array-like of int of shape (n_crossings, 13)
            32 bits a link, as `run` gives them.
        half_lsb : bool, default=False
            Whether to decode charges and sums to the middle of those with the same
            code, not to the lowest. Zero stays zero.

        Returns
        -------
        frames : dict of ndarray of shape (n_crossings, ...)
            Always "header" and "codes", as they were sent; "charges", these codes in
            counts, but for the autoencoder, whose codes are in steps of 1/256. By
            algorithm also:

            - "sum" in counts and "sum_codes": Best Choice, threshold sum, autoencoder;
            - "addresses": the cells that were sent, of Best Choice and threshold sum;
              of super trigger cells the place of the largest cell of each;
            - "kind" and "n_sent": threshold sum. Its rows have room for 48 cells;
              behind those that were sent, addresses are -1 and codes 0. There are rows
              for the frames that have been sent to their end, at most n_crossings.

        Raises
        ------
        ValueError
            If these are not words of this chip.
        """
        words = as_words(words, "words", (N_OUTPUT_WORDS,))
        settings = self.settings
        options = {"half_lsb": half_lsb}
        if settings.algorithm == "autoencoder":
            options |= {"keep_mask": settings.keep_mask, "n_links": settings.n_links}
            return unpack_encoder(words, **options)
        options["dropped_bits"] = settings.dropped_bits
        if settings.algorithm == "threshold_sum":
            halves = frames_of_stream(words, n_links=settings.n_links)
            return read_frames(halves, version=settings.version, **options)
        options["n_links"] = settings.n_links
        if settings.algorithm == "repeater":
            return unpack_repeater(words, **options)
        if settings.algorithm == "best_choice":
            return unpack_best_choice(words, version=settings.version, **options)
        return unpack_super_cells(words, stc_type=settings.stc_type, **options)

    def registers(self, *, dialect=None):
        """Return the chip's registers.

        Parameters
        ----------
        dialect : {"tree", "flat", "production"} or None, default=None
            How to name them; None for as they were read. A prototype in the production
            chip's dialect becomes a production chip that sees the same cells, and the
            other way round.

        Returns
        -------
        registers : dict
            As `from_registers` takes it.

        Raises
        ------
        ValueError
            If there is no such dialect, or the other chip has no such setting.
        """
        dialect = self.dialect if dialect is None else dialect
        return registers_of_settings(self.settings, dialect)

    def write_registers(self, path, *, dialect=None):
        """Write the chip's registers to a YAML file.

        Parameters
        ----------
        path : str or path-like
            Where to. What was there before is replaced when all is written.
        dialect : {"tree", "flat", "production"} or None, default=None
            How to name them; None for as they were read.

        Raises
        ------
        ValueError
            If there is no such dialect, or no place for the file.
        ImportError
            If PyYAML is not installed.
        """
        write_register_file(path, self.registers(dialect=dialect))

    def _frames(self, link_words, counters):
        """Return words, or for the threshold sum the frames before the buffer."""
        settings = self.settings
        charges = to_charges(
            link_words,
            settings.mux,
            settings.calibration,
            high_density=settings.high_density,
            version=settings.version,
        )
        if settings.algorithm == "autoencoder":
            codes = encode_wafers(charges, settings.weights)
            mask, n_links = settings.keep_mask, settings.n_links
            totals = charges.sum(axis=1)
            return pack_encoder(
                codes, totals, counters, keep_mask=mask, n_links=n_links
            )
        options = {"dropped_bits": settings.dropped_bits}
        sums = {"sum_all": settings.use_sum, "version": settings.version}
        if settings.algorithm == "threshold_sum":
            limits = settings.thresholds
            return pack_threshold_sum(charges, counters, limits, **options, **sums)
        options["n_links"] = settings.n_links
        if settings.algorithm == "repeater":
            return pack_repeater(charges, counters, **options)
        if settings.algorithm == "best_choice":
            return pack_best_choice(charges, counters, **options, **sums)
        options["stc_type"] = settings.stc_type
        return pack_super_cells(charges, counters, **options)


def _checked_counts(X):
    """Return charges as whole counts."""
    check_container(X, "X")
    X = np.asarray(X)
    if X.ndim != 2 or X.shape[1] != N_CELLS:
        raise ValueError(
            f"X must have shape (n_crossings, {N_CELLS}), a charge for each trigger "
            f"cell; got {X.shape}."
        )
    if X.dtype.kind not in "iuf":
        raise ValueError(
            f"X must hold charges in counts; got dtype {X.dtype}. Convert it to "
            "numbers first."
        )
    counts = checked_counts(X)
    warn_unless_counts(X, "EconT.link_words")
    return counts
