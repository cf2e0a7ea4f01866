"""The encoder as an hls4ml project: C++ for high-level synthesis.

hls4ml receives the encoder's layers with their weights and, for every tensor, its
format with rounding and saturation. Sums get as many bits as they can ever need. In
exact arithmetic they hold every product, and are rounded once, to the accumulator's
format; in the chip's they have its fraction bits, so that hls4ml, which stores each
product in the type of the sum, rounds it down by itself.
"""

import functools
import re
import unicodedata
from pathlib import Path

from skemd._extras import import_extra
from skemd._input._same_padding import output_grid, same_padding
from skemd.firmware._encoder import IntegerEncoder
from skemd.firmware._folders import staged_folder

__all__ = ["export_hls4ml", "hls_project", "hls_type", "write_project"]

_MODES = {"half_even": "RND_CONV", "floor": "TRN"}
# hls4ml writes the part and the folder's path into Tcl, C++, make and shell code
# without escaping them, so only characters that mean nothing there are allowed.
_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+-]{0,99}")
_PATH_MARKS = " _-+=.,:@%()~/"


def export_hls4ml(encoder, folder, *, backend="Vitis", part=None):
    """Write an encoder as an hls4ml project.

    The top function takes "image", rows first, and returns the code. Compiled on this
    machine or synthesized, it returns the codes of ``encoder.transform``, bit for bit.

    Parameters
    ----------
    encoder : IntegerEncoder
        The encoder.
    folder : str or path
        Folder of the project; it may be reached through a link but must hold none. Its
        full path may contain letters, digits, spaces and any of ``_-+=.,:@%()~/``.
        Files of the project replace those of the same name, all at once; other files
        stay.
    backend : str, default="Vitis"
        hls4ml's name of the synthesis tool.
    part : str or None, default=None
        Name of the device, made of letters, digits and any of ``._:+-``; None for the
        backend's own choice.

    Returns
    -------
    project : hls4ml.model.ModelGraph
        Its ``compile()`` builds the C++ with g++, and ``predict(images)`` then runs it.

    Raises
    ------
    ImportError
        If hls4ml is not installed.
    ValueError
        If `encoder` is not an IntegerEncoder or has no layout, so that the shape of the
        images is not known; if `folder`, `backend` or `part` is not as described above;
        or if `folder` holds a link.
    OSError
        If the project cannot be written. Nothing in `folder` has changed then.

    Notes
    -----
    Nothing is written outside `folder`. The archive that hls4ml puts beside it for some
    backends is left out.
    """
    project = hls_project(encoder, folder, backend=backend, part=part)
    project.write()
    return project


def hls_project(encoder, folder, *, backend="Vitis", part=None):
    """Convert an encoder to an hls4ml project without writing anything.

    Parameters
    ----------
    encoder, folder, backend, part
        See :func:`export_hls4ml`.

    Returns
    -------
    project : hls4ml.model.ModelGraph
        Its ``write()`` replaces the files of the folder all at once.

    Raises
    ------
    ImportError
        If hls4ml is not installed.
    ValueError
        If a parameter is not usable.
    """
    hls4ml = import_extra("hls4ml", "firmware")
    # hls4ml imports Keras as it writes. This makes it start on the user's backend.
    from skemd import _backend  # noqa: F401

    if not isinstance(encoder, IntegerEncoder):
        raise ValueError(
            f"encoder must be an IntegerEncoder; got {type(encoder).__name__}. Make "
            "one with IntegerEncoder.from_estimator."
        )
    _check_path(folder)
    _check_backend(backend, hls4ml.backends.get_available_backends())
    _check_part(part)
    config = hls4ml.utils.config.create_config(
        output_dir=str(Path(folder)),
        project_name="encoder",
        backend=backend,
        io_type="io_parallel",
        part=part,
    )
    config |= {
        "InputData": None,
        "OutputPredictions": None,
        "HLSConfig": _configuration(encoder),
    }
    project = hls4ml.model.ModelGraph.from_layer_list(
        config, _layers(encoder), ["image"], ["code_relu"]
    )
    # hls4ml's compile() starts with write(), too.
    project.write = functools.partial(_write_to_its_folder, project)
    return project


def write_project(project, staging):
    """Let hls4ml write the files of a project to a folder other than its own.

    Parameters
    ----------
    project : hls4ml.model.ModelGraph
        As `hls_project` returns it.
    staging : pathlib.Path
        Where to write. The files still refer to the project's own folder.
    """
    config = project.config
    own = Path(config.get_output_dir()).resolve()
    config.get_output_dir = lambda: str(staging)
    try:
        config.backend.write(project)
    finally:
        del config.get_output_dir
    # Some backends write the full path into their code.
    written, named = (str(path).encode() for path in (staging.resolve(), own))
    for path in staging.rglob("*"):
        if path.is_file() and written in (content := path.read_bytes()):
            path.write_bytes(content.replace(written, named))


def _write_to_its_folder(project):
    with staged_folder(project.config.get_output_dir()) as staging:
        write_project(project, staging)


def _check_path(folder):
    # Build scripts look up the folder's path again and follow links on the way.
    for path in (Path(folder), Path(folder).resolve()):
        for character in path.as_posix():
            # Letters, accents and digits of any script.
            plain = unicodedata.category(character)[0] in "LMN"
            if not plain and character not in _PATH_MARKS:
                raise ValueError(
                    f"folder must have a path of letters, digits, spaces and any of "
                    f"{_PATH_MARKS.strip()}, since it becomes part of scripts and C++; "
                    f"got {character!r} in {str(path)!r}. Choose another folder."
                )


def _check_backend(backend, known):
    if not isinstance(backend, str) or backend.lower() not in known:
        raise ValueError(f"backend must be one of hls4ml's, {known}; got {backend!r}.")


def _check_part(part):
    if part is not None and not (isinstance(part, str) and _PART.fullmatch(part)):
        raise ValueError(
            "part must be the name of a device, up to 100 letters, digits and any of "
            f"._:+- with a letter or digit first, or None; got {part!r}."
        )


def _layers(encoder):
    """Return the layers in the form that hls4ml's converters produce."""
    height, width, channels = encoder.image_shape
    kernel_height, kernel_width, _, n_filters = encoder.conv_kernel.shape
    rows, columns = output_grid((height, width), encoder.strides)
    (down, across) = encoder.strides
    top, bottom = same_padding(height, kernel_height, down)
    left, right = same_padding(width, kernel_width, across)
    n_inputs, n_components = encoder.dense_kernel.shape
    conv = {
        "class_name": "Conv2D",
        "data_format": "channels_last",
        "in_height": height,
        "in_width": width,
        "n_chan": channels,
        "filt_height": kernel_height,
        "filt_width": kernel_width,
        "n_filt": n_filters,
        "stride_height": down,
        "stride_width": across,
        "pad_top": top,
        "pad_bottom": bottom,
        "pad_left": left,
        "pad_right": right,
        "out_height": rows,
        "out_width": columns,
        "weight_data": encoder.conv_kernel,
        "bias_data": encoder.conv_bias,
    }
    dense = {
        "class_name": "Dense",
        "n_in": n_inputs,
        "n_out": n_components,
        "weight_data": encoder.dense_kernel,
        "bias_data": encoder.dense_bias,
    }
    relu = {"class_name": "Activation", "activation": "relu"}
    layers = {
        "image": {"class_name": "InputLayer", "input_shape": [height, width, channels]},
        "conv": conv,
        "conv_relu": {**relu, "n_in": n_inputs},
        "flatten": {"class_name": "Reshape", "target_shape": [n_inputs]},
        "code": dense,
        "code_relu": {**relu, "n_in": n_components},
    }
    before = [[], *([name] for name in layers)]
    return [
        {"name": name, "inputs": inputs, **layer}
        for (name, layer), inputs in zip(layers.items(), before, strict=False)
    ]


def _configuration(encoder):
    rounding = encoder.rounding
    weights = hls_type(encoder.weight_format)
    sums = [hls_type(number_format) for number_format in encoder.sum_formats]
    results = [
        exact if rounded is None else hls_type(rounded, rounding)
        for exact, rounded in zip(sums, encoder.accumulator_formats, strict=True)
    ]
    precisions = {
        "image": {"result": hls_type(encoder.input_format, rounding)},
        "conv_relu": {"result": results[0]},
        "flatten": {"result": results[0]},
        "code_relu": {"result": hls_type(encoder.latent_format, rounding)},
    }
    for name, exact, result in zip(("conv", "code"), sums, results, strict=True):
        precisions[name] = {
            "weight": weights,
            "bias": weights,
            "accum": exact,
            "result": result,
        }
    return {
        "Model": {
            "Precision": results[0],
            "ReuseFactor": 1,
            "Strategy": "Latency",
            "BitExact": None,
        },
        "LayerName": {
            name: {"Precision": precision} for name, precision in precisions.items()
        },
    }


def hls_type(number_format, rounding=None):
    """Return HLS's name of a format, whose integer bits include the sign.

    Parameters
    ----------
    number_format : FixedPoint
        The format.
    rounding : {"half_even", "floor"} or None, default=None
        How numbers are rounded to the format, with saturation; None leaves both out of
        the name.

    Returns
    -------
    name : str
        Such as "fixed<6,1>" for ``FixedPoint(6, 0)``.
    """
    kind = "fixed" if number_format.signed else "ufixed"
    width = f"{number_format.bits},{number_format.integer_bits + number_format.signed}"
    modes = f",{_MODES[rounding]},SAT" if rounding else ""
    return f"{kind}<{width}{modes}>"
