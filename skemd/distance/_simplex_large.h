/* The earth mover's distance over more cells than _simplex.h takes; see
   _simplex_large.c. */
#ifndef SKEMD_SIMPLEX_LARGE_H
#define SKEMD_SIMPLEX_LARGE_H

#include "_simplex.h"

#define MAX_LARGE_CELLS 1024

/* The ground distances, and all the memory that solving a pair takes. */
struct large_solver;

/* Whether these ground distances (n_cells x n_cells) suit the method. */
int large_metric_suits(const double *distance, int n_cells);

/* Copy and prepare ground distances. Returns NULL without memory; sets `suits` to 0 if a
   distance is negative, not finite, or if their range does not suit the method. */
struct large_solver *new_large_solver(const double *distance, int n_cells, int *suits);

void free_large_solver(struct large_solver *solver);

/* As solve_pairs of _simplex.h. One solver serves one thread at a time. */
enum status solve_large_pairs(struct large_solver *solver, const double *a,
                              const double *b, ptrdiff_t n_pairs, double *distances,
                              double *potentials, ptrdiff_t *failed);

#endif
