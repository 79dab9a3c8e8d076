/* Distances from points on a grid to the nearest of others. */

#ifndef SEGBENCH_NEAREST_H
#define SEGBENCH_NEAREST_H

#include <stddef.h>
#include <stdint.h>

/* Rows and columns lie in 0..MAX_PLACE, so that no square overflows. */
#define MAX_PLACE ((int64_t)1 << 24)

typedef struct {
    int64_t row, column;
} Point;

/* Whether all points lie in 0..MAX_PLACE, and each after the one before it, row by row. */
int are_in_order(const Point *points, size_t count);

/* The squared distance of each point to the nearest of at least one others, written to `squares`; both are in order.
   -1 where there is no memory. */
int nearest_squares(const Point *points, size_t count, const Point *others, size_t other_count, int64_t *squares);

#endif
