/* Exact earth mover's distances by the network simplex method.

   Two wafers, a and b, scaled to unit sum, over cells with ground distances d. Since d is a
   metric, charge that both have in a cell stays there. What is left is a transport
   problem: cells with a surplus a - b > 0 are sources, cells that lack charge are
   sinks, and P_ij >= 0 is what source i sends to sink j,

       minimize sum_ij P_ij d_ij,   sum_j P_ij = supply_i,   sum_i P_ij = demand_j.

   A basis of this linear program is a spanning tree of the sources and sinks, and
   the simplex method walks from tree to tree (Dantzig 1951; Ahuja, Magnanti and Orlin,
   "Network Flows", 1993, chapter 11):

   1. A greedy choice of arcs gives the first tree and the flow on its arcs.
   2. Potentials u, v that satisfy u_i + v_j = d_ij on the arcs of the tree price every
      other arc: sending charge over (i, j) changes the cost by the reduced cost
      d_ij - u_i - v_j. If none is negative, the tree is optimal.
   3. Otherwise one with a negative reduced cost enters the tree: the lowest on a list
      of candidates, one from each column, which is made anew when it has none left.
      The arc closes a cycle; flow is pushed around it until an arc of the tree is
      empty, which leaves.

   Everything that decides is exact, so the walk ends without tolerances or rules
   against cycling:

   - Masses are whole numbers (int64). They are shifted left by 7 bits, then 1 is added
     to each row and their number to the last column. No proper part of the rows can
     balance a part of the columns then, since there are fewer than 128 rows: no arc of
     a tree is ever empty, and every pivot lowers the cost.
   - Costs are whole numbers below 2^46, held in doubles. A potential is a sum of at
     most 63 costs and a reduced cost one of at most 127, so both are whole numbers
     below 2^53 and have no rounding error.

   The distance is the cost of the optimal flow in the metric as it was passed. The
   potentials at the sinks extend to every cell as

       f_k = max_j (v_j - d_jk),

   which is 1-Lipschitz whatever the v_j are. By duality sum_k (b_k - a_k) f_k is then
   never above the distance, and equal to it for the optimal tree.

   Rows of the problem are sources and columns sinks, or the other way round, whichever
   makes the smaller table. That, and all that follows, is the same for a, b and for b, a,
   whose distances are therefore equal to the last bit. Nodes of the tree are the rows,
   then the columns. The set of nodes below a node is a 64-bit word.

   Nothing outside can steer an index, whatever bits the arrays hold and whoever writes to
   them meanwhile:

   - Distances and charges are copied first, number by number, then checked, and from
     there on only the copies are used. Outputs are written and never read.
   - What passes the check is finite: fractions lie between 0 and 1, masses add up to
     less than 2^63, costs and potentials are as above.
   - Nevertheless no search trusts a number to stop it. The first tree spans all nodes
     because the last row and the last column are used up last; a pivot takes one arc of
     the cycle that it closed for another, so a tree remains; a search for a minimum
     starts from an entry that exists, and that for its row ends at the last row.
   - A pivot takes some thousand steps at most, and a pair MAX_PIVOTS pivots. The walk ends
     anyway, since each pivot lowers a cost that is a whole number, but there is no proof
     that it ends soon. */

#include "_simplex.h"

#define MOST_CELLS MAX_CELLS
#include "_simplex_wafers.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* Columns are padded to whole blocks, which the compiler keeps in vector registers. */
#define BLOCK 8
#define MASS_BITS 55     /* the bits of all supply together */
#define PERTURBATION_BITS 7
#define COST_BITS 46
#define LARGEST_COST 70368744177664.0 /* 2^COST_BITS */
#define MAX_PIVOTS 100000 /* a search for the hardest pairs did not get beyond 1,000 */

/* Distances of a metric may differ by this factor. The error of the rounded costs is
   then below 1e-9 of the distance. */
#define LARGEST_RANGE 1000.0

/* Weight of the mean distances in the greedy start; it affects speed only. */
#define START_WEIGHT 1.3

typedef uint64_t node_set;

struct transport {
    int n_rows, n_columns, width; /* width: columns, padded */
    int64_t mass[MAX_CELLS];      /* of the nodes: rows, then columns */
    double cost[MAX_CELLS * MAX_CELLS]; /* n_rows x width */
    double row_potential[MAX_CELLS];
    double column_potential[MAX_CELLS];
    /* The spanning tree. The root is its own parent. */
    int parent[MAX_CELLS];
    int64_t flow[MAX_CELLS];     /* on the arc to the parent */
    node_set below[MAX_CELLS];   /* the node and all whose path to the root meets it */
};

/* Whether a node is below another one, or the same. */
static int is_below(const struct transport *t, int node, int ancestor)
{
    return (t->below[ancestor] >> node) & 1;
}

static int lowest_node(node_set set)
{
#if defined(__GNUC__)
    return __builtin_ctzll(set);
#else
    int node = 0;
    while (!((set >> node) & 1))
        node++;
    return node;
#endif
}

/* least[j] = min(least[j], numbers[j] - less) for each j. */
static void keep_smaller(double *least, const double *numbers, double less, int width)
{
    for (int j = 0; j < width; j++) {
        double rest = numbers[j] - less;
        least[j] = rest < least[j] ? rest : least[j];
    }
}

/* Metric */

/* Find the largest distance and the smallest positive one. Returns 0 if a number is no
   distance. */
static int find_range(const struct metric *metric, double *smallest, double *largest)
{
    *smallest = INFINITY;
    *largest = 0;
    for (int i = 0; i < metric->n_cells; i++)
        for (int j = 0; j < metric->n_cells; j++) {
            double distance = metric->distance[i * MAX_CELLS + j];
            if (!(distance >= 0 && distance <= 1e100))
                return 0;
            if (distance > *largest)
                *largest = distance;
            if (distance > 0 && distance < *smallest)
                *smallest = distance;
        }
    return 1;
}

int prepare_metric(struct metric *metric, const double *distance, int n_cells)
{
    double largest, smallest;
    int exponent;

    metric->n_cells = n_cells;
    memset(metric->distance, 0, sizeof metric->distance);
    for (int i = 0; i < n_cells; i++)
        take(metric->distance + i * MAX_CELLS, distance + i * n_cells, n_cells);
    if (!find_range(metric, &smallest, &largest))
        return 0;
    if (largest > 0 && !(smallest > 1e-100 && largest <= LARGEST_RANGE * smallest))
        return 0;
    frexp(largest, &exponent);
    metric->quantum = ldexp(1, exponent - COST_BITS);
    for (int k = 0; k < MAX_CELLS * MAX_CELLS; k++)
        metric->whole[k] = nearbyint(metric->distance[k] / metric->quantum);
    return 1;
}

/* The first tree */

/* For every row and column, START_WEIGHT times its mean distance to the other side. */
static void mean_costs(const struct transport *t, double *of_row, double *of_column)
{
    const double scale = START_WEIGHT / ldexp(1, MASS_BITS + PERTURBATION_BITS);
    const int64_t *rows = t->mass, *columns = t->mass + t->n_rows;
    double weight[MAX_CELLS] = {0};

    for (int j = 0; j < t->n_columns; j++)
        weight[j] = (double)columns[j] * scale;
    memset(of_column, 0, (size_t)t->width * sizeof *of_column);
    for (int i = 0; i < t->n_rows; i++) {
        const double *cost = t->cost + i * t->width;
        double share = (double)rows[i] * scale, partial[BLOCK] = {0}, sum = 0;
        for (int j = 0; j < t->width; j += BLOCK)
            for (int k = 0; k < BLOCK; k++) {
                partial[k] += weight[j + k] * cost[j + k];
                of_column[j + k] += share * cost[j + k];
            }
        for (int k = 0; k < BLOCK; k++)
            sum += partial[k];
        of_row[i] = sum;
    }
}

/* Columns in the order of their lowest d_ij less the mean distances of i and j. */
static void order_columns(const struct transport *t, const double *of_row,
                          const double *of_column, int *columns)
{
    double least[MAX_CELLS];

    for (int j = 0; j < t->width; j++)
        least[j] = INFINITY;
    for (int i = 0; i < t->n_rows; i++)
        keep_smaller(least, t->cost + i * t->width, of_row[i], t->width);
    for (int j = 0; j < t->n_columns; j++) {
        int place = j;
        least[j] -= of_column[j];
        for (; place > 0 && least[columns[place - 1]] > least[j]; place--)
            columns[place] = columns[place - 1];
        columns[place] = j;
    }
}

/* The row with the lowest cost for a column, less the row's mean distance, among `rows`,
   which are never none. */
static int best_row(const struct transport *t, int column, node_set rows,
                    const double *of_row)
{
    int best = lowest_node(rows);
    double least = INFINITY;
    for (; rows; rows &= rows - 1) {
        int i = lowest_node(rows);
        double value = t->cost[i * t->width + column] - of_row[i];
        best = value < least ? i : best;
        least = value < least ? value : least;
    }
    return best;
}

/* Serve column after column from its best rows, sending as much over each arc as both
   ends have left. Each arc uses up one end, whose parent becomes the other: a node's
   subtree is complete when the node is used up. The last row and the last column wait
   for each other, so that the tree spans all nodes whatever the masses are. Fills
   `order` with the nodes as they are used up; the last one is the root. */
static void greedy_tree(struct transport *t, int *order)
{
    const int n_nodes = t->n_rows + t->n_columns;
    double of_row[MAX_CELLS], of_column[MAX_CELLS];
    int columns[MAX_CELLS], *column = columns;
    const int *last_column = columns + t->n_columns - 1;
    int64_t left[MAX_CELLS];
    node_set rows = ((node_set)1 << t->n_rows) - 1;

    mean_costs(t, of_row, of_column);
    order_columns(t, of_row, of_column, columns);
    for (int node = 0; node < n_nodes; node++) {
        left[node] = t->mass[node];
        t->below[node] = (node_set)1 << node;
    }
    for (int step = 0; step < n_nodes - 1; step++) {
        int sink = t->n_rows + *column;
        int source = best_row(t, *column, rows, of_row);
        int one_row = (rows & (rows - 1)) == 0, one_column = column == last_column;
        int source_is_empty = !one_row && (one_column || left[source] < left[sink]);
        int used_up = source_is_empty ? source : sink;
        int other = source_is_empty ? sink : source;
        if (source_is_empty)
            rows &= ~((node_set)1 << source);
        else
            column++;
        t->parent[used_up] = other;
        t->flow[used_up] = left[used_up];
        t->below[other] |= t->below[used_up];
        left[other] -= left[used_up];
        order[step] = used_up;
        order[step + 1] = other;
    }
    int root = order[n_nodes - 1];
    t->parent[root] = root;
    t->flow[root] = 0;
}

/* Potentials */

static double arc_cost(const struct transport *t, int node, int other)
{
    return node < t->n_rows ? t->cost[node * t->width + other - t->n_rows]
                            : t->cost[other * t->width + node - t->n_rows];
}

static double *potential_of(struct transport *t, int node)
{
    return node < t->n_rows ? &t->row_potential[node]
                            : &t->column_potential[node - t->n_rows];
}

/* Potentials from the root, which gets zero, to the leaves. */
static void first_potentials(struct transport *t, const int *order)
{
    const int n_nodes = t->n_rows + t->n_columns;
    memset(t->column_potential, 0, sizeof t->column_potential);
    *potential_of(t, order[n_nodes - 1]) = 0;
    for (int k = n_nodes - 2; k >= 0; k--) {
        int node = order[k], parent = t->parent[node];
        *potential_of(t, node) = arc_cost(t, node, parent) - *potential_of(t, parent);
    }
}

/* Shift the potentials of a part of the tree such that arcs inside keep their reduced
   cost and those into its rows lose `rise`. */
static void shift_potentials(struct transport *t, node_set nodes, double rise)
{
    node_set rows = nodes & (((node_set)1 << t->n_rows) - 1);
    node_set columns = nodes >> t->n_rows;
    for (; rows; rows &= rows - 1)
        t->row_potential[lowest_node(rows)] += rise;
    for (; columns; columns &= columns - 1)
        t->column_potential[lowest_node(columns)] -= rise;
}

/* Pivots */

/* Arcs that had a negative reduced cost when the table was last priced. */
struct candidates {
    int n;
    int row[MAX_CELLS], column[MAX_CELLS];
};

/* Price the whole table and keep the lowest arc of each column, if it is negative. The
   minimum over the rows comes first, without saying where it is: the compiler makes
   vector code of that. */
static void price(const struct transport *t, struct candidates *candidates)
{
    double least[MAX_CELLS];

    for (int j = 0; j < t->width; j++)
        least[j] = INFINITY;
    for (int i = 0; i < t->n_rows; i++)
        keep_smaller(least, t->cost + i * t->width, t->row_potential[i], t->width);
    candidates->n = 0;
    for (int j = 0; j < t->n_columns; j++) {
        if (least[j] >= t->column_potential[j])
            continue;
        int i = 0;
        while (i < t->n_rows - 1 &&
               t->cost[i * t->width + j] - t->row_potential[i] != least[j])
            i++;
        candidates->row[candidates->n] = i;
        candidates->column[candidates->n++] = j;
    }
}

/* Find the candidate with the lowest reduced cost by now, and return that; 0 if none is
   negative any more. */
static double best_candidate(const struct transport *t,
                             const struct candidates *candidates, int *row, int *column)
{
    double lowest = 0;
    int best = 0;
    for (int k = 0; k < candidates->n; k++) {
        int i = candidates->row[k], j = candidates->column[k];
        double reduced =
            t->cost[i * t->width + j] - t->row_potential[i] - t->column_potential[j];
        best = reduced < lowest ? k : best;
        lowest = reduced < lowest ? reduced : lowest;
    }
    if (lowest < 0) {
        *row = candidates->row[best];
        *column = t->n_rows + candidates->column[best];
    }
    return lowest;
}

/* Find the arc of the cycle that is first empty when flow enters from a row to a column:
   on the row's side of the cycle arcs below rows lose flow, on the column's side those
   below columns. The first arc of one of the sides is always among them. Returns the node
   below the arc, and the node where both sides meet. */
static int leaving_arc(const struct transport *t, int row, int column, int *join)
{
    int leaving = is_below(t, column, row) ? column : row, node = row;
    int64_t least = t->flow[leaving];

    for (; !is_below(t, column, node); node = t->parent[node])
        if (node < t->n_rows && t->flow[node] < least) {
            least = t->flow[node];
            leaving = node;
        }
    *join = node;
    for (node = column; node != *join; node = t->parent[node])
        if (node >= t->n_rows && t->flow[node] < least) {
            least = t->flow[node];
            leaving = node;
        }
    return leaving;
}

/* Push flow around the cycle. */
static void push_flow(struct transport *t, int row, int column, int join, int64_t amount)
{
    for (int node = row; node != join; node = t->parent[node])
        t->flow[node] += node < t->n_rows ? -amount : amount;
    for (int node = column; node != join; node = t->parent[node])
        t->flow[node] += node < t->n_rows ? amount : -amount;
}

/* Cut the tree above `cut` and hang that part, by its node `end`, below `hook`. */
static void rehang(struct transport *t, int cut, int end, int hook, int join,
                   int64_t amount)
{
    const node_set part = t->below[cut];

    for (int node = t->parent[cut]; node != join; node = t->parent[node])
        t->below[node] &= ~part;
    for (int node = hook; node != join; node = t->parent[node])
        t->below[node] |= part;

    /* Turn the path from `end` up to `cut` around. */
    int node = end, parent = hook;
    int64_t flow = amount;
    node_set passed = 0;
    for (;;) {
        int next = t->parent[node];
        int64_t next_flow = t->flow[node];
        node_set old = t->below[node];
        t->parent[node] = parent;
        t->flow[node] = flow;
        t->below[node] = part & ~passed;
        if (node == cut)
            break;
        passed = old;
        flow = next_flow;
        parent = node;
        node = next;
    }
}

/* Walk from tree to tree until no arc has a negative reduced cost. Returns 0 if that
   takes more than MAX_PIVOTS pivots. */
static int pivot_to_optimum(struct transport *t)
{
    struct candidates candidates;
    candidates.n = 0;
    for (int pivot = 0; pivot < MAX_PIVOTS; pivot++) {
        int row = 0, column = 0, join;
        double reduced = best_candidate(t, &candidates, &row, &column);
        if (reduced == 0) {
            price(t, &candidates);
            reduced = best_candidate(t, &candidates, &row, &column);
            if (reduced == 0)
                return 1;
        }
        int cut = leaving_arc(t, row, column, &join);
        int64_t amount = t->flow[cut];
        int on_rows_side = is_below(t, row, cut);
        push_flow(t, row, column, join, amount);
        /* The reduced cost of the entering arc becomes zero. */
        shift_potentials(t, t->below[cut], on_rows_side ? reduced : -reduced);
        if (on_rows_side)
            rehang(t, cut, row, column, join, amount);
        else
            rehang(t, cut, column, row, join, amount);
    }
    return 0;
}

/* A pair */

/* The side that makes the smaller table as its rows. The order of the wafers has no part
   in it: of tables of one size it is the side with the lowest cell. */
static int side_of_rows(const struct difference *difference)
{
    const int *n = difference->n;
    int size_0 = n[0] * ((n[1] + BLOCK - 1) / BLOCK);
    int size_1 = n[1] * ((n[0] + BLOCK - 1) / BLOCK);
    if (size_0 == size_1)
        return difference->cell[1][0] < difference->cell[0][0];
    return size_1 < size_0;
}

/* Set up the table with the rows on one side. */
static void set_up(struct transport *t, const struct metric *metric,
                   const struct difference *difference, int rows)
{
    const int *row_cells = difference->cell[rows], columns = !rows;
    t->n_rows = difference->n[rows];
    t->n_columns = difference->n[columns];
    t->width = (t->n_columns + BLOCK - 1) / BLOCK * BLOCK;
    int64_t *row_mass = t->mass, *column_mass = t->mass + t->n_rows;
    balance(row_mass, t->n_rows, whole_masses(row_mass, difference, rows, MASS_BITS, 0),
            column_mass, t->n_columns,
            whole_masses(column_mass, difference, columns, MASS_BITS, 0),
            PERTURBATION_BITS);
    for (int i = 0; i < t->n_rows; i++) {
        const double *from = metric->whole + row_cells[i] * MAX_CELLS;
        double *cost = t->cost + i * t->width;
        for (int j = 0; j < t->n_columns; j++)
            cost[j] = from[difference->cell[columns][j]];
        /* Never chosen. */
        for (int j = t->n_columns; j < t->width; j++)
            cost[j] = 128 * LARGEST_COST;
    }
}

/* The mean distance that the flow goes, in the metric as it was passed. The flow on all
   arcs together is that out of the rows; the root has no arc. */
static double mean_distance(const struct transport *t, const struct metric *metric,
                            const int *row_cells, const int *column_cells)
{
    const double *distance = metric->distance;
    double above_rows = 0, above_columns = 0;
    int64_t sum = 0;
    for (int i = 0; i < t->n_rows; i++) {
        int j = t->parent[i] - t->n_rows, from = row_cells[i] * MAX_CELLS;
        sum += t->mass[i];
        if (j >= 0)
            above_rows += (double)t->flow[i] * distance[from + column_cells[j]];
    }
    for (int j = 0; j < t->n_columns; j++) {
        int node = t->n_rows + j, i = t->parent[node];
        if (i < t->n_rows)
            above_columns += (double)t->flow[node] *
                             distance[row_cells[i] * MAX_CELLS + column_cells[j]];
    }
    return (above_rows + above_columns) / (double)sum;
}

/* Extend the potentials of the sinks to all cells, with mean zero. */
static void extend_potentials(const struct metric *metric, const double *of_sink,
                              const int *sinks, int n_sinks, double *potential)
{
    const int n_cells = metric->n_cells;
    double lowered[MAX_CELLS], sum = 0;

    for (int k = 0; k < MAX_CELLS; k++)
        lowered[k] = INFINITY;
    for (int j = 0; j < n_sinks; j++)
        keep_smaller(lowered, metric->distance + sinks[j] * MAX_CELLS,
                     of_sink[j] * metric->quantum, (n_cells + BLOCK - 1) / BLOCK * BLOCK);
    for (int k = 0; k < n_cells; k++)
        sum += lowered[k];
    for (int k = 0; k < n_cells; k++)
        potential[k] = sum / n_cells - lowered[k];
}

static enum status solve_pair(const struct metric *metric, const double *a,
                              const double *b, double *distance, double *potential)
{
    struct difference difference;
    struct transport t;
    int order[MAX_CELLS];

    if (!subtract(&difference, a, b, metric->n_cells))
        return NO_WAFER;
    *distance = 0;
    if (potential)
        memset(potential, 0, (size_t)metric->n_cells * sizeof *potential);
    /* Rounding alone can leave a surplus without a sink: the wafers are equal then. */
    if (difference.n[0] == 0 || difference.n[1] == 0)
        return SOLVED;

    const int rows = side_of_rows(&difference);
    set_up(&t, metric, &difference, rows);
    greedy_tree(&t, order);
    first_potentials(&t, order);
    if (!pivot_to_optimum(&t))
        return NOT_FINISHED;

    *distance = mean_distance(&t, metric, difference.cell[rows], difference.cell[!rows]) *
                (0.5 * (difference.total[0] + difference.total[1]));
    if (potential)
        extend_potentials(metric, rows ? t.row_potential : t.column_potential,
                          difference.cell[1], difference.n[1], potential);
    return SOLVED;
}

enum status solve_pairs(const struct metric *metric, const double *a, const double *b,
                        ptrdiff_t n_pairs, double *distances, double *potentials,
                        ptrdiff_t *failed)
{
    for (ptrdiff_t pair = 0; pair < n_pairs; pair++) {
        ptrdiff_t start = pair * metric->n_cells;
        enum status status = solve_pair(metric, a + start, b + start, distances + pair,
                                        potentials ? potentials + start : NULL);
        if (status != SOLVED) {
            *failed = pair;
            return status;
        }
    }
    return SOLVED;
}
