/* Joint counts of two label maps of any integer type. */

#ifndef SEGBENCH_COUNT_H
#define SEGBENCH_COUNT_H

#include <stddef.h>
#include <stdint.h>

/* Flat labels of one type: `size` bytes each (1, 2, 4 or 8), in the machine's order, with a sign or without. */
typedef struct {
    const void *values;
    int size;
    int is_signed;
} Labels;

/* How often a pair of labels occurs. */
typedef struct {
    int64_t first, second, pixels;
} Pair;

/* The histograms of one counting thread; they are 0 whenever nobody counts. */
typedef struct Tables Tables;

Tables *new_tables(void);
void free_tables(Tables *tables);

enum { COUNTED = 0, NO_MEMORY = 1, TOO_MANY_PAIRS = 2 };

/* More pixels than a histogram's bin can hold are not counted at once. */
#define MAX_COUNTED UINT32_MAX

/* Count `pixels` (at most MAX_COUNTED) pairs of labels. On COUNTED, `*pairs` are the `*found` pairs that occur, in
   ascending order; they are the tables' own, until they are used again. TOO_MANY_PAIRS says that another way is quicker. */
int count_pairs(Labels first, Labels second, size_t pixels, Tables *tables, const Pair **pairs, size_t *found);

/* Free what the last count has left, but for the tables themselves. */
void tidy(Tables *tables);

#endif
