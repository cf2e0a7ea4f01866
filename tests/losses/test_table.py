"""The table of losses by name, and what follows from it."""

import inspect

import numpy as np
import pytest

import skemd.losses
from skemd import EMDAutoencoder, EMDRegressor
from skemd._backend import keras
from skemd.geometry import grid
from skemd.losses import (
    ExactEMD,
    LearnedEMD,
    MeanSquaredError,
    SinkhornDivergence,
    TelescopeLoss,
    WeightedMeanSquaredError,
)
from skemd.losses._table import LOSSES, named_loss

each_name = pytest.mark.parametrize("name", LOSSES)


def test_every_public_loss_has_a_name():
    assert {row.loss.__name__ for row in LOSSES.values()} == {*skemd.losses.__all__}


@each_name
def test_a_loss_has_the_same_name_for_keras(name):
    parameters = inspect.signature(LOSSES[name].loss).parameters
    assert parameters["name"].default == name
    assert set(LOSSES[name].given) <= set(parameters) & {
        "geometry",
        "n_jobs",
        "regressor",
    }


@pytest.mark.parametrize(
    ("loss", "shown"),
    [
        (SinkhornDivergence(epsilon=0.5), "SinkhornDivergence(epsilon=0.5)"),
        (ExactEMD(grid(2, 3), n_jobs=2), f"ExactEMD(geometry={grid(2, 3)}, n_jobs=2)"),
        (TelescopeLoss("reference"), "TelescopeLoss(weights='reference')"),
        (MeanSquaredError(), "MeanSquaredError()"),
        (WeightedMeanSquaredError(name="own"), "WeightedMeanSquaredError(name='own')"),
    ],
)
def test_a_loss_shows_its_parameters(loss, shown):
    assert repr(loss) == shown
    assert "".join(shown.split()) in "".join(repr(EMDAutoencoder(loss)).split())


def test_the_learned_emd_shows_its_regressor():
    regressor = EMDRegressor.from_pretrained()
    shown = " ".join(repr(regressor).split())
    assert repr(LearnedEMD(regressor)) == f"LearnedEMD(regressor={shown})"


@pytest.fixture
def half_precision():
    before = keras.config.floatx()
    keras.config.set_floatx("float16")
    yield
    keras.config.set_floatx(before)


def test_losses_compute_in_float32_whatever_keras_is_set_to(half_precision):
    sides = np.full((1, 48), 1.0), np.full((1, 48), 3e5)
    for loss in (ExactEMD(), SinkhornDivergence(), TelescopeLoss(), MeanSquaredError()):
        assert loss.dtype == "float32"
        assert keras.backend.standardize_dtype(loss(*sides).dtype) == "float32"
    assert MeanSquaredError(dtype="float64").dtype == "float64"


@each_name
def test_the_module_describes_its_losses(name):
    row = LOSSES[name]
    shown = " ".join(skemd.losses.__doc__.split())
    assert f'- ``"{name}"`` ({row.loss.__name__}): {row.description}' in shown
    assert row.description.endswith(".")


def test_the_list_fits_the_lines_of_a_docstring():
    assert max(map(len, skemd.losses.__doc__.splitlines())) <= 88


def test_a_class_enters_the_table_and_stays_as_it_is(monkeypatch):
    monkeypatch.setattr("skemd.losses._table.LOSSES", {})

    @named_loss("none", "nothing.", given=["geometry"], wafer_only=True)
    class Nothing(keras.losses.Loss):
        pass

    (row,) = skemd.losses._table.LOSSES.values()
    assert row.loss is Nothing
    assert (row.description, row.given, row.wafer_only) == (
        *("nothing.", ("geometry",), True),
    )
