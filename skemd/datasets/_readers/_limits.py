"""How much a packed file may unpack to."""

__all__ = ["check_unpacked", "most_unpacked_bytes"]

# Files of wafers unpack to 5 to 20 times their size. Without a limit, 300 kB of gzip
# may unpack to 300 MB.
UNPACKED_OF_ANY_FILE = 100_000_000
UNPACKED_PER_BYTE = 200


def most_unpacked_bytes(file):
    """Return how many bytes a packed file may unpack to.

    Parameters
    ----------
    file : Path
        The file.

    Returns
    -------
    most : int
        100 MB and 200 times its size.
    """
    return UNPACKED_OF_ANY_FILE + UNPACKED_PER_BYTE * file.stat().st_size


def check_unpacked(n_bytes, file, cure):
    """Raise a ValueError if a file unpacks to more bytes than it may.

    Parameters
    ----------
    n_bytes : int
        What it says that it unpacks to, or what has been unpacked.
    file : Path
        The file.
    cure : str
        A sentence for the message.
    """
    most = most_unpacked_bytes(file)
    if n_bytes > most:
        raise ValueError(
            f"{file} unpacks to {n_bytes / 1e6:,.0f} MB or more, but a file of its "
            f"size may unpack to {most / 1e6:,.0f} MB at most (100 MB and 200 times "
            f"its size). {cure}"
        )
