"""Where names of other packages are documented, also without a network.

Sphinx links such names by inventories, which most projects publish on their sites. A
build without a network reaches none of them, and Keras has none. For both, the names
that our pages use stand here, and :func:`inventories` writes inventories of them.
"""

import zlib

# How Sphinx calls the kind of a name, and its page, where "$" is the name.
ON_SKLEARN = "modules/generated/$.html#$"
ON_NUMPY = "reference/generated/$.html#$"
NAMES = {
    "sklearn.base.BaseEstimator": ("py:class", ON_SKLEARN),
    "sklearn.decomposition.NMF": ("py:class", ON_SKLEARN),
    "sklearn.exceptions.ConvergenceWarning": ("py:class", ON_SKLEARN),
    "sklearn.frozen.FrozenEstimator": ("py:class", ON_SKLEARN),
    "sklearn.metrics.make_scorer": ("py:function", ON_SKLEARN),
    "sklearn.model_selection.GridSearchCV": ("py:class", ON_SKLEARN),
    "sklearn.model_selection.GroupKFold": ("py:class", ON_SKLEARN),
    "sklearn.pipeline.Pipeline": ("py:class", ON_SKLEARN),
    "numpy.load": ("py:function", ON_NUMPY),
    "numpy.ndarray": ("py:class", ON_NUMPY),
    "scipy.optimize.linprog": ("py:function", ON_NUMPY),
    "keras.Model": ("py:class", "models/model/"),
    "keras.layers.Layer": ("py:class", "layers/base_layer/"),
    "keras.losses.Loss": ("py:class", "losses/"),
    "keras.ops": ("py:module", "ops/"),
}
SITES = {
    "sklearn": "https://scikit-learn.org/stable/",
    "numpy": "https://numpy.org/doc/stable/",
    "scipy": "https://docs.scipy.org/doc/scipy/",
    "matplotlib": "https://matplotlib.org/stable/",
    "keras": "https://keras.io/api/",
}
WITHOUT_INVENTORY = ("keras",)


def inventories(folder):
    """Write an inventory for each project, and return how Sphinx finds them.

    Parameters
    ----------
    folder : pathlib.Path
        For the files; it is made.

    Returns
    -------
    mapping : dict of str to tuple
        For ``intersphinx_mapping``: for each project its site, and where to look for
        its inventory, first on the site, if it has one, and then in the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mapping = {}
    for project, site in SITES.items():
        path = folder / f"{project}.inv"
        path.write_bytes(_inventory(project))
        places = (str(path),) if project in WITHOUT_INVENTORY else (None, str(path))
        mapping[project] = site, places
    return mapping


def _inventory(project):
    """Return the bytes of an inventory of one project, in version 2 of Sphinx's."""
    head = (
        f"# Sphinx inventory version 2\n# Project: {project}\n# Version: \n"
        "# The remainder of this file is compressed using zlib.\n"
    )
    lines = [
        f"{name} {kind} 1 {page} -\n"
        for name, (kind, page) in NAMES.items()
        if name.split(".")[0] == project
    ]
    return head.encode() + zlib.compress("".join(lines).encode())
