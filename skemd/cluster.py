"""A dask client with which parameter searches survive the death of a worker.

When joblib runs on dask, it keeps each large argument of a search, such as the wafers
or the rows of a fold, on a single worker. If that worker dies, its tasks go to another
one, but the arguments are lost, nothing can compute them again, and the search ends
with an error. With a copy on every worker, the others still have them.

Exact labels need no such client, because their tasks carry all their data.
"""

import functools

from skemd._extras import import_extra

__all__ = ["replicating_client"]


def replicating_client(address=None, **options):
    """Return a client that copies data to all workers, for ``joblib.parallel_config``.

    Each worker needs memory for the arguments of the whole search.

    Parameters
    ----------
    address : str, distributed.LocalCluster or None, default=None
        Address of the scheduler, or the cluster; None starts workers on this machine.
    **options
        Further options of ``distributed.Client``.

    Returns
    -------
    client : distributed.Client
        Its ``scatter`` broadcasts by default.

    Raises
    ------
    ImportError
        If dask is not installed; ``python -m pip install "skemd[dask]"`` installs it.

    Examples
    --------
    ::

        with joblib.parallel_config("dask", client=replicating_client(cluster)):
            search.fit(X, X)
    """
    client = import_extra("distributed", "dask").Client(address, **options)
    client.scatter = functools.partial(client.scatter, broadcast=True)
    return client
