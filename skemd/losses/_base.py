"""The base of all losses: a Keras loss that shows its parameters."""

import inspect

from skemd._backend import keras

__all__ = ["Loss"]


class Loss(keras.losses.Loss):
    """A loss of Keras whose constructor stores its parameters under their names.

    ``repr`` shows those that differ from their defaults, as scikit-learn does. Tensors
    are converted to float32 unless `dtype` says otherwise, whatever the setting of
    Keras.

    Parameters
    ----------
    dtype : str or None, default=None
        Type of the computation; None for float32.
    **kwargs
        Other options of ``keras.losses.Loss``.
    """

    def __init__(self, dtype=None, **kwargs):
        super().__init__(dtype=dtype or "float32", **kwargs)

    def get_config(self):
        """Return the parameters of the constructor."""
        own = {name: getattr(self, name) for name in self._defaults()}
        return {**super().get_config(), **own}

    def __repr__(self):
        changed = [
            f"{name}={getattr(self, name)!r}"
            for name, default in self._defaults().items()
            if repr(getattr(self, name)) != repr(default)
        ]
        # Estimators break their lines.
        return " ".join(f"{type(self).__name__}({', '.join(changed)})".split())

    @classmethod
    def _defaults(cls):
        """Return the constructor's parameters, without Keras's own, with defaults."""
        parameters = inspect.signature(cls).parameters.values()
        own = (each for each in parameters if each.kind is not each.VAR_KEYWORD)
        return {each.name: each.default for each in own}
