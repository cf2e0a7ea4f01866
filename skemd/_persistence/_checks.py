"""Checks of learned attributes from files: whether they belong together.

They bound what later calls compute and allocate, and see that no value of an unknown
kind reaches code that does not check it.
"""

import re

import numpy as np

from skemd._checks import check_number
from skemd._io._archive import brief
from skemd._number_formats._links import LINK_FORMATS

__all__ = ["check_fitted"]

# Numbers of cells in X, for each cell.
_CELLS_PER_SAMPLE = {"EMDRegressor": 2}
# What builds the network of each class that has one.
_BUILDERS = {
    "EMDRegressor": "build_emd_network",
    "EMDAutoencoder": "build_autoencoder",
    "EMDDecoder": "build_decoder",
}
_OUTPUTS = (None, "default", "pandas", "polars")


def check_fitted(estimator):
    """Check the learned attributes of an estimator that was or will be in a file.

    Parameters
    ----------
    estimator : object
        Of one of the classes that files may hold, fitted or not. The types of its
        attributes are right.

    Raises
    ------
    ValueError
        If an attribute does not belong to the others.
    """
    learned = vars(estimator)
    config = learned.get("_sklearn_output_config")
    if config is not None:
        _check(config.keys() <= {"transform"}, "_sklearn_output_config", config)
        _check(config.get("transform") in _OUTPUTS, "_sklearn_output_config", config)
    if "geometry_" not in learned:
        return
    n_cells = estimator.geometry_.n_cells
    per_sample = _CELLS_PER_SAMPLE.get(type(estimator).__name__, 1)
    _check(
        estimator.n_features_in_ == per_sample * n_cells,
        "n_features_in_",
        estimator.n_features_in_,
    )
    names = learned.get("feature_names_in_")
    if names is not None:
        is_names = names.dtype == object and names.shape == (estimator.n_features_in_,)
        _check(is_names, "feature_names_in_", names)
    for key in ("layout_", "_image_layout"):
        layout = learned.get(key)
        _check(layout is None or layout.n_cells == n_cells, key, layout)
    _check_by_class(estimator, n_cells)


def _check_by_class(estimator, n_cells):
    name = type(estimator).__name__
    if name == "WaferRemapper":
        _check_normalize(estimator.normalize)
    elif name in _BUILDERS:
        _check_history(estimator)
        _check_network(estimator, _BUILDERS[name], n_cells)
    else:
        estimator._check_parameters()
        _check_baseline(estimator, n_cells)


def _check_normalize(normalize):
    from skemd._input._scaling import NORMALIZATIONS

    _check(normalize in NORMALIZATIONS, "normalize", normalize)


def _check_history(estimator):
    for name, values in estimator.history_.items():
        is_list = name in ("loss", "val_loss") and isinstance(values, list)
        _check(is_list and all(map(_is_number, values)), "history_", name)
    _check(estimator.n_iter_ >= 0, "n_iter_", estimator.n_iter_)


def _check_network(estimator, builder, n_cells):
    network = estimator.network_
    _check(network.builder.__name__ == builder, "network_", builder)
    config = network.config
    if builder == "build_decoder":
        _check(config["n_cells"] == n_cells, "network_", config)
        # It is told the sum.
        _check_conditions(estimator, config, 1 + estimator.n_conditions_in_)
        return
    _check(len(config["cell_to_pixel"]) == n_cells, "network_", config)
    if builder == "build_autoencoder":
        _check_autoencoder(estimator, config)


def _check_autoencoder(estimator, config):
    layout = estimator.layout_
    _check(tuple(config["image_shape"]) == layout.shape, "network_", config)
    _check(
        list(config["cell_to_pixel"]) == layout.cell_to_pixel.tolist(),
        "network_",
        config,
    )
    n_components = config["n_components"]
    n_features_out = n_components + estimator._encodes_sum
    _check(
        estimator._n_features_out == n_features_out,
        "_n_features_out",
        estimator._n_features_out,
    )
    _check_chip(estimator, config)
    check_number(estimator.typical_sum_, "typical_sum_", low=0)
    _check_indices(estimator.dead_components_, "dead_components_", 1, 0, n_components)
    data = estimator.training_data_
    _check(data is None or _is_record(data), "training_data_", data)


def _check_chip(autoencoder, config):
    from skemd.firmware._chip._front_end import FRONT_ENDS

    arithmetic, front_end = autoencoder.arithmetic_, autoencoder.front_end_
    is_chip = arithmetic == "chip"
    _check(arithmetic == config.get("arithmetic", "exact"), "arithmetic_", arithmetic)
    _check(is_chip or arithmetic == "exact", "arithmetic_", arithmetic)
    known = (*FRONT_ENDS, None) if is_chip else (None,)
    _check(front_end in known, "front_end_", front_end)
    links = autoencoder.n_output_links_
    known = LINK_FORMATS if is_chip else (*LINK_FORMATS, None)
    _check(links in known, "n_output_links_", links)
    _check_conditions(autoencoder, config, autoencoder._inputs.n_conditions)


def _check_conditions(estimator, config, n_conditions):
    _check(config.get("n_conditions", 0) == n_conditions, "network_", config)
    names, n_given = estimator.condition_names_, estimator.n_conditions_in_
    _check(n_given >= 0, "n_conditions_in_", n_given)
    is_named = names is None or (len(names) == n_given and names.dtype == object)
    _check(is_named, "condition_names_", names)


def _check_baseline(estimator, n_cells):
    learned = vars(estimator)
    check_number(
        learned.get("n_sent_", 0), "n_sent_", low=0, high=n_cells, integer=True
    )
    if "supercells_" in learned:
        cells = estimator.supercells_
        # The last group may lack cells, which are -1.
        _check_indices(cells, "supercells_", 2, -1, n_cells)
        used = cells[cells >= 0]
        is_once = len(np.unique(used)) == len(used) and (cells >= 0).any(axis=1).all()
        _check(is_once and cells.shape[1] <= n_cells + 16, "supercells_", cells)
    threshold = np.asarray(learned.get("threshold_", 0))
    is_threshold = threshold.shape in ((), (n_cells,)) and threshold.dtype.kind in "iuf"
    is_threshold = (
        is_threshold and np.isfinite(threshold).all() and threshold.min() >= 0
    )
    _check(is_threshold, "threshold_", threshold)


def _check_indices(array, name, n_dimensions, low, end):
    is_index = array.ndim == n_dimensions and array.dtype.kind in "iu"
    is_index = is_index and (array.size == 0 or low <= array.min() <= array.max() < end)
    _check(is_index, name, array)


def _is_record(data):
    """Return whether data are described by a number and a SHA-256."""
    return (
        data.keys() == {"n_wafers", "sha256"}
        and type(data["n_wafers"]) is int
        and type(data["sha256"]) is str
        and re.fullmatch("[0-9a-f]{64}", data["sha256"]) is not None
    )


def _is_number(value):
    return type(value) in (int, float)


def _check(is_right, name, value):
    if not is_right:
        raise ValueError(f"{name}={brief(value)} does not belong to the other values")
