"""The network of plain Keras on tensorflow, in a process and an environment of its own.

``benchmarks.networks`` starts it where it finds that environment and sends one word a
line; the answer is "done" once the work is.
"""

import os
import pickle
import sys

os.environ["KERAS_BACKEND"] = "tensorflow"

import numpy as np

from benchmarks import networks


def main(data_path, predictions_path):
    """Train or predict once for each line on stdin, and answer on stdout."""
    with open(data_path, "rb") as file:
        network, inputs, targets = pickle.load(file)
    rival = networks.from_keras_layers(network)
    np.save(predictions_path, rival.predict(inputs, verbose=0))
    train, predict = networks.keras_work(rival, inputs, targets)
    work = {"training": train, "predicting": predict}
    print("ready", flush=True)
    for line in sys.stdin:
        work[line.strip()]()
        print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
