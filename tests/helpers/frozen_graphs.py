"""Frozen TensorFlow graphs, run as CMSSW's concentrator code runs them."""

import importlib.util
import warnings

import pytest

needs_tensorflow = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None,
    reason="tensorflow is not installed",
)


def imported_tensorflow():
    with warnings.catch_warnings():
        # It uses what newer versions of others deprecate.
        warnings.simplefilter("ignore")
        import tensorflow
    return tensorflow


def read_graph(path):
    graph = imported_tensorflow().compat.v1.GraphDef()
    graph.ParseFromString(path.read_bytes())
    return graph


def run_graph(path, values):
    """Feed the first node of a graph and return what its last one has."""
    tf = imported_tensorflow()
    definition = read_graph(path)
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(definition, name="")
        first, last = definition.node[0].name, definition.node[-1].name
        with tf.compat.v1.Session(graph=graph) as session:
            return session.run(f"{last}:0", {f"{first}:0": values})
