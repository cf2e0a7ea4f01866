"""What files of autoencoders hold: learned attributes and parameters, with types."""

import numpy as np
from sklearn.frozen import FrozenEstimator

from skemd._autoencoder._encoder_formats import FORMATS
from skemd._backend import keras
from skemd._number_formats._fixed_point import FixedPoint
from skemd._regressor import EMDRegressor
from skemd._training._network import Network
from skemd._training._options import TRAINING_PARAMETERS
from skemd.geometry import Geometry, Layout

__all__ = ["ADDED_LATER", "FITTED_ATTRIBUTES", "SAVED_PARAMETERS"]

FITTED_ATTRIBUTES = {
    "n_features_in_": int,
    "geometry_": Geometry,
    "layout_": Layout,
    "network_": Network,
    "history_": dict,
    "n_iter_": int,
    "typical_sum_": int | float,
    "n_conditions_in_": int,
    "condition_names_": np.ndarray | None,
    "training_data_": dict | None,
    "dead_components_": np.ndarray,
    "emd_regressor_": EMDRegressor | None,
    "arithmetic_": str,
    "front_end_": str | None,
    "n_output_links_": int | None,
    **{f"{name}_": FixedPoint | None for name in FORMATS},
    "_returns_images": bool,
    "_encodes_sum": bool,
    "_n_features_out": int,
}
SAVED_PARAMETERS = {
    "loss": str | keras.losses.Loss,
    "emd_regressor": EMDRegressor | FrozenEstimator | None,
    "n_components": int,
    "latent_bits": int | FixedPoint | None,
    "weight_bits": int | None,
    "weight_integer_bits": int,
    "input_bits": int | FixedPoint | None,
    "accumulator_bits": int | FixedPoint | None,
    "n_output_links": int | None,
    "arithmetic": str,
    "front_end": str | None,
    "encode_sum": bool | None,
    "float_fraction": int | float,
    "n_filters": int,
    "kernel_size": int,
    "strides": int,
    "decoder": str,
    "decoder_units": int,
    "decoder_layers": int,
    "layout": str,
    **TRAINING_PARAMETERS,
    "warm_start": bool,
    "geometry": str | Geometry,
}
# What files of earlier versions lack, and what it was then.
ADDED_LATER = {
    "arithmetic": "exact",
    "front_end": None,
    "arithmetic_": "exact",
    "front_end_": None,
    "n_output_links_": None,
    "n_conditions_in_": 0,
    "condition_names_": None,
    "decoder": "mirror",
    "decoder_units": 512,
    "decoder_layers": 1,
    "warm_start": False,
    "training_data_": None,
}
