"""The autoencoders that ship with the package, on wafers that they never saw."""

from pathlib import Path

import numpy as np
import pytest

import skemd
from skemd import EMDAutoencoder
from skemd._autoencoder._estimator import PRETRAINED
from skemd.baselines import BestChoice, SuperTriggerCell
from skemd.datasets import make_wafers
from skemd.firmware import EconT, export
from skemd.metrics import mean_emd

FOLDER = Path(skemd.__file__).parent / "_autoencoder" / "pretrained"
# Seeds below 1000 are for training.
TEST_SEED = 2_000
# Of their card, rounded up.
MOST = {2: 0.75, 3: 0.64, 4: 0.62, 5: 0.62}
each_link_count = pytest.mark.parametrize("links", MOST)


def ready(links):
    return EMDAutoencoder.from_pretrained(f"hgcal-wafer-{links}-links")


@pytest.fixture(scope="module")
def unseen():
    return make_wafers(1_000, random_state=TEST_SEED)


def test_there_is_one_for_each_number_of_links():
    names = [f"hgcal-wafer-{links}-links" for links in MOST]
    assert list(PRETRAINED) == names
    assert sorted(path.name for path in FOLDER.glob("*.npz")) == [
        f"{name}.npz" for name in names
    ]
    for name in names:
        assert (FOLDER / f"{name}.npz").stat().st_size < 1e6
        assert name in (FOLDER / "hgcal-wafer-links.rst").read_text("utf-8")


@each_link_count
def test_they_are_as_good_as_their_card_says(links, unseen):
    fitted = ready(links)
    assert fitted.n_output_links_ == links
    assert -fitted.score(unseen) < MOST[links]
    assert len(fitted.dead_components_) == 0


@each_link_count
def test_the_chip_sends_their_codes(links, unseen):
    fitted = ready(links)
    chip = EconT.from_autoencoder(fitted)
    sent = chip.unpack(chip.run(chip.link_words(unseen)))
    codes = fitted.transform(unseen)
    np.testing.assert_array_equal(sent["codes"], codes[:, :16] * 256)
    received = fitted.inverse_transform(codes)
    assert mean_emd(unseen, received) < MOST[links]


def test_with_two_links_super_trigger_cells_are_far_behind(unseen):
    others = {
        "STC4_7": SuperTriggerCell("STC4_7", n_output_links=2),
        "Best Choice": BestChoice(2),
    }
    for name, algorithm in others.items():
        assert -ready(2).score(unseen) < 0.7 * -algorithm.fit(unseen).score(unseen), (
            name
        )


def test_they_can_be_exported_and_go_on(unseen, tmp_path):
    fitted = ready(3)
    export(fitted, tmp_path, unseen[:20])
    assert list(tmp_path.glob("*.yaml"))
    before = fitted.score(unseen)
    fitted.set_params(warm_start=True, learning_rate=1e-4, epochs=1)
    fitted.fit(unseen)
    assert fitted.score(unseen) == pytest.approx(before, abs=0.02)


def test_the_files_are_those_of_skemd_save():
    loaded = skemd.load(FOLDER / "hgcal-wafer-3-links.npz")
    shipped = ready(3)
    assert vars(loaded).keys() == vars(shipped).keys()
    assert loaded.get_params() == shipped.get_params()
    assert shipped.training_data_["n_wafers"] == 300_000
    for one, two in zip(loaded.network_.weights, shipped.network_.weights, strict=True):
        np.testing.assert_array_equal(one, two)


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'6-links'; there is 'hgcal-wafer-2-links'"):
        EMDAutoencoder.from_pretrained("6-links")


def test_default_parameters_made_them():
    made = ready(4).get_params()
    default = EMDAutoencoder("emd", n_output_links=4, random_state=0).get_params()
    assert made == default
