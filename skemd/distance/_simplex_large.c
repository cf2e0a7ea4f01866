/* Exact earth mover's distances over up to 1,024 cells by the network simplex method.

   The problem is that of _simplex.c: charge that both wafers have in a cell stays there,
   cells with a surplus are sources, cells that lack charge are sinks, and the method walks
   from spanning tree to spanning tree of sources and sinks until no arc has a negative
   reduced cost. With a thousand nodes other things take the time, hence:

   1. The first tree comes from prices. A few iterations of Sinkhorn's algorithm, in
      single precision, give each node a price: near what the charge costs there in an
      optimal plan (Cuturi 2013). A greedy choice of the arcs that are cheap at these
      prices needs less than half the pivots of one at the mean distances. Prices that are
      far off cost time, nothing else.
   2. Rows of the table are priced one after the other, and the lowest arc of the first
      row with a negative reduced cost enters the tree. A tree is optimal when all rows
      in succession have none.
   3. The tree is kept as parents, sizes of subtrees and a list of all nodes in preorder, a
      cycle, in which the nodes of a subtree are neighbors (Ahuja, Magnanti and Orlin,
      "Network Flows", 1993, section 11.3). A pivot takes steps along the cycle that the
      arc closes, and shifts the heights of either the subtree that moves or of all other
      nodes, whichever are fewer.

   Everything that decides is exact:

   - Masses are whole numbers (int64), shifted left by 10 bits. Each row then gets 1 and the
     last column their number. There are fewer than 1,024 rows, since a cell is not both
     a source and a sink, so no proper part of the rows balances a part of the columns: no
     arc of a tree is ever empty, and every pivot lowers the cost.
   - Costs are whole numbers of at most 2^42, held in doubles. The height of a row is its
     potential, that of a column the negative of its potential, so d_ij = h_i - h_j on the
     arcs of the tree. Two heights differ by a sum of at most 1,023 costs, which is below
     2^52, and that of the root stays below 2^51: heights, and their sums with a cost, are
     whole numbers below 2^53 and have no rounding error.

   The distance is the cost of the flow in the metric as it was passed. Costs are off by
   half a unit of 2^-42 of the largest distance, so the flow costs at most 1e-9 / 2 too
   much, relative to the optimum, if distances differ by a factor of at most 2,048.
   Potentials and both directions are as in _simplex.c.

   Nothing outside can steer an index: the rules of _simplex.c hold here. Distances and
   charges are copied, checked, and only the copies are used. No search trusts a number to
   stop it: walks along the tree end at the root, those along the preorder after as many
   steps as there are nodes, and a pivot takes one arc of the cycle that it closed for
   another, so a tree remains. All memory is taken once for a call. */

#include "_simplex_large.h"

#define MOST_CELLS MAX_LARGE_CELLS
#include "_simplex_wafers.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Columns are padded to whole blocks, which the compiler keeps in vector registers. */
#define BLOCK 8
#define MASS_BITS 52 /* the bits of all supply together */
#define PERTURBATION_BITS 10
#define COST_BITS 42
#define HIGHEST_ROOT 2251799813685248.0 /* 2^51 */
#define MAX_PIVOTS 1000000
#define LARGEST_RANGE 2048.0

/* The prices of the start affect speed only. Their temperature falls from the mean cost
   divided by 4 to that divided by 32. */
#define FIRST_SHARPNESS 4
#define N_TEMPERATURES 4
#define N_ITERATIONS 2 /* at each of them */
#define TINY 1e-30f    /* keeps sums from zero and factors from denormal numbers */

struct large_solver {
    int n_cells;
    double quantum;   /* one unit of the whole costs */
    double *distance; /* n_cells x n_cells */
    struct difference difference;
    /* The table. Rows are one of the sides, columns the other one. */
    int rows, n_rows, n_columns, width; /* width: columns, padded */
    double *cost;                       /* n_rows x width */
    float *kernel;                      /* n_rows x width */
    int64_t mass[MAX_LARGE_CELLS];      /* of the nodes: rows, then columns */
    double height[MAX_LARGE_CELLS + BLOCK];
    /* The spanning tree. The root is its own parent. */
    int root;
    int parent[MAX_LARGE_CELLS];
    int64_t flow[MAX_LARGE_CELLS]; /* on the arc to the parent */
    int size[MAX_LARGE_CELLS];     /* of the subtree */
    int last[MAX_LARGE_CELLS];     /* node of the subtree in preorder */
    int next[MAX_LARGE_CELLS], previous[MAX_LARGE_CELLS]; /* in preorder, a cycle */
    double numbers[];
};

static double sum_of(const double *numbers, int n)
{
    double partial[BLOCK] = {0}, sum = 0;
    int j = 0;
    for (; j + BLOCK <= n; j += BLOCK)
        for (int k = 0; k < BLOCK; k++)
            partial[k] += numbers[j + k];
    for (; j < n; j++)
        sum += numbers[j];
    for (int k = 0; k < BLOCK; k++)
        sum += partial[k];
    return sum;
}

/* The lowest of the sums of two rows of whole blocks. */
static double least_sum(const double *cost, const double *more, int width)
{
    double partial[BLOCK], least = INFINITY;
    for (int k = 0; k < BLOCK; k++)
        partial[k] = INFINITY;
    for (int j = 0; j < width; j += BLOCK)
        for (int k = 0; k < BLOCK; k++) {
            double sum = cost[j + k] + more[j + k];
            partial[k] = sum < partial[k] ? sum : partial[k];
        }
    for (int k = 0; k < BLOCK; k++)
        least = partial[k] < least ? partial[k] : least;
    return least;
}

/* Metric */

/* The largest distance, or -1 if a number is no distance or their range does not suit. */
static double largest_distance(const volatile double *distance, ptrdiff_t n)
{
    double smallest = INFINITY, largest = 0;
    int wrong = 0;
    for (ptrdiff_t k = 0; k < n; k++) {
        double d = distance[k];
        wrong |= !(d >= 0 && d <= 1e100);
        largest = d > largest ? d : largest;
        smallest = d > 0 && d < smallest ? d : smallest;
    }
    if (largest > 0)
        wrong |= !(smallest > 1e-100 && largest <= LARGEST_RANGE * smallest);
    return wrong ? -1 : largest;
}

int large_metric_suits(const double *distance, int n_cells)
{
    return largest_distance(distance, (ptrdiff_t)n_cells * n_cells) >= 0;
}

struct large_solver *new_large_solver(const double *distance, int n_cells, int *suits)
{
    /* With a rows and b columns, a + b <= n_cells, a table takes a (b + BLOCK - 1). */
    const size_t n = (size_t)n_cells, half = (n + BLOCK) / 2;
    struct large_solver *t =
        malloc(sizeof *t + (n * n + half * half) * sizeof(double) +
               half * half * sizeof(float));
    int exponent;

    *suits = 1;
    if (t == NULL)
        return NULL;
    t->n_cells = n_cells;
    t->distance = t->numbers;
    t->cost = t->distance + n * n;
    t->kernel = (float *)(t->cost + half * half);
    for (int i = 0; i < n_cells; i++)
        take(t->distance + i * n_cells, distance + i * n_cells, n_cells);
    double largest = largest_distance(t->distance, (ptrdiff_t)(n * n));
    if (largest < 0) {
        *suits = 0;
        free(t);
        return NULL;
    }
    frexp(largest, &exponent);
    t->quantum = ldexp(1, exponent - COST_BITS);
    return t;
}

void free_large_solver(struct large_solver *solver)
{
    free(solver);
}

/* Table */

/* Set up the table. Its rows are the side with more cells. The order of the wafers has
   no part in it: of sides of one size it is the one with the lowest cell. */
static void set_up(struct large_solver *t)
{
    const struct difference *difference = &t->difference;
    const int *n = difference->n;
    const double scale = 1 / t->quantum;
    t->rows = n[0] == n[1] ? difference->cell[1][0] < difference->cell[0][0] : n[1] > n[0];
    const int rows = t->rows, columns = !rows;
    t->n_rows = n[rows];
    t->n_columns = n[columns];
    t->width = (t->n_columns + BLOCK - 1) / BLOCK * BLOCK;
    int64_t *row_mass = t->mass, *column_mass = t->mass + t->n_rows;
    balance(row_mass, t->n_rows, whole_masses(row_mass, difference, rows, MASS_BITS, 0.5),
            column_mass, t->n_columns,
            whole_masses(column_mass, difference, columns, MASS_BITS, 0.5),
            PERTURBATION_BITS);
    for (int i = 0; i < t->n_rows; i++) {
        const double *from = t->distance + difference->cell[rows][i] * t->n_cells;
        double *cost = t->cost + i * t->width;
        for (int j = 0; j < t->n_columns; j++)
            cost[j] = (double)(int64_t)(from[difference->cell[columns][j]] * scale + 0.5);
        /* Never chosen. */
        for (int j = t->n_columns; j < t->width; j++)
            cost[j] = INFINITY;
    }
}

/* Prices for the start */

/* Fill in the kernel, about exp(-cost / temperature), and return the temperature. */
static double fill_kernel(struct large_solver *t)
{
    double sum = 0;
    for (int i = 0; i < t->n_rows; i++)
        sum += sum_of(t->cost + i * t->width, t->n_columns);
    /* Cells that coincide are no metric, and must not crash. */
    const double temperature = (sum > 0 ? sum : 1) /
                               (FIRST_SHARPNESS * (double)t->n_rows * t->n_columns);
    const float scale = (float)(1 / (256 * temperature));
    for (int k = 0; k < t->n_rows * t->width; k++) {
        float factor = 1 - (float)t->cost[k] * scale;
        factor = factor > 0 ? factor : 0;
        for (int doubling = 0; doubling < 8; doubling++)
            factor *= factor;
        t->kernel[k] = factor > TINY ? factor : 0;
    }
    return temperature;
}

/* Halve the temperature. */
static void sharpen_kernel(struct large_solver *t)
{
    for (int k = 0; k < t->n_rows * t->width; k++) {
        float factor = t->kernel[k] * t->kernel[k];
        t->kernel[k] = factor > TINY ? factor : 0;
    }
}

/* Factors of the plan kernel_ij row_i column_j, and the masses that it should have. */
struct scaling {
    float row_mass[MAX_LARGE_CELLS], column_mass[MAX_LARGE_CELLS + BLOCK];
    float row[MAX_LARGE_CELLS], column[MAX_LARGE_CELLS + BLOCK];
};

/* One iteration of Sinkhorn's algorithm. All factors stay finite and above zero. */
static void scale_plan(const struct large_solver *t, struct scaling *scaling)
{
    float sums[MAX_LARGE_CELLS + BLOCK] = {0}, weight[MAX_LARGE_CELLS + BLOCK];
    for (int j = 0; j < t->width; j++)
        weight[j] = scaling->column[j] * scaling->column_mass[j];
    for (int i = 0; i < t->n_rows; i++) {
        const float *kernel = t->kernel + i * t->width;
        float partial[BLOCK] = {0}, sum = TINY;
        for (int j = 0; j < t->width; j += BLOCK)
            for (int k = 0; k < BLOCK; k++)
                partial[k] += kernel[j + k] * weight[j + k];
        for (int k = 0; k < BLOCK; k++)
            sum += partial[k];
        scaling->row[i] = 1 / sum;
        float share = scaling->row_mass[i] / sum;
        for (int j = 0; j < t->width; j++)
            sums[j] += kernel[j] * share;
    }
    for (int j = 0; j < t->n_columns; j++)
        scaling->column[j] = 1 / (sums[j] + TINY);
}

/* What charge costs at each row and column in a plan that is nearly optimal. */
static void find_prices(struct large_solver *t, double *of_row, double *of_column)
{
    const double(*charge)[MOST_CELLS] = t->difference.charge, *total = t->difference.total;
    const int rows = t->rows;
    struct scaling scaling;
    double temperature = fill_kernel(t);

    for (int i = 0; i < t->n_rows; i++)
        scaling.row_mass[i] = (float)(charge[rows][i] / total[rows]);
    for (int j = 0; j < t->width; j++) {
        scaling.column_mass[j] =
            j < t->n_columns ? (float)(charge[!rows][j] / total[!rows]) : 0;
        scaling.column[j] = 1;
    }
    for (int k = 0; k < N_TEMPERATURES; k++) {
        if (k > 0) {
            sharpen_kernel(t);
            temperature /= 2;
            for (int j = 0; j < t->n_columns; j++) {
                float squared = scaling.column[j] * scaling.column[j];
                scaling.column[j] = squared < 1 / TINY ? squared : 1 / TINY;
            }
        }
        for (int iteration = 0; iteration < N_ITERATIONS; iteration++)
            scale_plan(t, &scaling);
    }
    for (int i = 0; i < t->n_rows; i++)
        of_row[i] = temperature * log(scaling.row[i]);
    for (int j = 0; j < t->n_columns; j++)
        of_column[j] = temperature * log(scaling.column[j]);
}

/* The first tree */

/* Fill `order` with the rows in the order of their cheapest arcs. */
static void order_rows(const struct large_solver *t, const double *of_row,
                       const double *less, int *order)
{
    double cheapest[MAX_LARGE_CELLS];
    for (int i = 0; i < t->n_rows; i++) {
        int place = i;
        cheapest[i] = least_sum(t->cost + i * t->width, less, t->width) - of_row[i];
        for (; place > 0 && cheapest[order[place - 1]] > cheapest[i]; place--)
            order[place] = order[place - 1];
        order[place] = i;
    }
}

/* The column with the lowest cost for a row at the prices `less`, which are infinite for
   columns that are used up: there is always one that is not. */
static int best_column(const struct large_solver *t, int row, const double *less)
{
    const double *cost = t->cost + row * t->width;
    const double least = least_sum(cost, less, t->width);
    int best = 0;
    for (int j = 0; j < t->n_columns; j++)
        if (less[j] < INFINITY) {
            best = j;
            if (cost[j] + less[j] == least)
                break;
        }
    return best;
}

/* Serve row after row from its best columns, sending as much over each arc as both ends
   have left. Each arc uses up one end, whose parent becomes the other: a node's subtree
   is complete when the node is used up. The last row and the last column wait for each
   other, so that the tree spans all nodes whatever the masses are. Fills `order` with the
   nodes as they are used up; the last one is the root. */
static void greedy_tree(struct large_solver *t, int *order)
{
    const int n_nodes = t->n_rows + t->n_columns;
    double of_row[MAX_LARGE_CELLS], less[MAX_LARGE_CELLS + BLOCK];
    int rows[MAX_LARGE_CELLS], row = 0, n_columns_left = t->n_columns;
    int64_t left[MAX_LARGE_CELLS];

    find_prices(t, of_row, less);
    for (int j = 0; j < t->width; j++)
        less[j] = j < t->n_columns ? -less[j] : INFINITY;
    order_rows(t, of_row, less, rows);
    memcpy(left, t->mass, (size_t)n_nodes * sizeof *left);
    for (int step = 0; step < n_nodes - 1; step++) {
        int source = rows[row], column = best_column(t, source, less);
        int sink = t->n_rows + column;
        int one_row = row == t->n_rows - 1, one_column = n_columns_left == 1;
        int source_is_empty = !one_row && (one_column || left[source] < left[sink]);
        int used_up = source_is_empty ? source : sink;
        int other = source_is_empty ? sink : source;
        if (source_is_empty)
            row++;
        else {
            n_columns_left--;
            less[column] = INFINITY;
        }
        t->parent[used_up] = other;
        t->flow[used_up] = left[used_up];
        left[other] -= left[used_up];
        order[step] = used_up;
        order[step + 1] = other;
    }
    t->root = order[n_nodes - 1];
    t->parent[t->root] = t->root;
    t->flow[t->root] = 0;
}

static void link(struct large_solver *t, int node, int next)
{
    t->next[node] = next;
    t->previous[next] = node;
}

/* Put the nodes in preorder, and find sizes of subtrees and heights. */
static void complete_tree(struct large_solver *t, const int *order)
{
    const int n_nodes = t->n_rows + t->n_columns;

    for (int node = 0; node < n_nodes; node++) {
        t->size[node] = 1;
        t->last[node] = node;
    }
    memset(t->height, 0, sizeof t->height);
    link(t, t->root, t->root);
    /* From the root to the leaves. */
    for (int k = n_nodes - 2; k >= 0; k--) {
        int node = order[k], parent = t->parent[node];
        link(t, node, t->next[parent]);
        link(t, parent, node);
        t->height[node] =
            node < t->n_rows
                ? t->height[parent] + t->cost[node * t->width + parent - t->n_rows]
                : t->height[parent] - t->cost[parent * t->width + node - t->n_rows];
    }
    for (int k = 0, node = t->previous[t->root]; k < n_nodes - 1; k++) {
        int parent = t->parent[node];
        t->size[parent] += t->size[node];
        if (t->last[parent] == parent)
            t->last[parent] = t->last[node];
        node = t->previous[node];
    }
}

/* Pivots */

/* What happens to the tree when an arc enters it. The part below `cut` leaves its parent
   and hangs, by its node `end`, below `hook`. */
struct pivot {
    int join; /* where both sides of the cycle meet */
    int cut, end, hook;
    int64_t amount; /* the flow that is pushed around */
    double rise;    /* of the heights of the part that moves */
};

/* Find the arc of the cycle that is first empty when flow enters from a row to a column:
   on the row's side of the cycle arcs below rows lose flow, on the column's side those
   below columns. The first arc of one of the sides is always among them. A node with a
   larger subtree than another one is not below it. */
static struct pivot find_pivot(const struct large_solver *t, int row, int column,
                               double reduced)
{
    struct pivot pivot = {row, -1, row, column, INT64_MAX, reduced};
    int node = row, other = column;
    while (node != other) {
        if (t->size[node] < t->size[other]) {
            if (node < t->n_rows && t->flow[node] < pivot.amount) {
                pivot.amount = t->flow[node];
                pivot.cut = node;
                pivot.end = row;
            }
            node = t->parent[node];
        } else {
            if (other >= t->n_rows && t->flow[other] < pivot.amount) {
                pivot.amount = t->flow[other];
                pivot.cut = other;
                pivot.end = column;
            }
            other = t->parent[other];
        }
    }
    pivot.join = node;
    pivot.hook = pivot.end == row ? column : row;
    /* The reduced cost of the entering arc becomes zero. */
    pivot.rise = pivot.end == row ? reduced : -reduced;
    return pivot;
}

/* Push flow around the cycle. */
static void push_flow(struct large_solver *t, int row, int column,
                      const struct pivot *pivot)
{
    for (int node = row; node != pivot->join; node = t->parent[node])
        t->flow[node] += node < t->n_rows ? -pivot->amount : pivot->amount;
    for (int node = column; node != pivot->join; node = t->parent[node])
        t->flow[node] += node < t->n_rows ? pivot->amount : -pivot->amount;
}

/* Take the part that moves out of the subtrees it is in, and count it where it goes. */
static void update_ancestors(struct large_solver *t, const struct pivot *pivot)
{
    const int moves = t->size[pivot->cut], last = t->last[pivot->cut];
    const int before = t->previous[pivot->cut], above = t->parent[pivot->cut];

    for (int node = above; node != pivot->join; node = t->parent[node])
        t->size[node] -= moves;
    for (int node = pivot->hook; node != pivot->join; node = t->parent[node])
        t->size[node] += moves;
    for (int node = above; t->last[node] == last; node = t->parent[node])
        t->last[node] = before;
}

/* Move the part below `cut` behind `hook` in the preorder and turn the path from `end` up
   to `cut` around. Each node of the path takes along what remains of its subtree without
   that of the node before it. */
static void rehang(struct large_solver *t, const struct pivot *pivot)
{
    const int hook = pivot->hook, moves = t->size[pivot->cut];
    int node = pivot->end, parent = hook, tail = hook, moved_before = 0;
    int stop = t->last[node];
    int64_t flow = pivot->amount;

    for (;;) {
        int up = t->parent[node], size = t->size[node], before = t->previous[node];
        int up_stop = t->last[up] == t->last[node] ? before : t->last[up];
        int64_t old_flow = t->flow[node];
        link(t, before, t->next[stop]);
        link(t, stop, t->next[tail]);
        link(t, tail, node);
        tail = stop;
        t->parent[node] = parent;
        t->flow[node] = flow;
        t->size[node] = moves - moved_before;
        if (node == pivot->cut)
            break;
        moved_before = size;
        flow = old_flow;
        parent = node;
        node = up;
        stop = up_stop;
    }
    for (; node != hook; node = t->parent[node])
        t->last[node] = tail;
    for (; t->last[node] == hook; node = t->parent[node])
        t->last[node] = tail;
}

/* Shift the part that moved, or everything else the other way, which does the same to
   all reduced costs. Both ends of the list advance, since each step waits for memory. */
static void shift_heights(struct large_solver *t, const struct pivot *pivot)
{
    const int n_nodes = t->n_rows + t->n_columns;
    int first = pivot->end, last = t->last[first], n = t->size[first];
    double rise = pivot->rise;

    if (2 * n > n_nodes && fabs(t->height[t->root] - rise) < HIGHEST_ROOT) {
        int after = t->next[last];
        last = t->previous[first];
        first = after;
        n = n_nodes - n;
        rise = -rise;
    }
    for (int k = 0; k < n / 2; k++) {
        t->height[first] += rise;
        t->height[last] += rise;
        first = t->next[first];
        last = t->previous[last];
    }
    if (n % 2)
        t->height[first] += rise;
}

/* Walk from tree to tree until no arc has a negative reduced cost. Returns 0 if that
   takes more than MAX_PIVOTS pivots. */
static int pivot_to_optimum(struct large_solver *t)
{
    const double *column_height = t->height + t->n_rows;
    int n_pivots = 0, n_optimal = 0; /* rows in succession */

    for (int row = 0; n_optimal < t->n_rows; row = (row + 1) % t->n_rows) {
        const double *cost = t->cost + row * t->width;
        const double least = least_sum(cost, column_height, t->width);
        if (!(least < t->height[row])) {
            n_optimal++;
            continue;
        }
        n_optimal = 0;
        if (n_pivots++ == MAX_PIVOTS)
            return 0;
        int column = 0;
        while (column < t->n_columns - 1 && cost[column] + column_height[column] != least)
            column++;
        int sink = t->n_rows + column;
        struct pivot pivot = find_pivot(t, row, sink, least - t->height[row]);
        push_flow(t, row, sink, &pivot);
        update_ancestors(t, &pivot);
        rehang(t, &pivot);
        shift_heights(t, &pivot);
    }
    return 1;
}

/* A pair */

/* The mean distance that the flow goes, in the metric as it was passed. The flow on all
   arcs together is that out of the rows; the root has no arc. */
static double mean_distance(const struct large_solver *t)
{
    const int *row_cells = t->difference.cell[t->rows];
    const int *column_cells = t->difference.cell[!t->rows];
    double sum = 0;
    int64_t mass = 0;
    for (int node = 0; node < t->n_rows + t->n_columns; node++) {
        int parent = t->parent[node];
        int row = node < t->n_rows ? node : parent;
        int column = (node < t->n_rows ? parent : node) - t->n_rows;
        if (node < t->n_rows)
            mass += t->mass[node];
        if (parent != node)
            sum += (double)t->flow[node] *
                   t->distance[row_cells[row] * t->n_cells + column_cells[column]];
    }
    return sum / (double)mass;
}

/* Extend the potentials of the sinks to all cells, with mean zero. */
static void extend_potentials(const struct large_solver *t, double *potential)
{
    const int n_cells = t->n_cells;
    double lowered[MAX_LARGE_CELLS];

    for (int k = 0; k < n_cells; k++)
        lowered[k] = INFINITY;
    for (int j = 0; j < t->difference.n[1]; j++) {
        const double *distance = t->distance + t->difference.cell[1][j] * n_cells;
        double of_sink = t->rows == 1 ? t->height[j] : -t->height[t->n_rows + j];
        double less = of_sink * t->quantum;
        for (int k = 0; k < n_cells; k++) {
            double rest = distance[k] - less;
            lowered[k] = rest < lowered[k] ? rest : lowered[k];
        }
    }
    const double mean = sum_of(lowered, n_cells) / n_cells;
    for (int k = 0; k < n_cells; k++)
        potential[k] = mean - lowered[k];
}

static enum status solve_pair(struct large_solver *t, const double *a, const double *b,
                              double *distance, double *potential)
{
    struct difference *difference = &t->difference;
    int order[MAX_LARGE_CELLS];

    if (!subtract(difference, a, b, t->n_cells))
        return NO_WAFER;
    *distance = 0;
    if (potential)
        memset(potential, 0, (size_t)t->n_cells * sizeof *potential);
    /* Rounding alone can leave a surplus without a sink: the wafers are equal then. */
    if (difference->n[0] == 0 || difference->n[1] == 0)
        return SOLVED;

    set_up(t);
    greedy_tree(t, order);
    complete_tree(t, order);
    if (!pivot_to_optimum(t))
        return NOT_FINISHED;

    *distance = mean_distance(t) * (0.5 * (difference->total[0] + difference->total[1]));
    if (potential)
        extend_potentials(t, potential);
    return SOLVED;
}

enum status solve_large_pairs(struct large_solver *solver, const double *a,
                              const double *b, ptrdiff_t n_pairs, double *distances,
                              double *potentials, ptrdiff_t *failed)
{
    for (ptrdiff_t pair = 0; pair < n_pairs; pair++) {
        ptrdiff_t start = pair * solver->n_cells;
        enum status status = solve_pair(solver, a + start, b + start, distances + pair,
                                        potentials ? potentials + start : NULL);
        if (status != SOLVED) {
            *failed = pair;
            return status;
        }
    }
    return SOLVED;
}
