"""A client of dask with which searches survive the death of a worker.

Where joblib runs on dask, it leaves each large argument of a search, such as the wafers
and the rows of a fold, with one worker. A task whose worker dies is given to another
one, but arguments that died with it cannot be computed again, and the search ends with
an error. With a copy at every worker there is always another one.

Exact labels need no such client: their tasks hold all that they need.
"""

import functools

from skemd._extras import import_extra

__all__ = ["replicating_client"]


def replicating_client(address=None, **options):
    """Return a client that copies data to all workers, for ``joblib.parallel_config``.

    Each worker needs room for the arguments of the whole search.

    Parameters
    ----------
    address : str, distributed.LocalCluster or None, default=None
        Of the scheduler, or the cluster; None starts workers on this machine.
    **options
        Further options of ``distributed.Client``.

    Returns
    -------
    client : distributed.Client
        Its ``scatter`` broadcasts unless told otherwise.

    Raises
    ------
    ImportError
        If dask is not installed; ``python -m pip install "skemd[dask]"`` does that.

    Examples
    --------
    ::

        with joblib.parallel_config("dask", client=replicating_client(cluster)):
            search.fit(X, X)
    """
    client = import_extra("distributed", "dask").Client(address, **options)
    client.scatter = functools.partial(client.scatter, broadcast=True)
    return client
