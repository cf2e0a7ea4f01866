"""Registers as YAML files.

A file of registers is plain data: numbers and lists under names. Whatever else YAML can
do (objects, aliases, a second document) is refused, and so are names that occur twice.
"""

import functools
from pathlib import Path

from skemd._extras import import_extra
from skemd.firmware._chip._files import check_place, read_bounded, write_whole

__all__ = ["read_register_file", "write_register_file"]

# A hundred times the largest file of registers.
_MOST_BYTES = 2**20
_MOST_DEPTH = 20
# A bank of weights has 39 digits. Python takes time that grows with the square of the
# length to read numbers such as 1:59:59.
_LONGEST_SCALAR = 100


def read_register_file(path):
    """Read registers from a YAML file.

    Parameters
    ----------
    path : str or path-like
        At most a mebibyte.

    Returns
    -------
    registers : dict
        As the file holds them.

    Raises
    ------
    ImportError
        If PyYAML is not installed.
    ValueError
        If the file is no plain YAML.
    """
    yaml = import_extra("yaml", "firmware")
    content = read_bounded(path, _MOST_BYTES)
    try:
        text = content.decode("utf-8-sig")
        _check_events(yaml, text)
        return yaml.load(text, _loader(yaml))
    # Long decimal numbers and impossible dates are ValueErrors of their own.
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise ValueError(
            f"{path} could not be read as registers in YAML: {error} Files of "
            "registers hold numbers and lists under names, and nothing else."
        ) from error


def write_register_file(path, registers):
    """Write registers as a YAML file.

    Parameters
    ----------
    path : str or path-like
        What was there before is replaced when all is written.
    registers : dict
        Of numbers, lists and dictionaries.

    Raises
    ------
    ImportError
        If PyYAML is not installed.
    ValueError
        If there is no place for the file.
    """
    yaml = import_extra("yaml", "firmware")
    check_place(path)
    text = yaml.safe_dump(registers, sort_keys=False, default_flow_style=None, width=88)
    write_whole(Path(path), text.encode())


def _check_events(yaml, text):
    """Refuse what costs more than its length before anything is built of it."""
    depth = 0
    for event in yaml.parse(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        if isinstance(event, yaml.AliasEvent):
            raise ValueError(
                f"line {event.start_mark.line + 1} refers to another place (an alias); "
                "write the values out."
            )
        if len(getattr(event, "value", "")) > _LONGEST_SCALAR:
            raise ValueError(
                f"line {event.start_mark.line + 1} has a name or a value of more than "
                f"{_LONGEST_SCALAR} characters."
            )
        # Collections open and close with one event each.
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _MOST_DEPTH:
            raise ValueError(
                f"line {event.start_mark.line + 1} is nested more than {_MOST_DEPTH} "
                "deep."
            )


@functools.cache
def _loader(yaml):
    """Return the safe loader, made to refuse names that occur twice."""
    base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):
        def construct_mapping(self, node, deep=False):
            mapping = super().construct_mapping(node, deep=deep)
            if len(mapping) < len(node.value):
                raise ValueError(
                    f"line {node.start_mark.line + 1} begins a block in which a name "
                    "occurs twice."
                )
            return mapping

    return Loader
