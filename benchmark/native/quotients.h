/* Differences of means of quotients between pairs of runs, under patterns that swap what units add to their sums. */

#ifndef SEGBENCH_QUOTIENTS_H
#define SEGBENCH_QUOTIENTS_H

#include <stddef.h>
#include <stdint.h>

/* moved: runs x 2 C x rows, halves: runs x 2 C, of C quotients: their numerators, then their denominators. A pair's sums
   under a pattern are halves of both, plus and less what is moved of the one and not of the other. */
typedef struct {
    const double *moved, *halves;
    size_t runs, quotients, rows;
} QuotientSums;

/* Pairs of runs. `nearby` has the places of all pairs, those of the same runs together: so sums stay in the cache. */
typedef struct {
    const int64_t *first, *second, *nearby;
    size_t pairs;
} RunPairs;

/* As `segbench.evaluation.chance.Extremes`: pairs from the least apart upwards, and counts that are raised. */
typedef struct {
    const int64_t *order;
    const double *size, *least, *least_measured;
    int64_t *reached, *largest, *known;
} Extremes;

/* The differences of all pairs, pairs x rows; NaN where undefined. */
void quotient_differences(const QuotientSums *sums, const RunPairs *pairs, double *apart);

/* Count in how many patterns they are extreme; -1 where there is no memory. */
int tally_quotients(const QuotientSums *sums, const RunPairs *pairs, const Extremes *extremes);

#endif
