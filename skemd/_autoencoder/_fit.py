"""From checked wafers to a trained network: loss, data, initial weights, training."""

import functools
import hashlib

import numpy as np
from sklearn.utils import gen_batches

from skemd._autoencoder._loss import autoencoder_loss, name_of_loss, of_equal_sums
from skemd._autoencoder._network import ENCODER, build_autoencoder
from skemd._autoencoder._quantization import train_quantized
from skemd._input._chunks import CHUNK
from skemd._input._scaling import to_leading_bit
from skemd._training._epoch_tables import EpochTables
from skemd._training._lazy_rows import LazyRows
from skemd._training._loop import train
from skemd._training._network import Network
from skemd._training._options import TrainingOptions
from skemd.layers._blocks import seeds_from

__all__ = [
    "N_STEPS",
    "going_on",
    "identity_of",
    "network_config",
    "record_of_data",
    "trained_network",
]

# Steps of a training whose number of epochs is not given.
N_STEPS = 24_000


def trained_network(autoencoder, data, formats, checkpoint, start):
    """Train the network of an autoencoder.

    Parameters
    ----------
    autoencoder : EMDAutoencoder
        The estimator, whose parameters have been checked.
    data : FitData
        The checked wafers, and what the decoder is told.
    formats : dict of str to FixedPoint or None
        The formats of the encoder's stages.
    checkpoint : Checkpoint
        Where the training leaves its state.
    start : Network or None
        The network from whose weights to go on; None for new ones.

    Returns
    -------
    network : Network
        With its best weights.
    result : TrainingResult
        The history, and whether the training was interrupted.
    codes : ndarray of float32 of shape (n_samples, n_components)
        The codes of the wafers.
    regressor : EMDRegressor or None
        The learned EMD that was fitted for the loss, if one was.
    """
    rng = checkpoint.random_state(autoencoder.random_state)
    X, inputs = data.X, data.inputs
    loss, regressor = autoencoder_loss(
        autoencoder, X[:], data.geometry, rng, checkpoint
    )
    config = network_config(autoencoder, inputs)
    if config["decoder"] == "residual":
        loss = of_equal_sums(loss)
    # Computed for each batch, since all of them may not fit into the memory.
    cells = LazyRows(to_leading_bit, X)
    images = LazyRows(inputs.images, X)
    network = Network.untrained(build_autoencoder, config, seeds_from(rng))
    is_rounded = False
    if start is not None:
        network = going_on(start, network)
        roundings = {**formats, "arithmetic": inputs.arithmetic}
        is_rounded = roundings.items() <= start.config.items()
    network, result = train_quantized(
        network,
        formats,
        inputs.arithmetic,
        images,
        functools.partial(
            train,
            inputs=LazyRows(inputs, X, data.given),
            targets=cells,
            loss=loss,
            refresh=getattr(X, "advance", None),
            checkpoint=checkpoint,
        ),
        TrainingOptions.of(autoencoder, len(X), N_STEPS),
        rng=rng,
        is_rounded=is_rounded,
        float_fraction=autoencoder.float_fraction,
        label=f"EMDAutoencoder({name_of_loss(autoencoder.loss)})",
    )
    network.pull_weights()
    return network, result, network.predict(images, ENCODER), regressor


def network_config(autoencoder, inputs):
    """Return the builder's arguments, without the seeds and the roundings."""
    decoder = autoencoder.decoder
    if decoder == "auto":
        decoder = "residual" if inputs.arithmetic == "chip" else "mirror"
    size = {}
    if decoder == "residual":
        size["decoder_units"] = autoencoder.decoder_units
        size["decoder_layers"] = autoencoder.decoder_layers
    return {
        "image_shape": inputs.layout.shape,
        "cell_to_pixel": inputs.layout.cell_to_pixel.tolist(),
        "n_components": autoencoder.n_components,
        "n_filters": autoencoder.n_filters,
        "kernel_size": autoencoder.kernel_size,
        "strides": autoencoder.strides,
        "n_conditions": inputs.n_conditions,
        "decoder": decoder,
        **size,
    }


def going_on(start, fresh):
    """Return a network of the shape of a new one, with the weights of the last fit.

    Parameters
    ----------
    start, fresh : Network
        That of the last fit, and a new one.

    Returns
    -------
    network : Network
        With the builder and the configuration of the new one.

    Raises
    ------
    ValueError
        If their weights have different shapes.
    """
    shapes = [[weight.shape for weight in each.weights] for each in (start, fresh)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            "warm_start=True goes on from the weights of the last fit, whose shapes "
            f"are {shapes[0]}, but the networks would now have {shapes[1]}. Set the "
            "parameters that shape the networks back, such as the width of layers and "
            "the number of conditions, or set warm_start=False."
        )
    return Network(fresh.builder, fresh.config, start.weights)


def identity_of(data, start):
    """Return what the result of a fit depends on, apart from the parameters.

    Parameters
    ----------
    data : FitData
        The checked arguments.
    start : Network or None
        The network from whose weights the training goes on.

    Returns
    -------
    identity : dict
        Values by name, as :func:`skemd._training._checkpoint.checkpoint_of` takes them.
    """
    weights = None if start is None else start.weights
    wafers = {"layout": data.layout, "X": data.X[:], "conditions": data.given}
    return {**wafers, "start": weights}


def record_of_data(X):
    """Return what tells whether other wafers are those of a fit.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_cells), or EpochTables
        The wafers of the fit, in any unit.

    Returns
    -------
    record : dict or None
        "n_wafers", and "sha256" of their charges in double precision, row by row. None
        if each epoch has had wafers of its own.
    """
    if isinstance(X, EpochTables):
        return None
    digest = hashlib.sha256()
    for chunk in gen_batches(len(X), CHUNK):
        digest.update(np.ascontiguousarray(X[chunk], dtype="<f8"))
    return {"n_wafers": len(X), "sha256": digest.hexdigest()}
