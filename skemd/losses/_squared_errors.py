"""Squared errors as losses: plain, weighted, and at three resolutions at once.

Negative charges count as zero, as in all losses, and have no gradient. Charges should
be of the order of one: squares and cubes of others may leave single precision.
"""

import numpy as np

from skemd._backend import keras
from skemd._checks import check_choice
from skemd.geometry import N_FACE_CELLS, N_FACES
from skemd.losses._base import Loss
from skemd.losses._charges import not_negative
from skemd.losses._table import named_loss

__all__ = ["MeanSquaredError", "TelescopeLoss", "WeightedMeanSquaredError"]

_N_CELLS = N_FACES * N_FACE_CELLS


@named_loss("mse", "squared errors, cell by cell.")
@keras.saving.register_keras_serializable("skemd")
class MeanSquaredError(Loss):
    """Mean over the cells of the squared difference.

    Negative charges count as zero.

    Parameters
    ----------
    name : str, default="mse"
        Its name in Keras.
    **kwargs
        Options of ``keras.losses.Loss``.
    """

    def __init__(self, name="mse", **kwargs):
        super().__init__(name=name, **kwargs)

    def call(self, y_true, y_pred):
        """Return a value for each sample."""
        difference = not_negative(y_true) - not_negative(y_pred)
        return keras.ops.mean(keras.ops.square(difference), axis=-1)


@named_loss(
    "weighted_mse",
    "squared errors, cell by cell, weighted by the larger of the two charges.",
)
@keras.saving.register_keras_serializable("skemd")
class WeightedMeanSquaredError(Loss):
    r"""Mean over the cells of the squared difference times the larger charge.

    .. math:: \frac1n \sum_i (y_i - p_i)^2 \max(y_i, p_i)

    Negative charges count as zero.

    Parameters
    ----------
    name : str, default="weighted_mse"
        Its name in Keras.
    **kwargs
        Options of ``keras.losses.Loss``.
    """

    def __init__(self, name="weighted_mse", **kwargs):
        super().__init__(name=name, **kwargs)

    def call(self, y_true, y_pred):
        """Return a value for each sample."""
        return _weighted_square(not_negative(y_true), not_negative(y_pred))


@named_loss(
    "telescope",
    "weighted squared errors at three resolutions, for the wafer only.",
    wafer_only=True,
)
@keras.saving.register_keras_serializable("skemd")
class TelescopeLoss(Loss):
    r"""Weighted squared errors of the wafer at three resolutions at once.

    To the error of the trigger cells it adds that of sums of 2 x 2 neighboring cells
    (36 overlapping ones: 12 that tile the faces, 15 shifted inside the faces and 9
    across the seams between them) and of the three faces:

    .. math:: 4 L(48) + 2 L(36, w) + L(3), \quad
        L(n, w) = \frac1n \sum_i w_i (y_i - p_i)^2 \max(y_i, p_i).

    Negative charges count as zero.

    Parameters
    ----------
    weights : {"corrected", "reference"}, default="corrected"
        The weights w of the 2 x 2 sums. "corrected" counts each trigger cell once, in
        equal parts over the sums that contain it, so that the weights add up to 12.
        "reference" has the weights of the published code, where a slip in operator
        precedence turns 13/48 into 1/3 and 7/24 into 5/12, three times each.
    name : str, default="telescope"
        Its name in Keras.
    **kwargs
        Options of ``keras.losses.Loss``.

    References
    ----------
    G. Di Guglielmo et al., "A Reconfigurable Neural Network ASIC for Detector
    Front-End Data Compression at the HL-LHC", IEEE Trans. Nucl. Sci. 68 (2021) 2179,
    arXiv:2105.01683.
    """

    def __init__(self, weights="corrected", name="telescope", **kwargs):
        check_choice(weights, "weights", ("corrected", "reference"))
        super().__init__(name=name, **kwargs)
        self.weights = weights
        self._to_36 = _membership(telescope_sums())
        self._to_3 = _membership(np.arange(_N_CELLS).reshape(N_FACES, -1))
        self._weights_36 = telescope_weights(weights).astype(np.float32)

    def call(self, y_true, y_pred):
        """Return a value for each sample."""
        if y_pred.shape[-1] != _N_CELLS:
            raise ValueError(
                f"The telescope loss is made for the wafer's {_N_CELLS} trigger cells; "
                f"got {y_pred.shape[-1]}. Use another loss for this geometry."
            )
        y_true, y_pred = not_negative(y_true), not_negative(y_pred)
        total = 4.0 * _weighted_square(y_true, y_pred)
        total = total + 2.0 * _weighted_square(
            keras.ops.matmul(y_true, self._to_36),
            keras.ops.matmul(y_pred, self._to_36),
            keras.ops.convert_to_tensor(self._weights_36),
        )
        return total + _weighted_square(
            keras.ops.matmul(y_true, self._to_3), keras.ops.matmul(y_pred, self._to_3)
        )


def telescope_sums():
    """Return the telescope's 2 x 2 sums of cells.

    Returns
    -------
    members : list of 36 sorted lists of 4 int
        12 that tile the faces, then 15 shifted ones inside the faces, then 9 across
        the seams.
    """
    face = np.arange(N_FACE_CELLS).reshape(4, 4)
    corners = [(i, j) for i in range(3) for j in range(3)]
    tiling = [(i, j) for i, j in corners if i % 2 == j % 2 == 0]
    shifted = [corner for corner in corners if corner not in tiling]
    members = [
        (N_FACE_CELLS * number + face[i : i + 2, j : j + 2]).ravel()
        for blocks in (tiling, shifted)
        for number in range(N_FACES)
        for i, j in blocks
    ]
    # Along a seam the first row of a face meets the last column of the next face.
    for number in range(N_FACES):
        row = N_FACE_CELLS * number + face[0]
        column = N_FACE_CELLS * ((number + 1) % N_FACES) + face[::-1, 3]
        members += [np.r_[row[k : k + 2], column[k : k + 2]] for k in range(3)]
    return [sorted(cells.tolist()) for cells in members]


def telescope_weights(weights):
    """Return the telescope's weight for each of its 2 x 2 sums.

    Parameters
    ----------
    weights : {"corrected", "reference"}
        See :class:`TelescopeLoss`.

    Returns
    -------
    weights : ndarray of shape (36,)
        For each sum, a quarter of the sum over its four cells of 1 over the number of
        sums that contain the cell.
    """
    members = telescope_sums()
    coverage = np.bincount(np.concatenate(members), minlength=_N_CELLS)
    values = np.array([(1 / coverage[cells]).sum() / 4 for cells in members])
    if weights == "reference":
        values[np.isclose(values, 13 / 48)] = 1 / 3
        values[np.isclose(values, 7 / 24)] = 5 / 12
    return values


def _weighted_square(y_true, y_pred, weights=1.0):
    larger = keras.ops.maximum(y_true, y_pred)
    return keras.ops.mean(keras.ops.square(y_true - y_pred) * larger * weights, axis=-1)


def _membership(members):
    matrix = np.zeros((_N_CELLS, len(members)), dtype=np.float32)
    for column, cells in enumerate(members):
        matrix[cells, column] = 1
    return matrix
