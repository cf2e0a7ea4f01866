"""One optimization step, and one forward pass, on each of Keras's backends.

Keras's own ``fit`` and ``train_on_batch`` take longer than a step of the small networks
here. They draw from the global random state and, on jax, leave a model without weights
when they are interrupted. The steps here are those of Keras's guide to custom training
loops, behind one interface.
"""

import numpy as np

from skemd._backend import keras

__all__ = [
    "TrainStep",
    "check_devices_share",
    "check_values",
    "compiled_predict",
    "shape_of",
]


def compiled_predict(model, function=None):
    """Return a compiled function that runs a model without training it.

    Parameters
    ----------
    model : keras.Model
        The network. Its weights are those at the time of each call.
    function : callable or None, default=None
        ``function(outputs, *others)`` -> result, where the others are the arrays that
        follow the model's inputs. None returns the outputs themselves.

    Returns
    -------
    forward : callable
        ``forward(inputs, *others)`` -> result, a tensor of the backend. The first
        dimension of the arrays must always be the same.
    """
    finish = function or (lambda outputs: outputs)
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        @jax.jit
        def run(weights, others_weights, inputs, *others):
            outputs, _ = model.stateless_call(
                weights, others_weights, inputs, training=False
            )
            return finish(outputs, *others)

        # Collecting the variables walks through all layers; once is enough.
        trainable, fixed = model.trainable_variables, model.non_trainable_variables
        return lambda inputs, *others: run(
            _values(trainable), _values(fixed), inputs, *others
        )
    if backend == "torch":
        import torch

        def run(inputs, *others):
            with torch.no_grad():
                return finish(model(inputs, training=False), *_tensors(others))

        return run
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.function(
            lambda inputs, *others: finish(model(inputs, training=False), *others),
            reduce_retracing=True,
        )
    raise NotImplementedError(_cannot_train(backend))


def shape_of(function, *shapes):
    """Return the shape of a function's result; on jax without computing it.

    Parameters
    ----------
    function : callable
        ``function(*tensors)`` -> tensor or number.
    *shapes : tuple of int
        The shapes of the tensors, which are of float32.

    Returns
    -------
    shape : tuple of int
        Empty for a number.
    """
    if keras.backend.backend() == "jax":
        import jax

        tensors = [jax.ShapeDtypeStruct(shape, np.float32) for shape in shapes]
        return tuple(jax.eval_shape(function, *tensors).shape)
    return tuple(np.shape(function(*map(keras.ops.ones, shapes))))


def check_devices_share(batch_size):
    """Check that the devices of a keras.distribution can share batches evenly.

    Parameters
    ----------
    batch_size : int
        Samples a step.

    Raises
    ------
    ValueError
        If some device would get fewer samples than the others.
    """
    distribution = _data_distribution()
    if distribution is None:
        return
    mesh = distribution.device_mesh
    n_devices = mesh.shape[mesh.axis_names.index(distribution.batch_dim_name)]
    if batch_size % n_devices:
        raise ValueError(
            f"Batches of {batch_size} cannot be shared evenly by the {n_devices} "
            "devices of the keras.distribution that is set. Choose a batch_size that "
            f"is a multiple of {n_devices} and not above the number of samples, or "
            "unset it: keras.distribution.set_distribution(None)."
        )


def check_values(values, variables):
    """Check that values from a checkpoint can be given to variables.

    Parameters
    ----------
    values : list of ndarray
        From a file.
    variables : list of keras.Variable
        Which they are for.

    Raises
    ------
    ValueError
        If number, shapes or kinds do not match, or a value is not finite.
    """
    shapes = [tuple(variable.shape) for variable in variables]
    if [value.shape for value in values] != shapes:
        raise ValueError(f"a checkpoint has other arrays than those of shapes {shapes}")
    for value, variable in zip(values, variables, strict=True):
        kinds = "f" if "float" in str(variable.dtype) else "iu"
        if value.dtype.kind not in kinds or not np.isfinite(value).all():
            raise ValueError("a checkpoint has values that are no finite numbers")


class TrainStep:
    """Minimize a loss by steps of an optimizer.

    After ``sync()`` the variables of the model and the optimizer hold the state of the
    training; after ``load()`` the training goes on from what they hold. On jax the
    devices of ``keras.distribution.set_distribution`` share each batch.

    Parameters
    ----------
    model : keras.Model
        The network; its penalties (``model.losses``) are added to the loss.
    loss : callable
        ``loss(y_true, y_pred)`` -> one value a sample, in keras.ops.
    optimizer : keras.optimizers.Optimizer
        A fresh optimizer.
    """

    def __init__(self, model, loss, optimizer):
        optimizer.build(model.trainable_variables)
        self._variables = [
            *model.trainable_variables,
            *model.non_trainable_variables,
            *optimizer.variables,
        ]
        backend = keras.backend.backend()
        if backend not in _STEPS:
            raise NotImplementedError(_cannot_train(backend))

        def mean_loss(y_true, y_pred):
            return keras.ops.mean(loss(y_true, y_pred))

        self._step, self.sync, self.load = _STEPS[backend](model, mean_loss, optimizer)

    def step(self, inputs, targets):
        """Do one step on a batch and return its loss as a scalar of the backend."""
        return self._step(inputs, targets)

    def restore(self, state):
        """Check a result of :meth:`state` that comes from a file, and go on from it."""
        check_values(state, self._variables)
        for variable, value in zip(self._variables, state, strict=True):
            variable.assign(value)
        self.load()

    def state(self):
        """Return copies of the weights and of the optimizer's variables.

        They are those at the last call of ``sync``.
        """
        values = _values(self._variables)
        return [np.array(keras.ops.convert_to_numpy(value)) for value in values]


def _jax_step(model, mean_loss, optimizer):
    import jax

    def total_loss(weights, others, inputs, targets):
        outputs, others, penalties = model.stateless_call(
            weights, others, inputs, training=True, return_losses=True
        )
        value = mean_loss(targets, outputs)
        return value + sum(penalties), (others, value)

    def pure_step(state, inputs, targets):
        weights, others, slots = state
        gradients, (others, value) = jax.grad(total_loss, has_aux=True)(
            weights, others, inputs, targets
        )
        weights, slots = optimizer.stateless_apply(slots, gradients, weights)
        return (weights, others, slots), value

    variables = (
        model.trainable_variables,
        model.non_trainable_variables,
        optimizer.variables,
    )
    # The state is kept outside the variables, as copies that each step may overwrite.
    # One program makes all of them. Copies by jax.numpy.array would compile one for
    # each shape, and jax would keep each in memory, with a megabyte or more, for good.
    copied = jax.jit(lambda values: jax.tree.map(jax.numpy.copy, values))
    state = []

    def load():
        state[:] = [copied(tuple(_values(v) for v in variables))]

    load()
    compiled_step = jax.jit(pure_step, donate_argnums=0)
    distribution = _data_distribution()
    devices = [] if distribution is None else distribution.device_mesh.devices.flat
    on_processors = any(str(device).startswith("cpu") for device in devices)

    def step(*batch):
        batch = [_among_devices(array, distribution) for array in batch]
        state[0], value = compiled_step(state[0], *batch)
        if on_processors:
            # Devices that are parts of one processor share its threads. Later steps in
            # the queue would take threads away from the parts of this one, which wait
            # for each other.
            jax.block_until_ready(value)
        return value

    def sync():
        for group, values in zip(variables, copied(state[0]), strict=True):
            for variable, value in zip(group, values, strict=True):
                variable.assign(value)

    return step, sync, load


def _torch_step(model, mean_loss, optimizer):
    import torch

    def step(inputs, targets):
        model.zero_grad()
        value = mean_loss(*_tensors([targets]), model(inputs, training=True))
        (value + sum(model.losses)).backward()
        gradients = [v.value.grad for v in model.trainable_variables]
        with torch.no_grad():
            optimizer.apply(gradients, model.trainable_variables)
        return value.detach()

    return step, _nothing, _nothing


def _tensorflow_step(model, mean_loss, optimizer):
    import tensorflow as tf

    @tf.function
    def step(inputs, targets):
        with tf.GradientTape() as tape:
            value = mean_loss(targets, model(inputs, training=True))
            total = value + sum(model.losses)
        gradients = tape.gradient(total, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        return value

    return step, _nothing, _nothing


def _nothing():
    """Stand for `sync` and `load` where steps work on the variables themselves."""


_STEPS = {"jax": _jax_step, "torch": _torch_step, "tensorflow": _tensorflow_step}


def _data_distribution():
    """Return the distribution of batches among devices that the user set, or None."""
    if keras.backend.backend() != "jax":
        return None
    return keras.distribution.distribution()


def _among_devices(array, distribution):
    if distribution is None:
        return array
    layout = distribution.get_data_layout(array.shape)
    return keras.distribution.distribute_tensor(array, layout)


def _values(variables):
    return [variable.value for variable in variables]


def _tensors(arrays):
    return [keras.ops.convert_to_tensor(array) for array in arrays]


def _cannot_train(backend):
    return (
        f"skemd trains on the Keras backends {', '.join(_STEPS)}; Keras runs on "
        f"{backend!r}. Set KERAS_BACKEND before Keras is imported."
    )


def fixed_batches(run, n_samples, batch_size, *arrays):
    """Run a compiled function over arrays in batches of one fixed size.

    The last batch is filled up with its last row, whose further results are dropped. So
    the function compiles once, and the result of a row does not depend on the number of
    rows.

    Parameters
    ----------
    run : callable
        ``run(*batches)`` -> tensor with a row for each sample.
    n_samples : int
        Rows of each array.
    batch_size : int
        Rows of each batch.
    *arrays : ndarray of shape (n_samples, ...)
        The arguments of `run`.

    Returns
    -------
    results : ndarray of shape (n_samples, ...)
        The results of all rows.
    """
    results = []
    for start in range(0, n_samples, batch_size):
        batches = [array[start : start + batch_size] for array in arrays]
        n_rows = len(batches[0])
        batches = [_filled_up(batch, batch_size) for batch in batches]
        results.append(keras.ops.convert_to_numpy(run(*batches))[:n_rows])
    return np.concatenate(results)


def _filled_up(batch, batch_size):
    if len(batch) == batch_size:
        return batch
    # Not with zeros, of which not every function makes a number.
    return np.concatenate([batch, np.repeat(batch[-1:], batch_size - len(batch), 0)])
