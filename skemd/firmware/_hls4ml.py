"""The encoder as an hls4ml project: C++ for high-level synthesis.

hls4ml is given a small Keras model of the encoder's weights and, for every tensor, its
format with its rounding and saturation. Sums get as many bits as they may ever need, so
that they are exact until the one rounding to the accumulator's format.
"""

from pathlib import Path

from skemd._extras import import_extra

__all__ = ["export_hls4ml", "hls_type"]

_MODES = {"half_even": "RND_CONV", "floor": "TRN"}


def export_hls4ml(encoder, folder, *, backend="Vitis", part=None):
    """Write an encoder as an hls4ml project.

    The top function takes "image", rows first, and gives the code. Compiled on this
    machine or synthesized, it gives the codes of ``encoder.transform``, bit by bit.

    Parameters
    ----------
    encoder : IntegerEncoder
        What to write.
    folder : str or path
        Folder of the project; files in it are overwritten.
    backend : str, default="Vitis"
        hls4ml's name of the synthesis tool.
    part : str or None, default=None
        The device, None for the backend's own choice.

    Returns
    -------
    project : hls4ml.model.ModelGraph
        Its ``compile()`` builds the C++ with g++, and ``predict(images)`` then runs it.

    Raises
    ------
    ImportError
        If hls4ml is not installed.
    ValueError
        If the encoder has no layout, so that the shape of the images is not known.
    """
    hls4ml = import_extra("hls4ml", "firmware")
    model = _keras_model(encoder)
    project = hls4ml.converters.convert_from_keras_model(
        model,
        hls_config=_configuration(encoder),
        output_dir=str(Path(folder)),
        project_name="encoder",
        backend=backend,
        io_type="io_parallel",
        part=part,
    )
    # The weights are in the project; a second copy would only bring Keras along.
    project.config.config.pop("KerasModel")
    project.write()
    return project


def _keras_model(encoder):
    from skemd._backend import keras

    layers = keras.layers
    n_filters = encoder.conv_kernel.shape[3]
    model = keras.Sequential(
        [
            keras.Input(encoder.image_shape, name="image"),
            layers.Conv2D(
                n_filters,
                encoder.conv_kernel.shape[:2],
                encoder.strides,
                padding="same",
                data_format="channels_last",
                name="conv",
            ),
            layers.Activation("relu", name="conv_relu"),
            layers.Flatten("channels_last", name="flatten"),
            layers.Dense(encoder.dense_kernel.shape[1], name="code"),
            layers.Activation("relu", name="code_relu"),
        ],
        name="encoder",
    )
    model.set_weights(
        [
            encoder.conv_kernel,
            encoder.conv_bias,
            encoder.dense_kernel,
            encoder.dense_bias,
        ]
    )
    return model


def _configuration(encoder):
    rounding = encoder.rounding
    sums = hls_type(encoder.accumulator_format, rounding)
    weights = hls_type(encoder.weight_format)
    precisions = {
        "image": {"result": hls_type(encoder.input_format, rounding)},
        "conv_relu": {"result": sums},
        "flatten": {"result": sums},
        "code_relu": {"result": hls_type(encoder.latent_format, rounding)},
    }
    for name, layer in zip(("conv", "code"), encoder.layers, strict=True):
        precisions[name] = {
            "weight": weights,
            "bias": weights,
            "accum": _exact_type(layer),
            "result": sums,
        }
    return {
        "Model": {"Precision": sums, "ReuseFactor": 1, "Strategy": "Latency"},
        "LayerName": {
            name: {"Precision": precision} for name, precision in precisions.items()
        },
    }


def hls_type(number_format, rounding=None):
    """Name a format as HLS does, where integer bits count the sign.

    Parameters
    ----------
    number_format : FixedPoint
        The format.
    rounding : {"half_even", "floor"} or None, default=None
        How numbers are rounded to it, saturating; None to leave that out.

    Returns
    -------
    name : str
        Such as "fixed<6,1>" for ``FixedPoint(6, 0)``.
    """
    kind = "fixed" if number_format.signed else "ufixed"
    width = f"{number_format.bits},{number_format.integer_bits + number_format.signed}"
    modes = f",{_MODES[rounding]},SAT" if rounding else ""
    return f"{kind}<{width}{modes}>"


def _exact_type(layer):
    """Return the name of a format that holds every sum of a layer as it is."""
    bits = layer.largest_sum.bit_length() + 1
    return f"fixed<{bits},{bits - layer.fraction}>"
