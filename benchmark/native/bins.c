/* Sums over pixels by the bin of their confidence.

   Doubles are added to a bin one by one, pixel by pixel, so that a sum has the same bits as NumPy's. Most confidences fall
   into the same bin, and each sum there has to wait for the one before: a few kinds of confidence are added in turn,
   whose sums do not wait for each other. */

#include "bins.h"

#include "cpu.h"

#define LANES 6
#define STRETCH 512

/* The bin of each of n confidences; 0 where one is not in 0..1. */
static int find_bins(const double *confidence, size_t n, double bins, int32_t *found) {
    int outside = 0;
    for (size_t k = 0; k < n; k++) outside |= !(confidence[k] >= 0) | !(confidence[k] <= 1);
    if (outside) return 0;
    for (size_t k = 0; k < n; k++) {
        double scaled = confidence[k] * bins;
        int32_t whole = (int32_t)scaled;
        found[k] = whole - (whole > 0 && scaled == (double)whole);
    }
    return 1;
}

/* Pixel after pixel, for each kind in turn. A known number of lanes is a loop without a loop within. */
INLINE void add_lanes(const Histograms *h, size_t kind, size_t start, size_t n, int32_t (*found)[STRETCH], size_t lanes) {
    const size_t bins = h->bins, count = h->count;
    int64_t *pixels = h->pixels + kind * bins;
    for (size_t k = 0; k < n; k++)
        for (size_t lane = 0; lane < lanes; lane++) pixels[lane * bins + (size_t)found[lane][k]]++;
    for (size_t s = 0; s < h->number; s++) {
        const double *values = h->values[s] + kind * count + start;
        double *sums = h->sums[s] + kind * bins;
        for (size_t k = 0; k < n; k++)
            for (size_t lane = 0; lane < lanes; lane++)
                sums[lane * bins + (size_t)found[lane][k]] += values[lane * count + k];
    }
}

/* Add a stretch of n pixels from `start` on to the histograms of `lanes` kinds from `kind` on. */
static int add_stretch(const Histograms *h, size_t kind, size_t lanes, size_t start, size_t n) {
    int32_t found[LANES][STRETCH];
    for (size_t lane = 0; lane < lanes; lane++)
        if (!find_bins(h->confidence + (kind + lane) * h->count + start, n, (double)h->bins, found[lane])) return 0;
    switch (lanes) {
    case 1:
        add_lanes(h, kind, start, n, found, 1);
        break;
    case 2:
        add_lanes(h, kind, start, n, found, 2);
        break;
    case 3:
        add_lanes(h, kind, start, n, found, 3);
        break;
    case 4:
        add_lanes(h, kind, start, n, found, 4);
        break;
    case 5:
        add_lanes(h, kind, start, n, found, 5);
        break;
    default:
        add_lanes(h, kind, start, n, found, LANES);
    }
    return 1;
}

int add_to_bins(const Histograms *h) {
    size_t groups = (h->kinds + LANES - 1) / LANES, lanes = groups ? (h->kinds + groups - 1) / groups : 1;
    for (size_t kind = 0; kind < h->kinds; kind += lanes) {
        if (lanes > h->kinds - kind) lanes = h->kinds - kind;
        for (size_t start = 0; start < h->count; start += STRETCH) {
            size_t n = h->count - start < STRETCH ? h->count - start : STRETCH;
            if (!add_stretch(h, kind, lanes, start, n)) return 0;
        }
    }
    return 1;
}
