/* The earth mover's distance of many pairs over one metric; see _simplex.c. */
#ifndef SKEMD_SIMPLEX_H
#define SKEMD_SIMPLEX_H

#include <stddef.h>

/* A set of cells is one 64-bit word. */
#define MAX_CELLS 64

enum status {
    SOLVED = 0,
    NO_WAFER,    /* a charge is negative or not finite, or all are zero */
    NOT_FINISHED /* the optimum is too many steps away */
};

/* The ground distances, and the same as whole numbers, in rows of MAX_CELLS. */
struct metric {
    int n_cells;
    double quantum; /* one unit of the whole numbers */
    double distance[MAX_CELLS * MAX_CELLS];
    double whole[MAX_CELLS * MAX_CELLS]; /* distance / quantum, rounded */
};

/* Copy and prepare a metric. Returns 0 if a distance is negative, not finite, or if their
   range does not suit the method. */
int prepare_metric(struct metric *metric, const double *distance, int n_cells);

/* Solve pairs of wafers of any scale, rows of `a` and `b` (n_pairs x n_cells). Fills
   `distances` (n_pairs) and, unless it is NULL, `potentials` (n_pairs x n_cells). Stops
   at the first pair that is not SOLVED and stores its number in `failed`. Others may
   write to the arrays meanwhile: each charge is read once, checked, then used. */
enum status solve_pairs(const struct metric *metric, const double *a, const double *b,
                        ptrdiff_t n_pairs, double *distances, double *potentials,
                        ptrdiff_t *failed);

#endif
