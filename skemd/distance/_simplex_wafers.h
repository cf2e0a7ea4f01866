/* What both solvers of the earth mover's distance do before they walk: two wafers become
   what they do not share, and that becomes whole masses.

   A file that includes this defines MOST_CELLS first. Nothing here trusts a number that
   others may change meanwhile: each is read once, checked, then used. */
#ifndef SKEMD_SIMPLEX_WAFERS_H
#define SKEMD_SIMPLEX_WAFERS_H

#include <float.h>
#include <math.h>
#include <stdint.h>

/* Sums of charges above have the full precision of doubles. */
#define SMALLEST_CHARGE 1e-280

/* Cells with a surplus (side 0) and cells that lack charge (side 1). */
struct difference {
    int n[2], cell[2][MOST_CELLS];
    double charge[2][MOST_CELLS], total[2];
};

/* Copy numbers that another thread or process may change meanwhile. A volatile read
   happens once: no later step can see another number than the one that was checked. */
static void take(double *copy, const volatile double *numbers, int n)
{
    for (int k = 0; k < n; k++)
        copy[k] = numbers[k];
}

/* Bring charges to unit sum. Returns 0 unless all are finite and not negative, and one
   is positive. */
static int to_unit_sum(const double *wafer, int n_cells, double *fraction)
{
    double largest = 0, sum = 0;
    int wrong = 0;
    take(fraction, wafer, n_cells);
    for (int k = 0; k < n_cells; k++) {
        wrong |= !(fraction[k] >= 0 && fraction[k] <= DBL_MAX);
        largest = fraction[k] > largest ? fraction[k] : largest;
        sum += fraction[k];
    }
    if (wrong || largest == 0)
        return 0;
    if (!(largest > SMALLEST_CHARGE && sum <= DBL_MAX)) {
        /* Dividing by the largest first keeps the sum from overflow and underflow. */
        sum = 0;
        for (int k = 0; k < n_cells; k++) {
            fraction[k] /= largest;
            sum += fraction[k];
        }
    }
    for (int k = 0; k < n_cells; k++)
        fraction[k] /= sum;
    return 1;
}

/* Subtract one wafer from another one. Returns 0 if one of them is none. */
static int subtract(struct difference *difference, const double *a, const double *b,
                    int n_cells)
{
    double unit_a[MOST_CELLS], unit_b[MOST_CELLS];

    if (!to_unit_sum(a, n_cells, unit_a) || !to_unit_sum(b, n_cells, unit_b))
        return 0;
    difference->n[0] = difference->n[1] = 0;
    difference->total[0] = difference->total[1] = 0;
    for (int k = 0; k < n_cells; k++) {
        double surplus = unit_a[k] - unit_b[k];
        if (surplus == 0)
            continue;
        int side = surplus < 0, place = difference->n[side]++;
        difference->cell[side][place] = k;
        difference->charge[side][place] = fabs(surplus);
        difference->total[side] += fabs(surplus);
    }
    return 1;
}

/* Turn the charges of a side into whole numbers that add up to about 2^bits, none below 1,
   and return their sum. With `rounding` 0.5 they are the nearest ones, with 0 those
   below. */
static int64_t whole_masses(int64_t *mass, const struct difference *difference, int side,
                            int bits, double rounding)
{
    const double *charge = difference->charge[side], total = difference->total[side];
    int64_t sum = 0;
    for (int k = 0; k < difference->n[side]; k++) {
        int64_t whole =
            (int64_t)(charge[k] / total * (double)((int64_t)1 << bits) + rounding);
        mass[k] = whole > 0 ? whole : 1;
        sum += mass[k];
    }
    return sum;
}

/* Give both sides the same sum, and make sure that no part of the rows balances a part of
   the columns: masses are shifted by some bits, then 1 is added to each row, and their
   number to the last column. */
static void balance(int64_t *rows, int n_rows, int64_t row_sum, int64_t *columns,
                    int n_columns, int64_t column_sum, int bits)
{
    int largest = 0;
    for (int j = 1; j < n_columns; j++)
        if (columns[j] > columns[largest])
            largest = j;
    /* For rounding: a unit or two for each cell, which the largest mass exceeds by far. */
    columns[largest] += row_sum - column_sum;
    for (int i = 0; i < n_rows; i++)
        rows[i] = (rows[i] << bits) + 1;
    for (int j = 0; j < n_columns; j++)
        columns[j] = (columns[j] << bits) + (j == n_columns - 1 ? n_rows : 0);
}

#endif
