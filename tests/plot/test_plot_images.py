"""Pictures are compared with images that a person has looked at.

``python tests/plot/test_plot_images.py`` draws these again; look at them before
they are committed. All words are left out, since fonts differ between machines.
"""

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.testing.compare import compare_images
from matplotlib.text import Text

mpl.use("Agg")

import matplotlib.pyplot as plt

from skemd.geometry import grid
from skemd.plot import (
    plot_history,
    plot_learned_emd,
    plot_profiles,
    plot_reconstructions,
    plot_relative_difference,
    plot_transport,
    plot_wafer,
)
from skemd.study import profile

EXPECTED = Path(__file__).parent / "baseline_images"
# Root mean square difference of 256 levels: edges may shift by parts of a pixel.
TOLERANCE = 4


def charges(n_cells, seed):
    rng = np.random.RandomState(seed)
    return (
        rng.gamma(1.0, 30.0, n_cells) * (rng.rand(n_cells) < 0.5) + np.eye(n_cells)[3]
    )


def distances(seed):
    rng = np.random.RandomState(seed)
    exact = rng.gamma(4, 0.4, 1000)
    return exact, exact * (1 + 0.05 * rng.randn(1000))


def wafer(ax, seed=0):
    plot_wafer(charges(48, seed), ax=ax)


def wafer_log(ax):
    plot_wafer(charges(48, 0), ax=ax, log=True, colorbar=True)


def transport(ax):
    plot_transport(charges(48, 0), charges(48, 1), ax=ax)


def transport_line(ax):
    plot_transport(charges(8, 0), charges(8, 1), ax=ax, geometry="line")


def transport_grid(ax):
    plot_transport(charges(12, 0), charges(12, 1), ax=ax, geometry=grid(3, 4))


def learned(ax):
    plot_learned_emd(*distances(0), ax=ax, gridsize=15)


def difference(ax):
    exact, predicted = distances(0)
    plot_relative_difference(exact, {"one": predicted, "two": exact}, ax=ax, n_bins=20)


def history(ax):
    epochs = np.arange(20)
    training = np.exp(-epochs / 5) + 0.1
    losses = {"loss": training, "val_loss": training + 0.001 * epochs**2}
    plot_history(losses, ax=ax)


def profiles(ax):
    exact, predicted = distances(0)
    edges = [0, 1, 2, 4]
    found = {name: profile(predicted + k, exact, edges) for k, name in enumerate("ab")}
    plot_profiles(found, "exact EMD", "learned EMD", ax=ax)


def reconstructions(ax):
    ax.set_axis_off()
    X = [charges(48, seed) for seed in (0, 1)]
    plot_reconstructions(X, {"mirrored": X[::-1]}, figure=ax.figure)


WIDE = ("transport", "transport_grid")
PICTURES = {
    draw.__name__: draw
    for draw in (
        wafer,
        wafer_log,
        transport,
        transport_line,
        transport_grid,
        learned,
        difference,
        history,
        profiles,
        reconstructions,
    )
}


def save(path, draw, **options):
    """Draw a picture without words, in matplotlib's own style."""
    with mpl.rc_context():
        mpl.rcdefaults()
        size = (4.8, 1.8) if path.stem in WIDE else (2.4, 2.2)
        figure, ax = plt.subplots(figsize=size, layout="constrained")
        draw(ax, **options)
        for text in figure.findobj(Text):
            text.set_visible(False)
        for axes in figure.axes:
            if axes.get_legend():
                axes.get_legend().remove()
        figure.savefig(path, dpi=50, metadata={"Software": None})
        plt.close(figure)


@pytest.mark.parametrize("name", PICTURES)
def test_the_picture_looks_as_expected(name, tmp_path):
    drawn = tmp_path / f"{name}.png"
    save(drawn, PICTURES[name])
    expected = EXPECTED / drawn.name
    assert compare_images(str(expected), str(drawn), TOLERANCE) is None


def test_another_picture_would_be_found(tmp_path):
    drawn = tmp_path / "wafer.png"
    save(drawn, wafer, seed=1)
    expected = EXPECTED / drawn.name
    assert "RMS" in compare_images(str(expected), str(drawn), TOLERANCE)


if __name__ == "__main__":
    EXPECTED.mkdir(exist_ok=True)
    for name, draw in PICTURES.items():
        save(EXPECTED / f"{name}.png", draw)
