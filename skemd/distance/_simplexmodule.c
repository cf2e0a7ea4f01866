/* skemd.distance._simplex: the solver of _simplex.c for Python, over the buffer protocol. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "_simplex.h"

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

static PyObject *raise_for(enum status status, ptrdiff_t pair)
{
    if (status == NO_WAFER)
        return PyErr_Format(PyExc_ValueError,
                            "pair %zd has a charge that is negative or not finite, or "
                            "a wafer without charge",
                            pair);
    return PyErr_Format(PyExc_RuntimeError,
                        "the network simplex did not reach the optimum of pair %zd; is "
                        "the ground distance a metric?",
                        pair);
}

PyDoc_STRVAR(solve_doc,
"solve(a, b, ground_distance, distances, potentials)\n--\n\n"
"Fill in the earth mover's distances of pairs of wafers, and their potentials.\n\n"
"All arrays are C-contiguous float64; the interpreter lock is released.\n\n"
"Parameters\n----------\n"
"a, b : ndarray of shape (n_pairs, n_cells)\n"
"    Charges in any unit; at most 64 cells.\n"
"ground_distance : ndarray of shape (n_cells, n_cells)\n"
"    A metric.\n"
"distances : ndarray of shape (n_pairs,)\n"
"    Filled in.\n"
"potentials : ndarray of shape (n_pairs, n_cells) or None\n"
"    Filled in; None if they are not needed.\n\n"
"Raises\n------\n"
"ValueError\n"
"    If an array does not fit, charges do not make a wafer, or the ground\n"
"    distances do not suit the method.\n");

static PyObject *solve(PyObject *module, PyObject *arguments)
{
    PyObject *a, *b, *ground, *distances, *potentials, *result = NULL;
    Py_buffer views[5];
    int n_views = 0;
    struct metric *metric = NULL;

    (void)module;
    if (!PyArg_ParseTuple(arguments, "OOOOO:solve", &a, &b, &ground, &distances,
                          &potentials))
        return NULL;
    if (get_array(ground, "ground_distance", 0, 2, -1, -1, &views[n_views]) < 0)
        return NULL;
    const Py_ssize_t n_cells = views[n_views++].shape[1];
    if (n_cells < 1 || n_cells > MAX_CELLS || views[0].shape[0] != n_cells) {
        PyErr_Format(PyExc_ValueError,
                     "ground_distance must be square with 1 to %d cells", MAX_CELLS);
        goto release;
    }
    if (get_array(a, "a", 0, 2, -1, n_cells, &views[n_views]) < 0)
        goto release;
    const Py_ssize_t n_pairs = views[n_views++].shape[0];
    if (get_array(b, "b", 0, 2, n_pairs, n_cells, &views[n_views]) < 0)
        goto release;
    n_views++;
    if (get_array(distances, "distances", 1, 1, n_pairs, 0, &views[n_views]) < 0)
        goto release;
    n_views++;
    if (potentials != Py_None) {
        if (get_array(potentials, "potentials", 1, 2, n_pairs, n_cells,
                      &views[n_views]) < 0)
            goto release;
        n_views++;
    }
    metric = malloc(sizeof *metric);
    if (metric == NULL) {
        PyErr_NoMemory();
        goto release;
    }
    if (!prepare_metric(metric, views[0].buf, (int)n_cells)) {
        PyErr_SetString(PyExc_ValueError,
                        "the ground distances do not suit the compiled solver");
        goto release;
    }

    enum status status;
    ptrdiff_t failed = -1;
    Py_BEGIN_ALLOW_THREADS
    status = solve_pairs(metric, views[1].buf, views[2].buf, n_pairs, views[3].buf,
                         n_views == 5 ? views[4].buf : NULL, &failed);
    Py_END_ALLOW_THREADS
    result = status == SOLVED ? Py_NewRef(Py_None) : raise_for(status, failed);

release:
    free(metric);
    while (n_views > 0)
        PyBuffer_Release(&views[--n_views]);
    return result;
}

PyDoc_STRVAR(suits_doc,
"suits(ground_distance)\n--\n\n"
"Return whether `solve` takes these ground distances.\n");

static PyObject *suits(PyObject *module, PyObject *ground)
{
    Py_buffer view;
    (void)module;
    if (get_array(ground, "ground_distance", 0, 2, -1, -1, &view) < 0)
        return NULL;
    int yes = 0;
    if (view.shape[0] == view.shape[1] && view.shape[0] >= 1 &&
        view.shape[0] <= MAX_CELLS) {
        struct metric *metric = malloc(sizeof *metric);
        if (metric == NULL) {
            PyBuffer_Release(&view);
            return PyErr_NoMemory();
        }
        yes = prepare_metric(metric, view.buf, (int)view.shape[0]);
        free(metric);
    }
    PyBuffer_Release(&view);
    return PyBool_FromLong(yes);
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
