"""What goes into the graphs of encoder and decoder and what comes out, in words."""

import json

import numpy as np

from skemd._number_formats._links import SPREAD_LOG2, TYPICAL_LOG2

__all__ = ["decoder_meaning", "encoder_meaning", "has_softmax", "placement_of"]


def encoder_meaning(encoder):
    """Describe input and output of an encoder's graph.

    Parameters
    ----------
    encoder : IntegerEncoder
        The encoder.

    Returns
    -------
    meaning : dict of str to str
        Texts under "input", "output" and "normalization", JSON of the cells' places in
        the flattened image under "cell_to_pixel", and "arithmetic" and "front_end".
    """
    shape = ", ".join(map(str, encoder.image_shape))
    front_end = encoder.front_end
    charges = "charges"
    if front_end is not None:
        charges = f"charges in counts behind the chip's front end ({front_end})"
    truncated = ", rounded down to 1/128" if encoder.arithmetic == "chip" else ""
    highest, step = encoder.latent_format.highest, encoder.latent_format.step
    return {
        "input": f"image: float32, (n, {shape}); {charges}, laid out by cell_to_pixel "
        "and normalized",
        "normalization": "each wafer divided by the power of two at or below its sum"
        f"{truncated}; sums are then from 1 to 2, and pixels above "
        f"{encoder.input_format.highest:g} saturate",
        "output": f"code: float32, (n, {encoder.dense_kernel.shape[1]}); multiples of "
        f"{step:g} from 0 to {highest:g}",
        "cell_to_pixel": json.dumps(encoder.layout.cell_to_pixel.tolist()),
        "arithmetic": encoder.arithmetic,
        "front_end": str(front_end),
    }


def decoder_meaning(n_components, inputs):
    """Describe input and output of a decoder's graph in ONNX.

    Parameters
    ----------
    n_components : int
        Numbers of a code.
    inputs : NetworkInputs
        How the autoencoder's wafers become inputs.

    Returns
    -------
    meaning : dict of str to str
        Texts under "input" and "output", and JSON of the cells' places in the flattened
        image under "cell_to_pixel".
    """
    told = ""
    if inputs.tells_sum:
        told = (
            f", then (log2(sum) - {TYPICAL_LOG2}) / {SPREAD_LOG2}, and sum over the "
            "power of two at or below it, of the module sum in counts as it was sent"
        )
    if inputs.n_given:
        told += f", then {inputs.n_given} conditions as in fit"
    width = n_components + inputs.n_conditions
    shape = ", ".join(map(str, inputs.layout.shape))
    return {
        "input": f"code: float32, (n, {width}); {n_components} numbers as the encoder "
        f"gives them{told}",
        "output": f"image: float32, (n, {shape}); proportional to the charges of the "
        "cells, which are to be scaled to the sum of the wafer",
        "cell_to_pixel": json.dumps(inputs.layout.cell_to_pixel.tolist()),
    }


def has_softmax(decoder):
    """Return whether a decoder ends with a softmax over the cells, or a sigmoid."""
    return any(layer.name == "softmax" for layer in decoder.layers)


def placement_of(layout):
    """Return the matrix that lays rows of cells out as flattened images.

    Parameters
    ----------
    layout : Layout
        How cells lie in images.

    Returns
    -------
    placement : ndarray of float64 of shape (n_cells, n_pixels)
        Of zeros and ones.
    """
    return np.eye(int(np.prod(layout.shape)))[layout.cell_to_pixel]
