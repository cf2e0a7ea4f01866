"""Tables of a study's results as text, for terminals and documentation.

They are made from the rows of a study's files and are valid reStructuredText.
"""

import math

__all__ = ["links_table", "profiles_table", "ratios_table", "rst_table", "with_range"]


def links_table(rows, value="emd_half_pitches"):
    """Return the table of algorithms at equal bandwidth.

    Parameters
    ----------
    rows : sequence of dict
        As returned by :func:`skemd.study.link_rows`, or read from a file.
    value : str, default="emd_half_pitches"
        Which metric to show.

    Returns
    -------
    table : str
        In rising order of links, codes in floating point last; the best algorithm first
        for each number of links. Means over the seeds have their range, payloads are
        mean and largest, and "lost" is the fraction of wafers whose reconstruction has
        no charge.
    """
    without_links = math.inf
    shown = sorted(
        rows,
        key=lambda row: (row["n_output_links"] or without_links, row[f"{value}_mean"]),
    )
    lines = [("links", "algorithm", f"mean {value}", "bits, mean", "bits, max", "lost")]
    for row in shown:
        lines.append(
            (
                str(row["n_output_links"] or "float"),
                row["algorithm"],
                with_range(row, value, 3),
                _number(row["payload_bits_mean"], ".1f"),
                _number(row["payload_bits_max"], ".0f"),
                _number(row["lost_fraction"], ".1%"),
            )
        )
    return rst_table(lines)


def profiles_table(rows, by, value="emd_half_pitches"):
    """Return a table of medians, a line for each bin and a column for each algorithm.

    Parameters
    ----------
    rows : sequence of dict
        As returned by :func:`skemd.study.profile_rows` with the columns "algorithm" and
        "n_output_links", or read from a file.
    by, value : str
        Names of property and metric.

    Returns
    -------
    table : str
        Entries are "median [16% 84%]"; bins without wafers are empty.
    """

    def entry(row):
        numbers = [row[f"{value}_{name}"] for name in ("median", "q16", "q84")]
        if any(_is_missing(number) for number in numbers):
            return ""
        return "{:.2f} [{:.2f} {:.2f}]".format(*numbers)

    def column(row):
        links = row["n_output_links"]
        return f"{row['algorithm']}, {f'{links} links' if links else 'float'}"

    return _by_bin(rows, by, lambda row: {column(row): entry(row)})


def ratios_table(rows, by):
    """Return a table of ratios, a line for each bin and a column for each of them.

    Parameters
    ----------
    rows : sequence of dict
        As returned by :func:`skemd.study.profile_rows` for "ratio" with the columns
        "ours", "other" and "paper_ratio", or read from a file.
    by : str
        Name of the property.

    Returns
    -------
    table : str
        Means with their range over the seeds, and the paper's ratio beside them.
    """

    def entries(row):
        name = f"{row['ours']} / {row['other']}"
        paper = _number(row["paper_ratio"], ".2f")
        return {name: with_range(row, "ratio"), f"paper, / {row['other']}": paper}

    return _by_bin(rows, by, entries)


def _by_bin(rows, by, entries_of):
    """Collect entries by bin; `entries_of` returns those of a row by column heads."""
    columns, bins = [f"{by}", "wafers"], {}
    for row in rows:
        place = f"{row[f'{by}_from']:.3g} to {row[f'{by}_to']:.3g}"
        line = bins.setdefault(place, {by: place, "wafers": str(row["n_wafers"])})
        for head, entry in entries_of(row).items():
            line[head] = entry
            if head not in columns:
                columns.append(head)
    return rst_table(
        [columns, *([line.get(head, "") for head in columns] for line in bins.values())]
    )


def _is_missing(number):
    return number is None or math.isnan(number)


def _number(number, form):
    return "" if _is_missing(number) else format(number, form)


def with_range(row, value, digits=2):
    """Return the text "mean (lowest-highest)" of a row's number over seeds.

    Parameters
    ----------
    row : dict
        With "{value}_mean", "_lowest" and "_highest".
    value : str
        The number's name.
    digits : int, default=2
        Digits after the decimal point.

    Returns
    -------
    text : str
        Empty if there is no number.
    """
    numbers = [row[f"{value}_{name}"] for name in ("mean", "lowest", "highest")]
    if any(map(_is_missing, numbers)):
        return ""
    mean, lowest, highest = (f"{number:.{digits}f}" for number in numbers)
    return f"{mean} ({lowest}-{highest})"


def rst_table(rows):
    """Return rows of text as a table of reStructuredText.

    Parameters
    ----------
    rows : sequence of sequence of str
        The first one is the header.

    Returns
    -------
    table : str
        Without a final line feed.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rule = "  ".join("=" * width for width in widths)
    # An empty first column would continue the row above; a backslash is an empty entry.
    lines = [
        "  ".join(
            entry.ljust(width)
            for entry, width in zip((row[0] or "\\", *row[1:]), widths, strict=True)
        ).rstrip()
        for row in rows
    ]
    return "\n".join([rule, lines[0], rule, *lines[1:], rule])
