"""The one place where Keras is imported, on the backend that the user has chosen.

If Keras is already imported, it keeps its backend. Otherwise the environment variable
KERAS_BACKEND decides, then the file keras.json, then what is installed, in the order
jax, torch, tensorflow; see :mod:`skemd._backend_choice`. Import Keras from here,
``from skemd._backend import keras``, and nowhere else.
"""

import numpy as np

from skemd._backend_choice import check_backend

__all__ = ["keras", "layers_with_weights", "weights_of"]

check_backend()
# The import has to follow the choice.
import keras  # noqa: E402


def layers_with_weights(model):
    """Return the layers of a chain that have weights, from the input to the output.

    Parameters
    ----------
    model : keras.Model
        A chain of layers.

    Returns
    -------
    layers : list of keras.Layer
        Such as the encoder's convolution and its dense layer.
    """
    return [layer for layer in model.layers if layer.weights]


def weights_of(model):
    """Return copies of a model's weights as NumPy arrays, in ``get_weights``'s order.

    Keras's own method causes a deprecation warning of NumPy 2 on some backends.
    """
    values = [weight.value for weight in model.weights]
    return [np.array(keras.ops.convert_to_numpy(value)) for value in values]
