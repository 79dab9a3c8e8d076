/* Differences of means of quotients between pairs of runs, under patterns that swap what units add to their sums.

   With the halves N and D of what both runs add to a quotient's numerator and denominator, and n and d of these moved, its
   two sides differ by (N + n) / (D + d) - (N - n) / (D - d) = 2 (n D - N d) / (D D - d d). Two such differences are added up
   before they are divided: one division, the slowest operation by far, does for four quotients. Where a quotient may have
   no denominator on one side, each side is divided by itself.

   Results are rounded in other places than NumPy's, in the last bits alone: nothing large cancels. What counts as extreme
   lies 1e-9 of the observed difference and 1e-15 below it (`chance._least`), further than any rounding, so that a pattern
   that ties with what was observed is counted either way.

   A denominator of 0 is recognised by D D - d d, which is exactly 0 where D = d: only as long as the compiler rounds both
   products (`-ffp-contract=off` in pyproject.toml). */

#include "quotients.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cpu.h"

/* Patterns that are looked at together; what they make of all pairs is kept until it is counted. */
#define BLOCK 16

/* The processor does not guess in which order pairs are counted: their differences are asked for some pairs ahead. */
#define AHEAD 16

/* What a block of patterns makes of one run's sums, the first of each sum; the next sum's are `stride` further on. */
typedef struct {
    const double *moved, *halves;
    size_t stride;
} Run;

static void side_of(const Run *one, const Run *other, size_t quotients, int n, double sign, double *mean) {
    double total[BLOCK] = {0}, defined[BLOCK] = {0};
    for (size_t c = 0; c < quotients; c++) {
        const size_t d = quotients + c;
        const double *a = one->moved + c * one->stride, *b = other->moved + c * other->stride;
        const double *below_a = one->moved + d * one->stride, *below_b = other->moved + d * other->stride;
        for (int k = 0; k < n; k++) {
            double denominator = one->halves[d] + other->halves[d] + sign * (below_a[k] - below_b[k]);
            if (!(denominator > 0)) continue;
            total[k] += (one->halves[c] + other->halves[c] + sign * (a[k] - b[k])) / denominator;
            defined[k] += 1;
        }
    }
    for (int k = 0; k < n; k++) mean[k] = total[k] / defined[k];
}

/* Each side by itself, where a class may have no pixels on one of them. */
static void separately(const Run *one, const Run *other, size_t quotients, int n, double *apart) {
    double mean[2][BLOCK];
    side_of(one, other, quotients, n, 1, mean[0]);
    side_of(one, other, quotients, n, -1, mean[1]);
    for (int k = 0; k < n; k++) apart[k] = mean[0][k] - mean[1][k];
}

/* What both runs of a pair have of one quotient, and what the block's patterns move. */
typedef struct {
    const double *above_a, *above_b, *below_a, *below_b;
    double above, below;
} Quotient;

INLINE Quotient quotient_of(const Run *one, const Run *other, size_t c, size_t d) {
    const Quotient found = {one->moved + c * one->stride,       other->moved + c * other->stride,
                            one->moved + d * one->stride,       other->moved + d * other->stride,
                            one->halves[c] + other->halves[c], one->halves[d] + other->halves[d]};
    return found;
}

/* Half of the difference of a quotient between both sides of pattern `k`: x / y. */
INLINE double x_of(const Quotient *q, int k) {
    return (q->above_a[k] - q->above_b[k]) * q->below - q->above * (q->below_a[k] - q->below_b[k]);
}

INLINE double y_of(const Quotient *q, int k) {
    const double beside = q->below_a[k] - q->below_b[k];
    return q->below * q->below - beside * beside;
}

INLINE void block_of(const Run *one, const Run *other, size_t quotients, int n, double *apart) {
    double total[BLOCK] = {0}, lowest[BLOCK];
    size_t defined = 0;
    Quotient last = {0}, q;
    for (int k = 0; k < n; k++) lowest[k] = 1;
    for (size_t c = 0; c < quotients; c++) {
        q = quotient_of(one, other, c, quotients + c);
        if (q.below == 0) continue; /* on no side there is anything */
        if (++defined % 2) {
            last = q;
            continue;
        }
        for (int k = 0; k < n; k++) {
            const double x = x_of(&q, k), y = y_of(&q, k), z = y_of(&last, k);
            lowest[k] = y < lowest[k] ? y : lowest[k];
            lowest[k] = z < lowest[k] ? z : lowest[k];
            total[k] += (x_of(&last, k) * y + x * z) / (y * z);
        }
    }
    if (defined % 2)
        for (int k = 0; k < n; k++) {
            const double y = y_of(&last, k);
            lowest[k] = y < lowest[k] ? y : lowest[k];
            total[k] += x_of(&last, k) / y;
        }
    int may_be_undefined = defined == 0;
    for (int k = 0; k < n; k++) {
        apart[k] = 2 * total[k] / (double)defined;
        may_be_undefined |= !(lowest[k] > 0);
    }
    if (UNLIKELY(may_be_undefined)) separately(one, other, quotients, n, apart);
}

INLINE void differences_of(const QuotientSums *sums, const RunPairs *pairs, double *apart) {
    const size_t each = 2 * sums->quotients, rows = sums->rows;
    for (size_t k = 0; k < pairs->pairs; k++) {
        const size_t pair = (size_t)pairs->nearby[k];
        const size_t a = (size_t)pairs->first[pair] * each, b = (size_t)pairs->second[pair] * each;
        Run one = {sums->moved + a * rows, sums->halves + a, rows}, other = {sums->moved + b * rows, sums->halves + b, rows};
        double *mine = apart + pair * rows;
        size_t start = 0;
        for (; start + BLOCK <= rows; start += BLOCK, one.moved += BLOCK, other.moved += BLOCK)
            block_of(&one, &other, sums->quotients, BLOCK, mine + start); /* the compiler knows the length */
        if (start < rows) block_of(&one, &other, sums->quotients, (int)(rows - start), mine + start);
    }
}

/* Count one block of patterns, of which `apart` has what they make of each pair. */
INLINE void count_block(const double *apart, size_t pairs, size_t rows, const Extremes *extremes) {
    double largest[BLOCK] = {0};
    for (size_t place = 0; place < pairs; place++) {
        const double *mine = apart + (size_t)extremes->order[place] * rows;
        if (place + AHEAD < pairs) fetch(apart + (size_t)extremes->order[place + AHEAD] * rows);
        const double size = extremes->size[place], least = extremes->least[place];
        const double least_measured = extremes->least_measured[place];
        int64_t reached = 0, above = 0, known = 0;
        for (size_t k = 0; k < rows; k++) {
            const double distance = fabs(mine[k]), measured = distance / size;
            reached += distance >= least;
            known += distance == distance;
            largest[k] = measured > largest[k] ? measured : largest[k];
            above += largest[k] >= least_measured;
        }
        extremes->reached[place] += reached;
        extremes->largest[place] += above;
        extremes->known[place] += known;
    }
}

static void differences_portable(const QuotientSums *sums, const RunPairs *pairs, double *apart) {
    differences_of(sums, pairs, apart);
}

static void count_portable(const double *apart, size_t pairs, size_t rows, const Extremes *extremes) {
    count_block(apart, pairs, rows, extremes);
}

#if HAVE_AVX2
WITH_AVX2 static void differences_avx2(const QuotientSums *sums, const RunPairs *pairs, double *apart) {
    differences_of(sums, pairs, apart);
}

WITH_AVX2 static void count_avx2(const double *apart, size_t pairs, size_t rows, const Extremes *extremes) {
    if (rows == BLOCK)
        count_block(apart, pairs, BLOCK, extremes);
    else
        count_block(apart, pairs, rows, extremes);
}
#else
#define differences_avx2 differences_portable
#define count_avx2 count_portable
#endif

void quotient_differences(const QuotientSums *sums, const RunPairs *pairs, double *apart) {
    (use_avx2() ? differences_avx2 : differences_portable)(sums, pairs, apart);
}

int tally_quotients(const QuotientSums *sums, const RunPairs *pairs, const Extremes *extremes) {
    const size_t every = sums->runs * 2 * sums->quotients;
    double *moved = malloc((every + 1) * BLOCK * sizeof(double));
    double *apart = malloc((pairs->pairs + 1) * BLOCK * sizeof(double));
    int failed = moved == NULL || apart == NULL;
    for (size_t start = 0; !failed && start < sums->rows; start += BLOCK) {
        const size_t rows = sums->rows - start < BLOCK ? sums->rows - start : BLOCK;
        for (size_t k = 0; k < every; k++)
            memcpy(moved + k * rows, sums->moved + k * sums->rows + start, rows * sizeof(double));
        const QuotientSums block = {moved, sums->halves, sums->runs, sums->quotients, rows};
        quotient_differences(&block, pairs, apart);
        (use_avx2() ? count_avx2 : count_portable)(apart, pairs->pairs, rows, extremes);
    }
    free(moved);
    free(apart);
    return failed ? -1 : 0;
}
