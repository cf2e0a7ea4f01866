"""IntegerEncoder: the encoder as the chip computes it, in integers."""

import numpy as np

from skemd._checks import check_choice
from skemd._input._same_padding import output_grid
from skemd._input._scaling import encoder_images
from skemd._input._wafers import as_wafers
from skemd._number_formats._links import CHIP_SUMS, CODE_BITS
from skemd.firmware._arithmetic import (
    ExactLayer,
    check_room,
    fraction_of,
    patches,
    to_format,
)
from skemd.firmware._chip._encoder_arithmetic import encode_images
from skemd.firmware._chip._encoder_weights import WEIGHT_SHAPES, EncoderWeights
from skemd.firmware._chip._front_end import FRONT_ENDS, seen_charges
from skemd.firmware._chip._trigger_cells import chip_layout
from skemd.firmware._encoder_formats import chip_formats, exact_formats
from skemd.firmware._tensors import (
    check_chip_tensors,
    checked_strides,
    checked_tensors,
)
from skemd.geometry import Layout, hgcal_wafer, line

__all__ = ["IntegerEncoder"]

# Wafers per chunk: a few megabytes of patches.
_CHUNK = 4096

# The parameters of EMDAutoencoder that choose the formats.
_PARAMETERS = {
    "input_format": "input_bits",
    "weight_format": "weight_bits",
    "accumulator_format": "accumulator_bits",
    "latent_format": "latent_bits",
}


class IntegerEncoder:
    """An encoder of one convolution and one dense layer, computed in integers.

    In the arithmetic of the chip pixels, all products one by one, and codes are rounded
    down; see :doc:`/guide/econt`. In exact arithmetic inputs are rounded to
    `input_format`. The convolution with its bias is an exact sum, rounded once to
    `accumulator_format` and followed by ReLU; so is the dense layer. The result is
    rounded to `latent_format`. Values outside a format saturate.

    Parameters
    ----------
    conv_kernel : array-like of shape (height, width, channels, n_filters)
        Kernel of the convolution, in Keras's order.
    conv_bias : array-like of shape (n_filters,)
        Its bias.
    dense_kernel : array-like of shape (n_inputs, n_components)
        Kernel of the dense layer; its inputs are the convolution's outputs in the order
        rows, columns, filters.
    dense_bias : array-like of shape (n_components,)
        Its bias.
    arithmetic : {"chip", "exact"}, default="chip"
        "chip" for ECON-T's, whose shapes and formats are the only ones and need not be
        passed; "exact" for sums that are rounded once, as in QKeras.
    front_end : {"LD", "HD"} or None, default=None
        Through which front end of the chip charges in counts pass before, by density;
        None for charges in any unit.
    input_format : FixedPoint or None, default=None
        Format of the pixels.
    weight_format : FixedPoint or None, default=None
        Format of all weights, which must be among its numbers.
    accumulator_format : FixedPoint, pair of these or None, default=None
        Format of the sums of the convolution and of the code, signed; where one of the
        pair is None, these sums are not rounded. Exact arithmetic needs a format or a
        pair.
    latent_format : FixedPoint or None, default=None
        Format of the codes, unsigned. The chip sends up to 9 bits.
    strides : int or (int, int), default=2
        Step of the convolution, down and across. Padding is TensorFlow's 'same': with a
        step of two on an even side, it is only at the bottom and on the right.
    rounding : {"half_even", "floor"} or None, default=None
        How numbers are rounded wherever they are rounded. None for "half_even" in exact
        arithmetic; the chip rounds down.
    layout : skemd.geometry.Layout or None, default=None
        How cells lie in the images; None for the wafer's layout that fits the kernels.

    Attributes
    ----------
    accumulator_formats : (FixedPoint or None, FixedPoint or None)
        Formats of the sums of the convolution and of the code.

    Raises
    ------
    ValueError
        If shapes do not fit each other, or a weight does not fit its format, or the
        chip has another shape or format.

    See Also
    --------
    skemd.EMDAutoencoder : Trains such encoders.

    Examples
    --------
    >>> import numpy as np
    >>> from skemd.firmware import IntegerEncoder
    >>> encoder = IntegerEncoder(
    ...     np.full((3, 3, 1, 8), 0.25),
    ...     np.zeros(8),
    ...     np.full((128, 16), 0.0625),
    ...     np.zeros(16),
    ... )
    >>> encoder.transform(np.eye(48)).shape
    (48, 16)
    """

    def __init__(
        self,
        conv_kernel,
        conv_bias,
        dense_kernel,
        dense_bias,
        *,
        arithmetic="chip",
        front_end=None,
        input_format=None,
        weight_format=None,
        accumulator_format=None,
        latent_format=None,
        strides=2,
        rounding=None,
        layout=None,
    ):
        check_choice(arithmetic, "arithmetic", ("chip", "exact"))
        if front_end is not None:
            check_choice(front_end, "front_end", (*FRONT_ENDS, None))
        self.arithmetic, self.front_end = arithmetic, front_end
        self.accumulator_format = accumulator_format
        formats = (input_format, weight_format, accumulator_format, latent_format)
        checked = chip_formats if arithmetic == "chip" else exact_formats
        checked = checked(*formats, rounding)
        self.input_format, self.weight_format = checked.input, checked.weight
        self.accumulator_formats, self.latent_format = checked.sums, checked.latent
        self.rounding = checked.rounding
        self.strides = checked_strides(strides)
        tensors = checked_tensors(
            conv_kernel, conv_bias, dense_kernel, dense_bias, self.weight_format
        )
        self.conv_kernel, self.conv_bias, self.dense_kernel, self.dense_bias = tensors
        if arithmetic == "chip":
            check_chip_tensors(self)
        else:
            self._layers = self._exact_layers()
        self.layout = self._checked_layout(layout)

    @classmethod
    def from_estimator(cls, fitted):
        """Build the encoder of an autoencoder that was fitted for the chip.

        Parameters
        ----------
        fitted : EMDAutoencoder
            Fitted for the chip, with ``n_output_links`` or all of ``latent_bits``,
            ``weight_bits``, ``input_bits`` and ``accumulator_bits``.

        Returns
        -------
        encoder : IntegerEncoder
            Of the arithmetic and the front end of the autoencoder. Its codes are those
            of ``fitted.transform``, number for number, without the sums.

        Raises
        ------
        ValueError
            If a part of the encoder is in floating point.
        """
        formats = {name: getattr(fitted, f"{name}_", None) for name in _PARAMETERS}
        arithmetic = getattr(fitted, "arithmetic_", "exact")
        missing = [name for name, found in formats.items() if found is None]
        if missing and arithmetic == "exact":
            raise ValueError(
                f"This {type(fitted).__name__} was not fitted for the chip: it has no "
                f"{', '.join(f'{name}_' for name in missing)}. Set "
                f"{', '.join(_PARAMETERS[name] for name in missing)} before fit, or "
                "n_output_links, which sets them all."
            )
        # Keras takes seconds to import, and nothing else here needs it.
        from skemd._backend import layers_with_weights, weights_of

        conv, dense = layers_with_weights(fitted.encoder_)
        weights = weights_of(conv) + weights_of(dense)
        # Training keeps weights in floating point and rounds them as it uses them.
        quantize = formats["weight_format"].quantize
        return cls(
            *map(quantize, weights),
            **formats,
            arithmetic=arithmetic,
            front_end=fitted.front_end_,
            strides=tuple(conv.strides),
            layout=fitted.layout_,
        )

    @property
    def weights(self):
        """The weights as the chip holds them, in steps of 1/32."""
        tensors = (
            self.conv_kernel,
            self.conv_bias,
            self.dense_kernel,
            self.dense_bias,
        )
        shaped = zip(tensors, WEIGHT_SHAPES, strict=True)
        steps = self.weight_format.to_integers
        return EncoderWeights(
            *(steps(values).reshape(shape) for values, shape in shaped)
        )

    def transform(self, X):
        """Encode wafers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_cells), or images
            Charges of the cells, in counts if there is a front end, else in any unit;
            a wafer without charge then gives zeros. They are divided by the power of
            two at or below their sum, as in `EMDAutoencoder`. Images of shape
            (n_samples, height, width, channels) are used as they are, so normalize them
            first, with ``WaferRemapper(normalize="msb")`` or `normalize_on_chip`.

        Returns
        -------
        codes : ndarray of float64 of shape (n_samples, n_components)
            Numbers of `latent_format`.

        Raises
        ------
        ValueError
            If `X` has neither shape, or a number is not finite.
        """
        return self.transform_integers(X) * self.latent_format.step

    def transform_integers(self, X):
        """Encode wafers to integers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_cells), or images
            As in `transform`.

        Returns
        -------
        codes : ndarray of int64 of shape (n_samples, n_components)
            In steps of `latent_format`.

        Raises
        ------
        ValueError
            If `X` has neither shape, or a number is not finite.
        """
        images = X if isinstance(X, np.ndarray) else np.asarray(X)
        if images.ndim == 4:
            return _in_chunks(self._encoded, self._checked_images(images))
        return _in_chunks(self._encoded_cells, self._checked_cells(X))

    def images(self, X):
        """Lay wafers out as the images that the encoder sees.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_cells)
            Charges of the cells, in counts if there is a front end.

        Returns
        -------
        images : ndarray of float32 of shape (n_samples, height, width, channels)
            Pure numbers: charges behind the front end, divided by the power of two at
            or below their sum; for the chip in whole steps of 1/128.

        Raises
        ------
        ValueError
            If `X` does not hold wafers of this encoder's layout.
        """
        return self._images(self._checked_cells(X))

    @property
    def sum_formats(self):
        """Formats that hold the sums of both layers before they are rounded."""
        if self.arithmetic == "chip":
            return CHIP_SUMS
        return tuple(layer.sum_format for layer in self._layers)

    @property
    def image_shape(self):
        """Height, width and channels of the images."""
        return self._known_layout().shape

    def _images(self, cells):
        seen = seen_charges(cells, self.front_end)
        return encoder_images(seen, self.layout, self.arithmetic)

    def _encoded(self, images):
        pixels = self.input_format.to_integers(images, self.rounding)
        if self.arithmetic == "chip":
            columns = np.moveaxis(pixels[..., 0], 0, -1).astype(np.int32)
            codes = encode_images(columns, self.weights)
            # The keep mask takes the top bits.
            return codes >> (CODE_BITS - self.latent_format.bits)
        seen = patches(pixels, self.conv_kernel.shape[:2], self.strides)
        conv, dense = self._layers
        features = conv(seen, self.rounding)
        sums = dense(features.reshape(len(images), -1), self.rounding)
        fraction = fraction_of(dense.output_format)
        return to_format(sums, fraction, self.latent_format, self.rounding)

    def _encoded_cells(self, cells):
        codes = self._encoded(self._images(cells))
        if self.front_end is not None:
            return codes
        # EMDAutoencoder's transform has zeros for wafers without charge, too.
        return codes * cells.any(axis=1, keepdims=True)

    def _checked_cells(self, X):
        layout = self._known_layout()
        wafer = hgcal_wafer()
        geometry = wafer if layout in wafer.layouts.values() else line(layout.n_cells)
        X, _ = as_wafers(X, "X", geometry, allow_empty=True, dtype=None)
        return X if X.dtype == np.float32 else X.astype(np.float64)

    def _checked_images(self, X):
        if X.dtype.kind not in "biuf":
            raise ValueError(f"X must hold numbers; got images of dtype {X.dtype}.")
        height, width, channels = X.shape[1:]
        n_inputs = self._n_dense_inputs((height, width))
        known = self.layout is None or X.shape[1:] == self.layout.shape
        fits = channels == self.conv_kernel.shape[2] and n_inputs == len(
            self.dense_kernel
        )
        if not (known and fits):
            expected = (
                f"images of shape {self.layout.shape}"
                if self.layout is not None
                else f"images of {self.conv_kernel.shape[2]} channels that leave "
                f"{len(self.dense_kernel)} inputs to the dense layer"
            )
            raise ValueError(
                f"X holds images of shape {X.shape[1:]}, but this encoder takes "
                f"{expected}. Lay wafers out with skemd.WaferRemapper."
            )
        if len(X) == 0:
            raise ValueError("X holds no image: found array with 0 sample(s).")
        if not np.isfinite(X).all():
            row = np.argwhere(~np.isfinite(X))[0, 0]
            raise ValueError(
                f"Input X contains NaN or infinity in image {row}. Drop these wafers "
                "or mend them first."
            )
        return X

    def _known_layout(self):
        if self.layout is None:
            raise ValueError(
                f"No layout of the wafer fits a kernel of shape "
                f"{self.conv_kernel.shape} with strides {self.strides} and "
                f"{len(self.dense_kernel)} inputs of the dense layer. Pass layout=, a "
                "skemd.geometry.Layout that says how cells lie in the images."
            )
        return self.layout

    def _checked_layout(self, layout):
        if layout is None:
            fitting = filter(self._fits, hgcal_wafer().layouts.values())
            return next(fitting, None)
        if not isinstance(layout, Layout):
            raise ValueError(
                "layout must be a skemd.geometry.Layout or None; got "
                f"{type(layout).__name__}."
            )
        if self.arithmetic == "chip" and layout != chip_layout():
            raise ValueError(
                "The chip sees the wafer's 48 trigger cells in the layout '8x8'; got "
                f"another one of shape {layout.shape}. Leave layout out, or pass "
                "arithmetic='exact'."
            )
        if not self._fits(layout):
            raise ValueError(
                f"A layout of shape {layout.shape} does not fit conv_kernel of shape "
                f"{self.conv_kernel.shape} with strides {self.strides} and "
                f"dense_kernel of shape {self.dense_kernel.shape}."
            )
        return layout

    def _fits(self, layout):
        *sides, channels = layout.shape
        n_inputs = self._n_dense_inputs(sides)
        return (channels, n_inputs) == (
            self.conv_kernel.shape[2],
            len(self.dense_kernel),
        )

    def _n_dense_inputs(self, sides):
        rows, columns = output_grid(sides, self.strides)
        return rows * columns * self.conv_kernel.shape[3]

    def _exact_layers(self):
        weights = {
            name: self.weight_format.to_integers(getattr(self, name))
            for name in ("conv_kernel", "conv_bias", "dense_kernel", "dense_bias")
        }
        kernel = weights["conv_kernel"].reshape(-1, self.conv_kernel.shape[3])
        after_conv, after_code = self.accumulator_formats
        conv = ExactLayer(
            kernel,
            weights["conv_bias"],
            self.weight_format,
            self.input_format,
            after_conv,
        )
        dense = ExactLayer(
            weights["dense_kernel"],
            weights["dense_bias"],
            self.weight_format,
            conv.output_format,
            after_code,
        )
        sums = dense.output_format
        check_room(sums.highest_integer, fraction_of(sums), self.latent_format)
        return conv, dense


def _in_chunks(encode, X):
    first = encode(X[:_CHUNK])
    codes = np.empty((len(X), first.shape[1]), dtype=np.int64)
    codes[:_CHUNK] = first
    for start in range(_CHUNK, len(X), _CHUNK):
        codes[start : start + _CHUNK] = encode(X[start : start + _CHUNK])
    return codes
