/* skemd.distance._simplex: the solvers of _simplex.c, and of _simplex_large.c above its
   number of cells, for Python, over the buffer protocol. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "_simplex_large.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Get a C-contiguous array of doubles of the given shape; -1 stands for any length.
   On failure an exception is set and nothing is held. */
static int get_array(PyObject *object, const char *name, int writable, int n_dimensions,
                     Py_ssize_t n_rows, Py_ssize_t n_columns, Py_buffer *view)
{
    const Py_ssize_t shape[2] = {n_rows, n_columns};
    int flags = PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0);
    if (PyObject_GetBuffer(object, view, flags) < 0)
        return -1;
    int fits = view->ndim == n_dimensions && view->itemsize == sizeof(double) &&
               view->format != NULL && strcmp(view->format, "d") == 0 &&
               (uintptr_t)view->buf % sizeof(double) == 0;
    for (int axis = 0; fits && axis < n_dimensions; axis++)
        fits = shape[axis] < 0 || view->shape[axis] == shape[axis];
    if (!fits) {
        PyErr_Format(PyExc_ValueError, "%s must be aligned float64 of the right shape", name);
        PyBuffer_Release(view);
        return -1;
    }
    return 0;
}

/* The arrays of a call; those that are not held have no `obj`. */
struct arrays {
    Py_buffer ground, a, b, distances, potentials;
};

static void release(struct arrays *arrays)
{
    PyBuffer_Release(&arrays->ground);
    PyBuffer_Release(&arrays->a);
    PyBuffer_Release(&arrays->b);
    PyBuffer_Release(&arrays->distances);
    PyBuffer_Release(&arrays->potentials);
}

static int overlap(const Py_buffer *one, const Py_buffer *other)
{
    const uintptr_t start = (uintptr_t)one->buf, other_start = (uintptr_t)other->buf;
    return start < other_start + (size_t)other->len &&
           other_start < start + (size_t)one->len;
}

/* Outputs may lie in the ground distances, which are copied before the first is written,
   but nowhere else. */
static int check_outputs(const struct arrays *arrays)
{
    const Py_buffer *distances = &arrays->distances, *potentials = &arrays->potentials;
    if (!overlap(distances, &arrays->a) && !overlap(distances, &arrays->b) &&
        !overlap(potentials, &arrays->a) && !overlap(potentials, &arrays->b) &&
        !overlap(distances, potentials))
        return 0;
    PyErr_SetString(PyExc_ValueError,
                    "distances and potentials must not overlap the wafers or each other");
    return -1;
}

/* Get all arrays of a call. On failure an exception is set, and some may be held. */
static int get_arrays(struct arrays *arrays, PyObject *a, PyObject *b, PyObject *ground,
                      PyObject *distances, PyObject *potentials)
{
    if (get_array(ground, "ground_distance", 0, 2, -1, -1, &arrays->ground) < 0)
        return -1;
    const Py_ssize_t n_cells = arrays->ground.shape[1];
    if (n_cells < 1 || n_cells > MAX_LARGE_CELLS || arrays->ground.shape[0] != n_cells) {
        PyErr_Format(PyExc_ValueError,
                     "ground_distance must be square with 1 to %d cells", MAX_LARGE_CELLS);
        return -1;
    }
    if (get_array(a, "a", 0, 2, -1, n_cells, &arrays->a) < 0)
        return -1;
    const Py_ssize_t n_pairs = arrays->a.shape[0];
    if (get_array(b, "b", 0, 2, n_pairs, n_cells, &arrays->b) < 0 ||
        get_array(distances, "distances", 1, 1, n_pairs, 0, &arrays->distances) < 0)
        return -1;
    if (potentials != Py_None &&
        get_array(potentials, "potentials", 1, 2, n_pairs, n_cells,
                  &arrays->potentials) < 0)
        return -1;
    return check_outputs(arrays);
}

static PyObject *raise_for(enum status status, Py_ssize_t pair)
{
    if (status == NO_WAFER)
        return PyErr_Format(
            PyExc_ValueError,
            "pair %zd has a charge that is negative or not finite, or a wafer without "
            "charge. If that was checked before, another thread or process has changed "
            "the array meanwhile; pass a copy",
            pair);
    return PyErr_Format(PyExc_RuntimeError,
                        "the network simplex did not reach the optimum of pair %zd; use "
                        "engine='pot'",
                        pair);
}

/* What keeps a call from its pairs. */
enum obstacle { NONE, NO_MEMORY, NO_METRIC };

static enum obstacle solve_small(const struct arrays *arrays, enum status *status,
                                 ptrdiff_t *failed)
{
    enum obstacle obstacle = NO_METRIC;
    struct metric *metric = malloc(sizeof *metric);
    if (metric == NULL)
        return NO_MEMORY;
    if (prepare_metric(metric, arrays->ground.buf, (int)arrays->ground.shape[0])) {
        obstacle = NONE;
        *status = solve_pairs(metric, arrays->a.buf, arrays->b.buf, arrays->a.shape[0],
                              arrays->distances.buf, arrays->potentials.buf, failed);
    }
    free(metric);
    return obstacle;
}

static enum obstacle solve_large(const struct arrays *arrays, enum status *status,
                                 ptrdiff_t *failed)
{
    int suits;
    struct large_solver *solver =
        new_large_solver(arrays->ground.buf, (int)arrays->ground.shape[0], &suits);
    if (solver == NULL)
        return suits ? NO_MEMORY : NO_METRIC;
    *status = solve_large_pairs(solver, arrays->a.buf, arrays->b.buf, arrays->a.shape[0],
                                arrays->distances.buf, arrays->potentials.buf, failed);
    free_large_solver(solver);
    return NONE;
}

/* Solve the pairs of a call without the interpreter lock. */
static PyObject *solve_arrays(const struct arrays *arrays, Py_ssize_t first_pair)
{
    enum status status = SOLVED;
    enum obstacle obstacle;
    ptrdiff_t failed = 0;

    Py_BEGIN_ALLOW_THREADS
    obstacle = arrays->ground.shape[0] <= MAX_CELLS
                   ? solve_small(arrays, &status, &failed)
                   : solve_large(arrays, &status, &failed);
    Py_END_ALLOW_THREADS
    if (obstacle == NO_MEMORY)
        return PyErr_NoMemory();
    if (obstacle == NO_METRIC) {
        PyErr_SetString(PyExc_ValueError,
                        "the ground distances do not suit the compiled solver");
        return NULL;
    }
    if (status == SOLVED)
        Py_RETURN_NONE;
    return raise_for(status, (Py_ssize_t)((size_t)first_pair + (size_t)failed));
}

PyDoc_STRVAR(solve_doc,
"solve(a, b, ground_distance, distances, potentials, first_pair=0, /)\n--\n\n"
"Fill in the earth mover's distances of pairs of wafers, and their potentials.\n\n"
"All arrays are C-contiguous float64; the interpreter lock is released. Others may\n"
"write to the arrays meanwhile: each number is read once, checked, then used.\n\n"
"Parameters\n----------\n"
"a, b : ndarray of shape (n_pairs, n_cells)\n"
"    Charges in any unit; at most 1,024 cells.\n"
"ground_distance : ndarray of shape (n_cells, n_cells)\n"
"    A metric.\n"
"distances : ndarray of shape (n_pairs,)\n"
"    Filled in; does not overlap the wafers.\n"
"potentials : ndarray of shape (n_pairs, n_cells) or None\n"
"    Filled in; does not overlap the wafers or distances. None if not needed.\n"
"first_pair : int, default=0\n"
"    The number of the first pair in messages.\n\n"
"Raises\n------\n"
"ValueError\n"
"    If an array does not fit, charges do not make a wafer, or the ground\n"
"    distances do not suit the method.\n"
"RuntimeError\n"
"    If a pair takes more than 100,000 pivots, or a million above 64 cells.\n");

static PyObject *solve(PyObject *module, PyObject *arguments)
{
    PyObject *a, *b, *ground, *distances, *potentials, *result = NULL;
    Py_ssize_t first_pair = 0;
    struct arrays arrays;

    (void)module;
    if (!PyArg_ParseTuple(arguments, "OOOOO|n:solve", &a, &b, &ground, &distances,
                          &potentials, &first_pair))
        return NULL;
    memset(&arrays, 0, sizeof arrays);
    if (get_arrays(&arrays, a, b, ground, distances, potentials) == 0)
        result = solve_arrays(&arrays, first_pair);
    release(&arrays);
    return result;
}

PyDoc_STRVAR(suits_doc,
"suits(ground_distance)\n--\n\n"
"Return whether `solve` takes these ground distances.\n");

/* Whether ground distances suit; -1 without memory. */
static int metric_suits(const double *distance, Py_ssize_t n_cells)
{
    if (n_cells > MAX_CELLS)
        return large_metric_suits(distance, (int)n_cells);
    struct metric *metric = malloc(sizeof *metric);
    if (metric == NULL)
        return -1;
    int yes = prepare_metric(metric, distance, (int)n_cells);
    free(metric);
    return yes;
}

static PyObject *suits(PyObject *module, PyObject *ground)
{
    Py_buffer view;
    (void)module;
    if (get_array(ground, "ground_distance", 0, 2, -1, -1, &view) < 0)
        return NULL;
    int yes = view.shape[0] == view.shape[1] && view.shape[0] >= 1 &&
              view.shape[0] <= MAX_LARGE_CELLS;
    if (yes)
        yes = metric_suits(view.buf, view.shape[0]);
    PyBuffer_Release(&view);
    return yes < 0 ? PyErr_NoMemory() : PyBool_FromLong(yes);
}

static PyMethodDef methods[] = {
    {"solve", solve, METH_VARARGS, solve_doc},
    {"suits", suits, METH_O, suits_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "skemd.distance._simplex", "Exact earth mover's distances, compiled.",
    0, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__simplex(void)
{
    return PyModule_Create(&definition);
}
