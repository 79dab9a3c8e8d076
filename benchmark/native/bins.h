/* Sums over pixels by the bin of their confidence. */

#ifndef SEGBENCH_BINS_H
#define SEGBENCH_BINS_H

#include <stddef.h>
#include <stdint.h>

#define MAX_SUMS 4

/* `kinds` histograms of the same `count` pixels: confidences, kinds x count, of 0 to 1, fall into `bins` bins of equal
   width, one on an edge into the lower. What is summed up has the shape of the confidences, pixels and sums are
   kinds x bins. */
typedef struct {
    const double *confidence, *values[MAX_SUMS];
    size_t kinds, count, bins, number; /* `number` of `values` and of `sums` */
    int64_t *pixels;
    double *sums[MAX_SUMS];
} Histograms;

/* Add all pixels, to each bin in their order; 0, and sums that may be wrong, where a confidence is not in 0..1. */
int add_to_bins(const Histograms *histograms);

#endif
