"""scikit-learn's own checks of estimators, all of them, none switched off."""

import numpy as np
import pytest
from sklearn.utils import estimator_checks, get_tags
from sklearn.utils.estimator_checks import (
    estimator_checks_generator,
    parametrize_with_checks,
)
from small_data import tiny_autoencoder, tiny_decoder, tiny_regressor

from skemd import WaferRemapper
from skemd.baselines import BestChoice, SuperTriggerCell, ThresholdSum

# The battery fits each estimator about a hundred times; compiling is most of it.


def _remapper():
    return WaferRemapper(geometry="line")


def _regressor(**parameters):
    return tiny_regressor(
        **{"geometry": "line", "n_conv_layers": 0, "n_dense_units": 8, **parameters}
    )


def _autoencoder(**parameters):
    return tiny_autoencoder(geometry="line", **{"n_components": 4, **parameters})


def _decoder():
    return tiny_decoder(geometry="line", units=4)


# The chip's algorithms are made for the wafer. On a line supercells are cells that
# follow each other, and links have room for all of the few columns of the checks.
_BASELINES = [
    ThresholdSum(geometry="line"),
    ThresholdSum("links", overflow="truncate", rest="even", geometry="line"),
    BestChoice(geometry="line"),
    BestChoice(1, rest="even", geometry="line"),
    *(SuperTriggerCell(name, geometry="line") for name in ("STC4_9", "CTC4_7")),
]
_ESTIMATORS = [_remapper(), _regressor(), _autoencoder(), _decoder(), *_BASELINES]
_each_estimator = pytest.mark.parametrize(
    "estimator", _ESTIMATORS, ids=lambda estimator: type(estimator).__name__
)

# Nothing is expected to fail. A check that ever has to stands here with its reason:
# {"EMDRegressor": {"check_name": "why"}}.
_EXPECTED_FAILURES = {}


def _expected_failed_checks(estimator):
    return _EXPECTED_FAILURES.get(type(estimator).__name__, {})


# Some checks make a row of zeros, which fit leaves out with a warning of its own; their
# targets are no distances, and their charges no counts.
@pytest.mark.filterwarnings("ignore:.* leaves samples out:UserWarning")
@pytest.mark.filterwarnings("ignore:y is off the exact EMD:UserWarning")
@pytest.mark.filterwarnings("ignore:.* takes charges in CALQ counts:UserWarning")
@parametrize_with_checks(_ESTIMATORS, expected_failed_checks=_expected_failed_checks)
def test_estimator_passes(estimator, check):
    check(estimator)


def _names_of_checks(estimator):
    checks = [check for _, check in estimator_checks_generator(estimator)]
    return [getattr(check, "func", check).__name__ for check in checks]


@_each_estimator
def test_battery_is_complete(estimator):
    names = _names_of_checks(estimator)
    # There are more checks of transformers and regressors.
    assert len(names) >= (43 if type(estimator).__name__ == "EMDDecoder" else 45)
    assert "check_readonly_memmap_input" in names
    assert set(_expected_failed_checks(estimator)) <= set(names)


@_each_estimator
def test_no_tag_switches_checks_off(estimator):
    tags = get_tags(estimator)
    assert tags.input_tags.two_d_array
    assert not tags._skip_test
    assert not tags.no_validation
    assert not tags.non_deterministic
    assert not tags.input_tags.allow_nan
    assert not tags.input_tags.pairwise


# Checks that are not in the battery


@pytest.mark.filterwarnings("ignore:y is off the exact EMD:UserWarning")
@pytest.mark.filterwarnings("ignore:.* takes charges in CALQ counts:UserWarning")
@_each_estimator
def test_estimator_is_strict_about_the_names_of_columns(estimator):
    pytest.importorskip("pandas")
    estimator_checks.check_dataframe_column_names_consistency(
        type(estimator).__name__, estimator
    )


# scikit-learn's checks mix frames and arrays, which it warns of itself.
@pytest.mark.filterwarnings("ignore:X .* feature names:UserWarning")
@pytest.mark.filterwarnings("ignore:.* takes charges in CALQ counts:UserWarning")
@pytest.mark.parametrize(
    "check",
    [
        "check_set_output_transform",
        "check_set_output_transform_pandas",
        "check_global_output_transform_pandas",
        "check_transformer_get_feature_names_out",
        "check_transformer_get_feature_names_out_pandas",
    ],
)
@pytest.mark.parametrize(
    "transformer",
    [_autoencoder(), *_BASELINES],
    ids=lambda transformer: type(transformer).__name__,
)
def test_codes_come_in_the_container_asked_for(transformer, check):
    pytest.importorskip("pandas")
    getattr(estimator_checks, check)(type(transformer).__name__, transformer)


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "check", ["check_fit2d_predict1d", "check_transformer_general"]
)
def test_the_learned_emd_passes_on_a_line(check, monkeypatch):
    # The battery runs with a loss that needs no regressor; here one is fitted inside,
    # a small one for the sake of time.
    def small_regressor(**parameters):
        return _regressor(**{**parameters, "random_state": 0})

    monkeypatch.setattr("skemd._autoencoder._loss.EMDRegressor", small_regressor)
    getattr(estimator_checks, check)("EMDAutoencoder", _autoencoder(loss="emdcnn"))


@pytest.mark.exhaustive
def test_the_default_loss_fits_on_a_line():
    X = np.random.RandomState(0).rand(20, 5)
    autoencoder = _autoencoder(loss="emdcnn").fit(X)
    assert autoencoder.transform(X).shape == (20, 4)
    assert autoencoder.emd_regressor_.geometry_ == autoencoder.geometry_
