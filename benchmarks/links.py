"""The encoder against the chip's algorithms, at the same number of links.

All of them see charges through the chip's low-density front end and send what the chip
sends. Encoders have default parameters, but for the links and the exact EMD as loss.
One has the paper's decoder. Another one is the encoder that ships with the package; on
the real sample it goes on training with its wafers.
"""

import sys
import warnings

from sklearn.exceptions import ConvergenceWarning

from benchmarks._trainings import TRAINING_ON, set_aside
from benchmarks.learned_emd import REAL_SAMPLE
from skemd import EMDAutoencoder
from skemd.baselines import BestChoice, SuperTriggerCell, ThresholdSum
from skemd.datasets import load_wafers, make_wafers
from skemd.metrics import emd_per_wafer, mean_emd
from skemd.study import rst_table

LINKS = (2, 3, 4, 5)
# Trainings that choose anything use seeds below 1000.
SEED = 1000
N_GENERATED = 30_000
ENCODERS = {"encoder": {}, "encoder, the paper's decoder": {"decoder": "mirror"}}
READY = "ready encoder"
ALGORITHMS = {
    "Best Choice, rest dropped": lambda links: BestChoice(links),
    "Best Choice, rest shared out": lambda links: BestChoice(links, rest="even"),
    "Threshold Sum, rest shared out": lambda links: ThresholdSum(
        n_output_links=links, rest="even"
    ),
    "STC4_9": lambda links: SuperTriggerCell("STC4_9", n_output_links=links),
    "STC16_9": lambda links: SuperTriggerCell("STC16_9", n_output_links=links),
    "STC4_7": lambda links: SuperTriggerCell("STC4_7", n_output_links=links),
    "CTC4_7": lambda links: SuperTriggerCell("CTC4_7", n_output_links=links),
    "CTC4_9": lambda links: SuperTriggerCell("CTC4_9", n_output_links=links),
}


def report(links=LINKS, n_generated=N_GENERATED, seed=SEED, **parameters):
    """Compare on generated wafers and on the real sample.

    Parameters
    ----------
    links : sequence of int, default=(2, 3, 4, 5)
        Numbers of output links.
    n_generated : int, default=30000
        Generated wafers, a fifth of which is set aside.
    seed : int, default=1000
        Changes wafers, split, initial weights and order.
    **parameters
        Further parameters of EMDAutoencoder.

    Returns
    -------
    tables : str
        For people.
    results : dict
        For JSON: mean exact EMDs by population, algorithm and number of links.
    """
    populations = {"generated": make_wafers(n_generated, random_state=seed)}
    if REAL_SAMPLE.exists():
        populations["real"] = load_wafers(REAL_SAMPLE)
    results, parts = {}, []
    for population, X in populations.items():
        train, test = set_aside(X, seed)
        encoders = {name: {} for name in ENCODERS}
        for n in links:
            for name, decoder in ENCODERS.items():
                of_encoder = {"n_output_links": n, "random_state": seed, **decoder}
                found = _of_encoder(train, test, **of_encoder, **parameters)
                encoders[name][n] = found
        ready = {
            n: float(emd_of_ready(n, population, train, test).mean()) for n in links
        }
        others = {
            name: {n: _of_algorithm(make(n), train, test) for n in links}
            for name, make in ALGORITHMS.items()
        }
        results[population] = {**encoders, READY: ready, **others}
        head = f"{population}: {len(train)} wafers to train on, {len(test)} set aside"
        parts += [head, _table(results[population], links), ""]
        print("\n".join(parts[-3:]), file=sys.stderr)
    return "\n".join(parts), results


def _of_encoder(train, test, **parameters):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = EMDAutoencoder("emd", **parameters).fit(train)
    return -fitted.score(test)


def emd_of_ready(links, population, train, test):
    """Return the exact EMDs of the encoder that ships; it goes on with real wafers.

    Parameters
    ----------
    links : int
        Number of output links.
    population : {"generated", "real"}
        Which wafers those to train on and to judge are.
    train, test : ndarray of shape (n_samples, 48)
        Wafers in counts.

    Returns
    -------
    distances : ndarray of shape (n_samples,)
        One for each wafer of `test`, in half trigger-cell pitches.
    """
    fitted = EMDAutoencoder.from_pretrained(f"hgcal-wafer-{links}-links")
    if population == "real":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            fitted.set_params(warm_start=True, **TRAINING_ON).fit(train)
    return emd_per_wafer(test, fitted.predict(test))


def _of_algorithm(algorithm, train, test):
    found = algorithm.fit(train).predict(test)
    return mean_emd(test, found, empty_pred="even")


def _table(results, links):
    rows = [
        [name, *(f"{means[n]:.3f}" for n in links)] for name, means in results.items()
    ]
    return rst_table([["links", *map(str, links)], *rows])
