"""A client of dask with which searches survive the death of a worker.

Where joblib runs on dask, it leaves each large argument of a search, such as the wafers
and the rows of a fold, with one worker. A task whose worker dies is given to another
one, but arguments that died with it cannot be computed again, and the search ends with
an error. With a copy at every worker there is always another one.

Exact labels need no such client: their tasks hold all that they need.
"""

try:
    from distributed import Client
except ImportError as error:
    raise ImportError(
        "skemd.cluster is for clusters of dask, which is not installed. Run: "
        "python -m pip install 'skemd[dask]'"
    ) from error

__all__ = ["ReplicatingClient"]


class ReplicatingClient(Client):
    """A client whose data are copied to all workers, for ``joblib.parallel_config``.

    Takes all that ``distributed.Client`` takes, such as the address of a scheduler or a
    ``LocalCluster``. Each worker needs room for the arguments of the whole search.

    Examples
    --------
    ::

        with joblib.parallel_config("dask", client=ReplicatingClient(cluster)):
            search.fit(X, X)
    """

    def scatter(self, data, workers=None, broadcast=True, **options):
        """Put data into the memory of the workers, of all of them by default.

        Parameters
        ----------
        data : object
            As of ``distributed.Client.scatter``.
        workers : list of str or None, default=None
            To which workers; None for any.
        broadcast : bool or int, default=True
            Whether each of them gets a copy, or how many do.
        **options
            As of ``distributed.Client.scatter``.

        Returns
        -------
        futures : object
            What stands for the data on the cluster, in the form of `data`.
        """
        return super().scatter(data, workers=workers, broadcast=broadcast, **options)
