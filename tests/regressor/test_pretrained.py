"""The regressor that ships with the package, on wafers that it never saw."""

from pathlib import Path

import numpy as np
import pytest
from repository import REAL_SAMPLE

import skemd
from skemd import EMDAutoencoder, EMDRegressor
from skemd._regressor._estimator import PRETRAINED
from skemd._training import _pretrained
from skemd.datasets import load_wafers, make_pairs, make_wafers
from skemd.datasets._pairs import PAIR_KINDS
from skemd.distance import paired_emd, paired_potentials

FOLDER = Path(skemd.__file__).parent / "_regressor" / "pretrained"
# Seeds below 1000 are for training.
TEST_SEED = 2_000


@pytest.fixture(scope="module")
def regressor():
    return EMDRegressor.from_pretrained("hgcal-wafer")


@pytest.fixture(scope="module")
def unseen_wafers():
    return make_wafers(1_500, random_state=TEST_SEED)


@pytest.fixture
def copied_weights(tmp_path, monkeypatch):
    """Return a copy of the weights file, from which regressors are read."""
    path = tmp_path / "pretrained" / "hgcal-wafer.npz"
    path.parent.mkdir()
    path.write_bytes((FOLDER / "hgcal-wafer.npz").read_bytes())
    monkeypatch.setattr(_pretrained.resources, "files", lambda _: tmp_path)
    return path


def relative_differences(regressor, wafers, kind, n_pairs=1_500):
    pairs, y, _ = make_pairs(wafers, n_pairs, kinds={kind: 1}, random_state=TEST_SEED)
    apart = y > 1e-6
    return regressor.predict(pairs[apart]) / y[apart] - 1


@pytest.mark.parametrize("kind", PAIR_KINDS)
def test_it_is_accurate_on_generated_pairs_of_each_kind(regressor, unseen_wafers, kind):
    difference = relative_differences(regressor, unseen_wafers, kind)
    assert abs(difference.mean()) <= 0.01
    assert difference.std() <= 0.03


def test_its_gradient_points_where_the_exact_one_does(regressor, unseen_wafers):
    jax = pytest.importorskip("jax")
    pairs, _, _ = make_pairs(
        unseen_wafers, 1_500, kinds={"reconstruction": 1}, random_state=TEST_SEED
    )
    a, b = np.split(pairs, 2, axis=1)

    def total(b):
        both = jax.numpy.concatenate([a.astype(np.float32), b], axis=1)
        return regressor.model_(both).sum()

    gradients = np.array(jax.grad(total)(b.astype(np.float32)), dtype=np.float64)
    _, potentials = paired_potentials(a, b)
    for rows in (gradients, potentials):
        rows -= rows.mean(axis=1, keepdims=True)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    cosines = (gradients * potentials).sum(axis=1)
    assert cosines.mean() >= 0.97
    assert np.percentile(cosines, 10) >= 0.92


@pytest.mark.skipif(not REAL_SAMPLE.exists(), reason="the real sample is not here")
def test_it_is_accurate_on_real_pairs(regressor):
    difference = relative_differences(regressor, load_wafers(REAL_SAMPLE), "unrelated")
    assert abs(difference.mean()) <= 0.01
    assert difference.std() <= 0.03


def test_equal_wafers_are_at_zero_distance(regressor, unseen_wafers):
    pairs = np.hstack([unseen_wafers, unseen_wafers])
    np.testing.assert_array_equal(regressor.predict(pairs), 0)


def test_distances_are_symmetric_and_never_negative(regressor, unseen_wafers):
    A, B = np.split(unseen_wafers[:1_000], 2)
    distances = regressor.predict(np.hstack([A, B]))
    assert distances.min() >= 0
    np.testing.assert_allclose(
        distances, regressor.predict(np.hstack([B, A])), rtol=1e-5
    )


def test_the_part_of_a_wafer_that_moves_moves_as_far(regressor, unseen_wafers):
    # The EMD is in proportion to the difference of the wafers.
    A, B = (
        half / half.sum(axis=1, keepdims=True) for half in np.split(unseen_wafers, 2)
    )
    whole = regressor.predict(np.hstack([A, B]))
    tenth = regressor.predict(np.hstack([A, 0.9 * A + 0.1 * B]))
    np.testing.assert_allclose(tenth, 0.1 * whole, rtol=1e-3)


def test_it_is_small_and_has_a_card():
    for name in PRETRAINED:
        assert (FOLDER / f"{name}.npz").stat().st_size <= 2**20
        assert "make_wafers" in (FOLDER / f"{name}.rst").read_text()


def test_it_says_how_it_was_trained(regressor):
    assert regressor.n_iter_ == len(regressor.history_["val_loss"]) > 0
    assert regressor.get_params()["random_state"] is not None


def test_what_was_saved_is_what_is_loaded(regressor, copied_weights):
    copied_weights.unlink()
    skemd.save(regressor, copied_weights)
    again = EMDRegressor.from_pretrained("hgcal-wafer")
    assert again.get_params() == regressor.get_params()
    assert again.network_.config == regressor.network_.config
    assert again.history_ == regressor.history_
    for weight, original in zip(
        again.network_.weights, regressor.network_.weights, strict=True
    ):
        np.testing.assert_array_equal(weight, original)


def test_the_file_is_one_of_skemd_save(regressor):
    loaded = skemd.load(FOLDER / "hgcal-wafer.npz")
    assert vars(loaded).keys() == vars(regressor).keys()
    assert loaded.get_params() == regressor.get_params()
    assert loaded.geometry_ == regressor.geometry_
    assert (loaded.n_features_in_, loaded.n_iter_) == (96, regressor.n_iter_)
    for weight, other in zip(
        loaded.network_.weights, regressor.network_.weights, strict=True
    ):
        np.testing.assert_array_equal(weight, other)


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'wafer'; there is 'hgcal-wafer'"):
        EMDRegressor.from_pretrained("wafer")


@pytest.mark.exhaustive
def test_training_on_it_beats_training_on_squared_errors(unseen_wafers):
    X = make_wafers(5_000, random_state=0)
    mean_distance = {}
    for loss in ("mse", "telescope", "emdcnn"):
        autoencoder = EMDAutoencoder(
            loss=loss, epochs=25, batch_size=125, random_state=0
        )
        reconstructed = autoencoder.fit(X).predict(unseen_wafers)
        mean_distance[loss] = paired_emd(unseen_wafers, reconstructed).mean()
    assert mean_distance["emdcnn"] < 0.9 * mean_distance["mse"]
    assert mean_distance["emdcnn"] < 0.9 * mean_distance["telescope"]


@pytest.mark.parametrize("n_bytes", [0, 10, 1_000, 100_000, -30, -1])
def test_a_truncated_file_of_weights_is_an_error_that_names_it(copied_weights, n_bytes):
    copied_weights.write_bytes(copied_weights.read_bytes()[:n_bytes])
    match = r"cannot be read from .*hgcal-wafer.npz.*(begin as one|checksum)"
    with pytest.raises(ValueError, match=match):
        EMDRegressor.from_pretrained()


def test_an_edited_file_of_weights_is_an_error(copied_weights):
    content = bytearray(copied_weights.read_bytes())
    content[len(content) // 2] ^= 255
    copied_weights.write_bytes(content)
    with pytest.raises(ValueError, match="damaged; install skemd again"):
        EMDRegressor.from_pretrained()


def test_weights_of_another_geometry_are_refused(copied_weights):
    pairs = np.random.RandomState(0).rand(20, 12)
    other = EMDRegressor(1, n_dense_units=2, epochs=1, geometry="line").fit(pairs)
    skemd.save(other.set_params(geometry="wafer"), copied_weights)
    with pytest.raises(ValueError, match=r"are for 6 cells, but the .* has 48"):
        EMDRegressor.from_pretrained()
