/* Distances from points on a grid to the nearest of others.

   In each row the others' columns are in order, so that the nearest of a row is found by bisection. Rows are looked at
   from the point's own outwards, as long as they are nearer than what was found; most boundaries lie a few pixels apart
   and are met at once. Beyond that whole bands of rows are passed over: of each band it is known which strips of columns
   hold any of the others. What was nearest to the last point in the same strip is where a search begins. */

#include "nearest.h"

#include <stdlib.h>

#include "cpu.h"

#define BAND 16   /* rows that are passed over together */
#define STRIPS 64 /* strips of columns, one for each bit of a mask */

typedef struct {
    const Point *others;
    size_t *starts;           /* where the others of each row begin, and the end of the last */
    uint64_t *masks;          /* for each band the strips that hold others */
    const Point *last[STRIPS]; /* what was nearest to the last point of each strip */
    int64_t top, rows, strip_width;
} Index;

/* The nearest so far, and its squared distance. */
typedef struct {
    const Point *other;
    int64_t square;
} Nearest;

int are_in_order(const Point *points, size_t count) {
    Point before = {0, -1};
    for (size_t k = 0; k < count; k++) {
        Point here = points[k];
        if (here.row < 0 || here.row > MAX_PLACE || here.column < 0 || here.column > MAX_PLACE) return 0;
        if (here.row < before.row || (here.row == before.row && here.column <= before.column)) return 0;
        before = here;
    }
    return 1;
}

INLINE int64_t square_of(Point one, const Point *other) {
    int64_t rows = one.row - other->row, columns = one.column - other->column;
    return rows * rows + columns * columns;
}

INLINE void look_at(Point point, const Point *other, Nearest *best) {
    int64_t square = square_of(point, other);
    if (square < best->square) {
        best->square = square;
        best->other = other;
    }
}

/* Look at the others of a row (from `top` on) on both sides of the point. */
INLINE void look_in_row(const Index *index, int64_t row, Point point, Nearest *best) {
    const Point *first = index->others + index->starts[row];
    size_t length = index->starts[row + 1] - index->starts[row];
    if (length == 0) return;
    const Point *right = first;
    for (size_t left = length; left > 0;) {
        size_t half = left / 2;
        int beyond = right[half].column < point.column;
        right = beyond ? right + half + 1 : right;
        left = beyond ? left - half - 1 : half;
    }
    if (right < first + length) look_at(point, right, best);
    if (right > first) look_at(point, right - 1, best);
}

/* How many columns a point is at least away from all others of a band. */
static int64_t columns_to(const Index *index, uint64_t mask, int64_t column) {
    int64_t strip = column / index->strip_width;
    if (strip > STRIPS - 1) strip = STRIPS; /* right of them all */
    uint64_t left = strip < STRIPS ? mask & (((uint64_t)1 << strip) - 1) : mask;
    uint64_t right = strip < STRIPS ? mask >> strip : 0;
    if (right & 1) return 0;
    int64_t least = INT64_MAX;
    if (left) least = column - ((highest_bit(left) + 1) * index->strip_width - 1);
    if (right) {
        int64_t apart = (strip + lowest_bit(right)) * index->strip_width - column;
        if (apart < least) least = apart;
    }
    return least;
}

static void look_in_band(const Index *index, int64_t band, Point point, Nearest *best) {
    int64_t above = point.row - index->top, begin = band * BAND, end = begin + BAND;
    if (end > index->rows) end = index->rows;
    int64_t rows = begin > above ? begin - above : above >= end ? above - end + 1 : 0;
    if (index->masks[band] == 0 || rows * rows >= best->square) return;
    int64_t columns = columns_to(index, index->masks[band], point.column);
    if (columns * columns >= best->square - rows * rows) return;
    for (int64_t row = begin; row < end; row++)
        if ((row - above) * (row - above) < best->square) look_in_row(index, row, point, best);
}

/* The rows around the point, then bands of rows outwards. */
static Nearest nearest_to(const Index *index, Point point, const Point *begin) {
    Nearest best = {begin, square_of(point, begin)};
    int64_t above = point.row - index->top;
    for (int64_t apart = 0; apart < BAND && apart * apart < best.square; apart++) {
        if (above - apart >= 0 && above - apart < index->rows) look_in_row(index, above - apart, point, &best);
        if (apart && above + apart >= 0 && above + apart < index->rows) look_in_row(index, above + apart, point, &best);
    }
    if (best.square <= BAND * BAND) return best;
    int64_t bands = (index->rows + BAND - 1) / BAND, own = above < 0 ? 0 : above / BAND;
    if (own >= bands) own = bands - 1;
    for (int64_t step = 0; step < bands; step++) {
        int64_t rows = (step - 1) * BAND; /* those of a band so many steps away are further off */
        if (step && rows * rows >= best.square) break;
        if (own - step >= 0) look_in_band(index, own - step, point, &best);
        if (step && own + step < bands) look_in_band(index, own + step, point, &best);
    }
    return best;
}

static int fill(Index *index, const Point *others, size_t count) {
    int64_t widest = 0;
    index->others = others;
    index->top = others[0].row;
    index->rows = others[count - 1].row - index->top + 1;
    for (size_t k = 0; k < count; k++)
        if (others[k].column > widest) widest = others[k].column;
    index->strip_width = widest / STRIPS + 1;
    index->starts = malloc(((size_t)index->rows + 1) * sizeof(*index->starts));
    index->masks = calloc(((size_t)index->rows + BAND - 1) / BAND, sizeof(*index->masks));
    if (index->starts == NULL || index->masks == NULL) return -1;
    size_t k = 0;
    for (int64_t row = 0; row <= index->rows; row++) {
        index->starts[row] = k;
        for (; k < count && others[k].row - index->top == row; k++)
            index->masks[row / BAND] |= (uint64_t)1 << (others[k].column / index->strip_width);
    }
    for (int strip = 0; strip < STRIPS; strip++) index->last[strip] = others;
    return 0;
}

int nearest_squares(const Point *points, size_t count, const Point *others, size_t other_count, int64_t *squares) {
    Index index;
    int failed = fill(&index, others, other_count);
    for (size_t k = 0; !failed && k < count; k++) {
        int64_t strip = points[k].column / index.strip_width;
        const Point **last = &index.last[strip < STRIPS ? strip : STRIPS - 1];
        Nearest best = nearest_to(&index, points[k], *last);
        *last = best.other;
        squares[k] = best.square;
    }
    free(index.starts);
    free(index.masks);
    return failed;
}
