/* Joint counts of label maps.

   Label maps consist of runs: along a row, neighbours mostly hold the same pair of labels. So runs are looked for, 64
   pixels at a time, and one addition counts a whole run. Where nearly every pixel ends a run, pixels are counted one by
   one, in turn in four histograms: a bin that is raised twice in a row would have to wait for itself.

   Labels of 8 bits index a table of all 65 536 pairs, so no value can lead outside of it. Wider ones are counted in a
   hash table, but for stretches in which all of them fit into 8 bits. */

#include "count.h"

#include <stdlib.h>

#include "cpu.h"

#define BINS 65536
#define HISTOGRAMS 4
/* Between histograms, so that the bins of one pair do not lie a multiple of 4096 bytes apart: the processor takes a load
   for dependent on an earlier store whose address has the same last 12 bits. */
#define SHIFT 80
#define MAX_RUNS_OF_64 16
#define STRETCH 4096
#define MAX_PAIRS ((size_t)1 << 18)
#define FIRST_SLOTS ((size_t)1 << 10)

typedef struct {
    Pair *slots; /* those of 0 pixels are free */
    size_t size, used, last;
} Hash;

struct Tables {
    uint32_t bins[HISTOGRAMS * (BINS + SHIFT)];
    uint8_t seen[256]; /* first labels of which bins are in use; where `dense`, any may be */
    int dense;         /* whether histograms other than the first are in use */
    Pair pairs[BINS];
    Hash hash;
};

Tables *new_tables(void) { return calloc(1, sizeof(Tables)); }

static void clear_hash(Hash *hash) {
    free(hash->slots);
    memset(hash, 0, sizeof(*hash));
}

void free_tables(Tables *tables) {
    if (tables != NULL) clear_hash(&tables->hash);
    free(tables);
}

/* Bin of a pair of 8-bit labels. The upper bits of the second label are turned by the first, so that rows which differ
   by a multiple of 4, and so lie a multiple of 4096 bytes apart, do not share the last 12 bits of their addresses. */
INLINE uint32_t bin_of(uint32_t first, uint32_t second) {
    uint32_t key = first << 8 | second;
    return key ^ ((key >> 5) & 0xE0);
}

/* ---- 8 bits ---- */

INLINE void count_block_of_64(const uint8_t *a, const uint8_t *b, Tables *t) {
    uint32_t *h = t->bins;
    for (int k = 0; k < 64; k += 4) {
        h[bin_of(a[k], b[k])]++;
        h[BINS + SHIFT + bin_of(a[k + 1], b[k + 1])]++;
        h[2 * (BINS + SHIFT) + bin_of(a[k + 2], b[k + 2])]++;
        h[3 * (BINS + SHIFT) + bin_of(a[k + 3], b[k + 3])]++;
    }
    t->dense = 1;
}

/* Bit k is set where the pair of pixel k differs from that of its right neighbour; reads 65 pixels. */
INLINE uint64_t ends_of_64_portable(const uint8_t *a, const uint8_t *b) {
    uint64_t ends = 0;
    for (int k = 0; k < 64; k += 8) {
        uint64_t differs = (load64(a + k) ^ load64(a + k + 1)) | (load64(b + k) ^ load64(b + k + 1));
        if (differs == 0) continue;
        for (int n = 0; n < 8; n++) ends |= (uint64_t)(a[k + n] != a[k + n + 1] || b[k + n] != b[k + n + 1]) << (k + n);
    }
    return ends;
}

/* Places of the bits set in `ends`, from `start` on, written to `places`, which has room for 64; their number. */
INLINE size_t places_portable(uint64_t ends, uint32_t start, uint32_t *places) {
    size_t found = 0;
    for (; ends; ends &= ends - 1) places[found++] = start + (uint32_t)lowest_bit(ends);
    return found;
}

INLINE void add_pixels(Tables *t, uint32_t first, uint32_t second, uint32_t pixels) {
    t->bins[bin_of(first, second)] += pixels;
    t->seen[first] = 1;
}

/* Add the runs of `a` and `b` that end at these places, the first of which begins at `begin`; where the next begins. */
INLINE uint32_t count_runs(const uint8_t *a, const uint8_t *b, uint32_t begin, const uint32_t *ends, size_t n,
                           Tables *t) {
    for (size_t k = 0; k < n; k++) {
        const uint32_t after = ends[k] + 1;
        add_pixels(t, a[after - 1], b[after - 1], after - begin);
        begin = after;
    }
    return begin;
}

/* All pixels. First the ends of runs are found in a stretch, then these runs are counted: apart, both are loops without a
   branch that the processor would guess wrongly. The last pixels are looked at one by one. A macro, since a function for
   AVX2 and one for every processor are compiled from it. */
#define COUNT_8_BITS(ENDS_OF_64, PLACES, BLOCK_OF_64)                                                                  \
    uint32_t places[STRETCH + 64];                                                                                     \
    while (n > 64) {                                                                                                   \
        uint32_t begin = 0, i = 0, size = n - 1 < STRETCH ? (uint32_t)((n - 1) / 64 * 64) : STRETCH;                    \
        size_t found = 0;                                                                                              \
        for (; i < size; i += 64) {                                                                                    \
            uint64_t ends = ENDS_OF_64(a + i, b + i);                                                                  \
            if (UNLIKELY(bits_set(ends) > MAX_RUNS_OF_64)) {                                                           \
                begin = count_runs(a, b, begin, places, found, t);                                                     \
                if (i > begin) add_pixels(t, a[begin], b[begin], i - begin);                                           \
                BLOCK_OF_64(a + i, b + i, t);                                                                          \
                begin = i + 64;                                                                                        \
                found = 0;                                                                                             \
            } else {                                                                                                   \
                found += PLACES(ends, i, places + found);                                                              \
            }                                                                                                          \
        }                                                                                                              \
        begin = count_runs(a, b, begin, places, found, t);                                                             \
        if (size > begin) add_pixels(t, a[begin], b[begin], size - begin);                                             \
        a += size;                                                                                                     \
        b += size;                                                                                                     \
        n -= size;                                                                                                     \
    }                                                                                                                  \
    for (size_t k = 0; k < n; k++) add_pixels(t, a[k], b[k], 1);

static void count_8_bits_portable(const uint8_t *a, const uint8_t *b, size_t n, Tables *t) {
    COUNT_8_BITS(ends_of_64_portable, places_portable, count_block_of_64)
}

/* How many pixels from the first on hold nothing but 0 and 1, in whole steps. To `sums` are added how many of these are 1
   in the one map, in the other, and in both. */
static size_t count_ones_portable(const uint8_t *a, const uint8_t *b, size_t n, uint64_t *sums) {
    const uint64_t one = 0x0101010101010101u;
    size_t i = 0;
    for (; n - i >= 8; i += 8) {
        uint64_t x = load64(a + i), y = load64(b + i);
        if ((x | y) & ~one) break;
        /* Multiplied by `one`, the sum of all bytes stands in the highest. */
        sums[0] += (x * one) >> 56;
        sums[1] += (y * one) >> 56;
        sums[2] += ((x & y) * one) >> 56;
    }
    return i;
}

#if HAVE_AVX2

WITH_AVX2 INLINE __m256i load256(const void *place) { return _mm256_loadu_si256((const __m256i *)place); }

WITH_AVX2 INLINE uint64_t ends_of_64_avx2(const uint8_t *a, const uint8_t *b) {
    __m256i low = _mm256_and_si256(_mm256_cmpeq_epi8(load256(a), load256(a + 1)),
                                   _mm256_cmpeq_epi8(load256(b), load256(b + 1)));
    __m256i high = _mm256_and_si256(_mm256_cmpeq_epi8(load256(a + 32), load256(a + 33)),
                                    _mm256_cmpeq_epi8(load256(b + 32), load256(b + 33)));
    uint64_t same = (uint32_t)_mm256_movemask_epi8(low);
    same |= (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32;
    return ~same;
}

WITH_AVX2 INLINE void raise_four(uint64_t bins, uint32_t *h) {
    h[bins & 0xFFFF]++;
    h[BINS + SHIFT + ((bins >> 16) & 0xFFFF)]++;
    h[2 * (BINS + SHIFT) + ((bins >> 32) & 0xFFFF)]++;
    h[3 * (BINS + SHIFT) + (bins >> 48)]++;
}

/* `bin_of` of 16 pixels at once: interleaved, the bytes of both are its keys. */
WITH_AVX2 INLINE void count_block_of_64_avx2(const uint8_t *a, const uint8_t *b, Tables *t) {
    for (int k = 0; k < 64; k += 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(a + k)), y = _mm_loadu_si128((const __m128i *)(b + k));
        __m128i keys[2] = {_mm_unpacklo_epi8(y, x), _mm_unpackhi_epi8(y, x)};
        for (int half = 0; half < 2; half++) {
            __m128i turn = _mm_and_si128(_mm_srli_epi16(keys[half], 5), _mm_set1_epi16(0xE0));
            __m128i bins = _mm_xor_si128(keys[half], turn);
            raise_four((uint64_t)_mm_cvtsi128_si64(bins), t->bins);
            raise_four((uint64_t)_mm_extract_epi64(bins, 1), t->bins);
        }
    }
    t->dense = 1;
}

/* As `places_portable`, of at most MAX_RUNS_OF_64 bits: four are always written, since a guess costs more than a store. */
WITH_AVX2 INLINE size_t places_avx2(uint64_t ends, uint32_t start, uint32_t *places) {
    size_t found = (size_t)_mm_popcnt_u64(ends);
    for (size_t k = 0; k < 4; k++, ends = _blsr_u64(ends)) places[k] = start + (uint32_t)_tzcnt_u64(ends);
    for (size_t k = 4; UNLIKELY(k < found); k++, ends = _blsr_u64(ends)) places[k] = start + (uint32_t)_tzcnt_u64(ends);
    return found;
}

WITH_AVX2 static void count_8_bits_avx2(const uint8_t *a, const uint8_t *b, size_t n, Tables *t) {
    COUNT_8_BITS(ends_of_64_avx2, places_avx2, count_block_of_64_avx2)
}

WITH_AVX2 INLINE uint64_t sum_of_four(__m256i sums) {
    uint64_t parts[4];
    _mm256_storeu_si256((__m256i *)parts, sums);
    return parts[0] + parts[1] + parts[2] + parts[3];
}

WITH_AVX2 static size_t count_ones_avx2(const uint8_t *a, const uint8_t *b, size_t n, uint64_t *sums) {
    const __m256i none = _mm256_setzero_si256();
    const __m256i above = _mm256_set1_epi8((char)0xFE);
    __m256i first = none, second = none, both = none;
    size_t i = 0;
    while (n - i >= 512) {
        /* Bytes hold the sums of 16 steps before they are widened. */
        __m256i any = none, one = none, other = none, common = none;
        for (int k = 0; k < 512; k += 32) {
            __m256i x = load256(a + i + k), y = load256(b + i + k);
            any = _mm256_or_si256(any, _mm256_or_si256(x, y));
            one = _mm256_add_epi8(one, x);
            other = _mm256_add_epi8(other, y);
            common = _mm256_add_epi8(common, _mm256_and_si256(x, y));
        }
        if (!_mm256_testz_si256(any, above)) break;
        first = _mm256_add_epi64(first, _mm256_sad_epu8(one, none));
        second = _mm256_add_epi64(second, _mm256_sad_epu8(other, none));
        both = _mm256_add_epi64(both, _mm256_sad_epu8(common, none));
        i += 512;
    }
    sums[0] = sum_of_four(first);
    sums[1] = sum_of_four(second);
    sums[2] = sum_of_four(both);
    return i;
}

#endif

static void count_8_bits(const uint8_t *a, const uint8_t *b, size_t n, Tables *t) {
    uint64_t sums[3] = {0, 0, 0};
#if HAVE_AVX2
    size_t done = use_avx2() ? count_ones_avx2(a, b, n, sums) : count_ones_portable(a, b, n, sums);
#else
    size_t done = count_ones_portable(a, b, n, sums);
#endif
    add_pixels(t, 0, 0, (uint32_t)(done - sums[0] - sums[1] + sums[2]));
    add_pixels(t, 0, 1, (uint32_t)(sums[1] - sums[2]));
    add_pixels(t, 1, 0, (uint32_t)(sums[0] - sums[2]));
    add_pixels(t, 1, 1, (uint32_t)sums[2]);
#if HAVE_AVX2
    if (use_avx2()) {
        count_8_bits_avx2(a + done, b + done, n - done, t);
        return;
    }
#endif
    count_8_bits_portable(a + done, b + done, n - done, t);
}

/* ---- any width ---- */

INLINE int64_t label_at(Labels labels, size_t i) {
    switch (labels.size) {
    case 1:
        return labels.is_signed ? ((const int8_t *)labels.values)[i] : ((const uint8_t *)labels.values)[i];
    case 2:
        return labels.is_signed ? ((const int16_t *)labels.values)[i] : ((const uint16_t *)labels.values)[i];
    case 4:
        return labels.is_signed ? ((const int32_t *)labels.values)[i] : (int64_t)((const uint32_t *)labels.values)[i];
    default:
        return ((const int64_t *)labels.values)[i];
    }
}

INLINE const uint8_t *place_of(Labels labels, size_t i) {
    return (const uint8_t *)labels.values + i * (size_t)labels.size;
}

static int grow(Hash *hash);

static size_t slot_of(const Hash *hash, int64_t first, int64_t second) {
    uint64_t key = (uint64_t)first * 0x9E3779B97F4A7C15u ^ ((uint64_t)second + 0x7F4A7C15u) * 0xC2B2AE3D27D4EB4Fu;
    key = (key ^ (key >> 32)) * 0x9E3779B97F4A7C15u;
    size_t slot = (size_t)(key >> 20) & (hash->size - 1);
    while (hash->slots[slot].pixels && (hash->slots[slot].first != first || hash->slots[slot].second != second))
        slot = (slot + 1) & (hash->size - 1);
    return slot;
}

static int add(Hash *hash, int64_t first, int64_t second, int64_t pixels) {
    if (hash->used * 2 >= hash->size) {
        int failed = grow(hash);
        if (failed) return failed;
    }
    Pair *last = &hash->slots[hash->last];
    if (last->pixels && last->first == first && last->second == second) {
        last->pixels += pixels;
        return COUNTED;
    }
    size_t slot = slot_of(hash, first, second);
    Pair *pair = &hash->slots[slot];
    if (pair->pixels == 0) {
        pair->first = first;
        pair->second = second;
        hash->used++;
    }
    pair->pixels += pixels;
    hash->last = slot;
    return COUNTED;
}

static int grow(Hash *hash) {
    if (hash->used >= MAX_PAIRS) return TOO_MANY_PAIRS;
    Hash larger = {NULL, hash->size ? 2 * hash->size : FIRST_SLOTS, hash->used, 0};
    larger.slots = calloc(larger.size, sizeof(Pair));
    if (larger.slots == NULL) return NO_MEMORY;
    for (size_t k = 0; k < hash->size; k++) {
        Pair pair = hash->slots[k];
        if (pair.pixels) larger.slots[slot_of(&larger, pair.first, pair.second)] = pair;
    }
    free(hash->slots);
    *hash = larger;
    return COUNTED;
}

/* Labels from `start` on as bytes, and whether all of them fit into 8 bits: in one pass, which is told at its end. */
#define NARROWED(TYPE)                                                                                                 \
    do {                                                                                                               \
        const TYPE *wide = (const TYPE *)labels.values + start;                                                        \
        TYPE any = 0;                                                                                                  \
        for (size_t k = 0; k < n; k++) {                                                                               \
            any |= wide[k];                                                                                            \
            narrow[k] = (uint8_t)wide[k];                                                                              \
        }                                                                                                              \
        return any <= 255;                                                                                             \
    } while (0)

#define NARROWED_OF_ANY                                                                                                \
    switch (labels.size) {                                                                                             \
    case 2:                                                                                                            \
        NARROWED(uint16_t);                                                                                            \
    case 4:                                                                                                            \
        NARROWED(uint32_t);                                                                                            \
    default:                                                                                                           \
        NARROWED(uint64_t);                                                                                            \
    }

static int narrowed_wide(Labels labels, size_t start, size_t n, uint8_t *narrow) { NARROWED_OF_ANY }

#if HAVE_AVX2

WITH_AVX2 static int narrowed_wide_avx2(Labels labels, size_t start, size_t n, uint8_t *narrow) {
    NARROWED_OF_ANY
}

#endif

/* The labels from `start` on in 8 bits: `narrow`, or where they lie; NULL where one of them does not fit. */
static const uint8_t *narrowed(Labels labels, size_t start, size_t n, uint8_t *narrow) {
    if (labels.size == 1) {
        const uint8_t *bytes = place_of(labels, start);
        uint8_t any = 0;
        for (size_t k = 0; labels.is_signed && k < n; k++) any |= bytes[k];
        return any <= 127 || !labels.is_signed ? bytes : NULL;
    }
#if HAVE_AVX2
    if (use_avx2()) return narrowed_wide_avx2(labels, start, n, narrow) ? narrow : NULL;
#endif
    return narrowed_wide(labels, start, n, narrow) ? narrow : NULL;
}

/* Bit k is set where label k of 64 differs from its right neighbour; reads 65 labels. */
#define ENDS_OF_64(TYPE)                                                                                               \
    do {                                                                                                               \
        const TYPE *label = (const TYPE *)place;                                                                       \
        for (int k = 0; k < 64; k++) ends |= (uint64_t)(label[k] != label[k + 1]) << k;                                \
        return ends;                                                                                                   \
    } while (0)

static uint64_t ends_of_64(const uint8_t *place, int size) {
    uint64_t ends = 0;
    switch (size) {
    case 1:
        ENDS_OF_64(uint8_t);
    case 2:
        ENDS_OF_64(uint16_t);
    case 4:
        ENDS_OF_64(uint32_t);
    default:
        ENDS_OF_64(uint64_t);
    }
}

#if HAVE_AVX2

WITH_AVX2 INLINE uint64_t same_32_bits_avx2(const uint8_t *place, int step) {
    /* Whether each of 32 / step labels is the same as the next, a bit for each byte. */
    __m256i here = load256(place), next = load256(place + step);
    __m256i same = step == 1   ? _mm256_cmpeq_epi8(here, next)
                   : step == 2 ? _mm256_cmpeq_epi16(here, next)
                   : step == 4 ? _mm256_cmpeq_epi32(here, next)
                               : _mm256_cmpeq_epi64(here, next);
    return (uint32_t)_mm256_movemask_epi8(same);
}

WITH_AVX2 INLINE uint64_t ends_of_64_wide_avx2(const uint8_t *place, int step) {
    /* One bit of each label's bytes. */
    static const uint64_t FIRST[9] = {0, ~(uint64_t)0, 0x5555555555555555u, 0, 0x1111111111111111u, 0, 0, 0,
                                      0x0101010101010101u};
    uint64_t same = 0;
    for (int k = 0; k < step; k++) {
        uint64_t bits = same_32_bits_avx2(place + 64 * k, step) | same_32_bits_avx2(place + 64 * k + 32, step) << 32;
        same |= _pext_u64(bits, FIRST[step]) << (step == 1 ? 0 : k * (64 / step));
    }
    return ~same;
}

WITH_AVX2 static uint64_t ends_of_64_avx2_any(const uint8_t *place, int size) {
    switch (size) {
    case 1:
        return ends_of_64_wide_avx2(place, 1);
    case 2:
        return ends_of_64_wide_avx2(place, 2);
    case 4:
        return ends_of_64_wide_avx2(place, 4);
    default:
        return ends_of_64_wide_avx2(place, 8);
    }
}

#endif

static int count_wide(Labels first, Labels second, size_t start, size_t stop, Hash *hash) {
    uint64_t (*ends_of)(const uint8_t *, int) = ends_of_64;
#if HAVE_AVX2
    if (use_avx2()) ends_of = ends_of_64_avx2_any;
#endif
    size_t begin = start, i = start;
    for (; stop - i > 64; i += 64) {
        uint64_t ends = ends_of(place_of(first, i), first.size) | ends_of(place_of(second, i), second.size);
        while (ends) {
            size_t end = i + (size_t)lowest_bit(ends);
            int failed = add(hash, label_at(first, end), label_at(second, end), (int64_t)(end + 1 - begin));
            if (failed) return failed;
            begin = end + 1;
            ends &= ends - 1;
        }
    }
    for (; i < stop; i++) {
        int64_t a = label_at(first, i), b = label_at(second, i);
        if (i + 1 < stop && a == label_at(first, i + 1) && b == label_at(second, i + 1)) continue;
        int failed = add(hash, a, b, (int64_t)(i + 1 - begin));
        if (failed) return failed;
        begin = i + 1;
    }
    return COUNTED;
}

/* ---- results ---- */

/* Pixels of a bin in all histograms that are in use, which are cleared. */
INLINE int64_t take(Tables *t, size_t bin) {
    int64_t pixels = t->bins[bin];
    t->bins[bin] = 0;
    for (int k = 1; t->dense && k < HISTOGRAMS; k++) {
        pixels += t->bins[(size_t)k * (BINS + SHIFT) + bin];
        t->bins[(size_t)k * (BINS + SHIFT) + bin] = 0;
    }
    return pixels;
}

INLINE int is_empty(const uint32_t *bins) {
    uint64_t any = 0;
    for (int k = 0; k < 32; k += 2) any |= load64(bins + k);
    return any == 0;
}

/* Hand every pair of the tables to `each`, in ascending order, and leave the tables clear. */
static size_t take_all(Tables *t, Pair *pairs) {
    size_t found = 0;
    int histograms = t->dense ? HISTOGRAMS : 1;
    for (uint32_t first = 0; first < 256; first++) {
        if (!t->seen[first] && !t->dense) continue;
        t->seen[first] = 0;
        for (uint32_t second = 0; second < 256; second += 32) {
            size_t bin = bin_of(first, second); /* the 32 bins from here on are those of the 32 labels from `second` on */
            int empty = 1;
            for (int k = 0; k < histograms; k++) empty &= is_empty(t->bins + (size_t)k * (BINS + SHIFT) + bin);
            if (empty) continue;
            for (uint32_t k = 0; k < 32; k++) {
                int64_t pixels = take(t, bin + k);
                if (pixels == 0) continue;
                pairs[found].first = first;
                pairs[found].second = second + k;
                pairs[found++].pixels = pixels;
            }
        }
    }
    t->dense = 0;
    return found;
}

static int by_labels(const void *one, const void *other) {
    const Pair *a = one, *b = other;
    if (a->first != b->first) return a->first < b->first ? -1 : 1;
    return (a->second > b->second) - (a->second < b->second);
}

/* Put the pairs of the table into the hash table, and all of its own at its beginning, in ascending order. */
static int join(Hash *hash, const Pair *pairs, size_t found) {
    for (size_t k = 0; k < found; k++) {
        int failed = add(hash, pairs[k].first, pairs[k].second, pairs[k].pixels);
        if (failed) return failed;
    }
    size_t kept = 0;
    for (size_t k = 0; k < hash->size; k++)
        if (hash->slots[k].pixels) hash->slots[kept++] = hash->slots[k];
    qsort(hash->slots, kept, sizeof(Pair), by_labels);
    return COUNTED;
}

static int count_any(Labels first, Labels second, size_t pixels, Tables *t) {
    uint8_t a[STRETCH], b[STRETCH];
    for (size_t start = 0; start < pixels; start += STRETCH) {
        size_t n = pixels - start < STRETCH ? pixels - start : STRETCH;
        int failed = COUNTED;
        const uint8_t *one = narrowed(first, start, n, a), *other = one == NULL ? NULL : narrowed(second, start, n, b);
        if (other != NULL)
            count_8_bits(one, other, n, t);
        else
            failed = count_wide(first, second, start, start + n, &t->hash);
        if (failed) return failed;
    }
    return COUNTED;
}

int count_pairs(Labels first, Labels second, size_t pixels, Tables *tables, const Pair **pairs, size_t *found) {
    int failed = COUNTED;
    clear_hash(&tables->hash);
    if (first.size == 1 && second.size == 1 && !first.is_signed && !second.is_signed)
        count_8_bits(first.values, second.values, pixels, tables);
    else
        failed = count_any(first, second, pixels, tables);
    /* Taken also after a failure: the table has to be clear again. */
    *pairs = tables->pairs;
    *found = take_all(tables, tables->pairs);
    if (failed || tables->hash.used == 0) return failed;
    failed = join(&tables->hash, tables->pairs, *found);
    *pairs = tables->hash.slots;
    *found = tables->hash.used;
    return failed;
}

void tidy(Tables *tables) { clear_hash(&tables->hash); }
