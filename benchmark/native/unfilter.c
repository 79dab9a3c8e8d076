/* Label maps are flat: most filtered bytes are 0, so that most of a row is the pixel to the left, or the row above, again.
   These stretches are found 32 bytes at a time and copied whole.

   Values take the place of the filtered bytes, a little before each: half as much memory goes through the caches as with a
   place of their own. */

#include "unfilter.h"

#include <stdlib.h>

#include "cpu.h"

INLINE size_t next_other_portable(const uint8_t *one, const uint8_t *other, size_t i, size_t n) {
    for (; n - i >= 8; i += 8)
        if (load64(one + i) != load64(other + i)) break;
    while (i < n && one[i] == other[i]) i++;
    return i;
}

INLINE size_t next_nonzero_portable(const uint8_t *bytes, size_t i, size_t n) {
    for (; n - i >= 8; i += 8)
        if (load64(bytes + i) != 0) break;
    while (i < n && bytes[i] == 0) i++;
    return i;
}

INLINE void add_portable(const uint8_t *row, const uint8_t *above, uint8_t *values, size_t n) {
    for (size_t i = 0; i < n; i++) values[i] = (uint8_t)(row[i] + above[i]);
}

#if HAVE_AVX2

WITH_AVX2 INLINE __m256i load_bytes(const uint8_t *place) { return _mm256_loadu_si256((const __m256i *)place); }

WITH_AVX2 INLINE size_t next_other_avx2(const uint8_t *one, const uint8_t *other, size_t i, size_t n) {
    for (; n - i >= 32; i += 32) {
        __m256i same = _mm256_cmpeq_epi8(load_bytes(one + i), load_bytes(other + i));
        uint32_t differs = ~(uint32_t)_mm256_movemask_epi8(same);
        if (differs) return i + _tzcnt_u32(differs);
    }
    while (i < n && one[i] == other[i]) i++;
    return i;
}

WITH_AVX2 INLINE size_t next_nonzero_avx2(const uint8_t *bytes, size_t i, size_t n) {
    for (; n - i >= 32; i += 32) {
        __m256i zero = _mm256_cmpeq_epi8(load_bytes(bytes + i), _mm256_setzero_si256());
        uint32_t differs = ~(uint32_t)_mm256_movemask_epi8(zero);
        if (differs) return i + _tzcnt_u32(differs);
    }
    while (i < n && bytes[i] == 0) i++;
    return i;
}

WITH_AVX2 INLINE void add_avx2(const uint8_t *row, const uint8_t *above, uint8_t *values, size_t n) {
    size_t i = 0;
    for (; n - i >= 32; i += 32)
        _mm256_storeu_si256((__m256i *)(values + i), _mm256_add_epi8(load_bytes(row + i), load_bytes(above + i)));
    for (; i < n; i++) values[i] = (uint8_t)(row[i] + above[i]);
}

/* Running sums of the bytes of each half of a register. */
WITH_AVX2 INLINE __m256i sums_of_halves(__m256i bytes) {
    bytes = _mm256_add_epi8(bytes, _mm256_slli_si256(bytes, 1));
    bytes = _mm256_add_epi8(bytes, _mm256_slli_si256(bytes, 2));
    bytes = _mm256_add_epi8(bytes, _mm256_slli_si256(bytes, 4));
    return _mm256_add_epi8(bytes, _mm256_slli_si256(bytes, 8));
}

/* Sub with pixels of one byte: running sums along the row, 32 at a time; `before` is the last of those before, repeated. To
   look first whether all bytes are 0 would cost more than it saves, since the processor cannot guess it. */
WITH_AVX2 static void running_sums_avx2(const uint8_t *row, uint8_t *values, size_t n) {
    const __m256i last = _mm256_set1_epi8(15);
    __m256i before = _mm256_setzero_si256();
    size_t i = 0;
    for (; n - i >= 32; i += 32) {
        __m256i sums = sums_of_halves(load_bytes(row + i));
        __m256i low = _mm256_permute2x128_si256(sums, sums, 0x08);
        sums = _mm256_add_epi8(_mm256_add_epi8(sums, _mm256_shuffle_epi8(low, last)), before);
        _mm256_storeu_si256((__m256i *)(values + i), sums);
        before = _mm256_shuffle_epi8(_mm256_permute2x128_si256(sums, sums, 0x11), last);
    }
    uint8_t sum = i ? values[i - 1] : 0;
    for (; i < n; i++) values[i] = sum = (uint8_t)(sum + row[i]);
}

#endif

/* The pixel before `from` again and again up to `to`. */
INLINE void repeat(uint8_t *values, size_t from, size_t to, size_t step) {
    if (step == 1)
        memset(values + from, values[from - 1], to - from);
    else
        for (; from < to; from++) values[from] = values[from - step];
}

INLINE uint8_t paeth(int left, int above, int corner) {
    int from_left = abs(above - corner), from_above = abs(left - corner), from_corner = abs(left + above - 2 * corner);
    int other = from_above <= from_corner ? above : corner;
    /* Of both comparisons at once: no branch, which the processor would guess wrongly. */
    return (uint8_t)(((from_left <= from_above) & (from_left <= from_corner)) ? left : other);
}

INLINE void average(const uint8_t *row, const uint8_t *above, uint8_t *values, size_t n, size_t step) {
    for (size_t i = 0; i < step; i++) values[i] = (uint8_t)(row[i] + (above[i] >> 1));
    for (size_t i = step; i < n; i++) values[i] = (uint8_t)(row[i] + ((values[i - step] + above[i]) >> 1));
}

INLINE void halves(const uint8_t *row, uint8_t *values, size_t n, size_t step) {
    memcpy(values, row, step);
    for (size_t i = step; i < n; i++) values[i] = (uint8_t)(row[i] + (values[i - step] >> 1));
}

#define UNDO_SUB(NEXT_NONZERO)                                                                                         \
    memcpy(values, row, step);                                                                                         \
    for (size_t i = step; i < n; i++) {                                                                                \
        size_t next = NEXT_NONZERO(row, i, n);                                                                         \
        repeat(values, i, next, step);                                                                                 \
        if (next == n) return;                                                                                         \
        i = next;                                                                                                      \
        values[i] = (uint8_t)(row[i] + values[i - step]);                                                              \
    }

/* While the filtered bytes are 0: once the pixel to the left is that above it, each pixel is the one above; and as long as
   the row above does not change, each is the one to the left. */
#define UNDO_PAETH(NEXT_NONZERO, NEXT_OTHER)                                                                           \
    for (; begin < step; begin++) values[begin] = (uint8_t)(row[begin] + above[begin]);                                \
    for (size_t i = begin; i < n; i++) {                                                                               \
        size_t next = NEXT_NONZERO(row, i, n);                                                                         \
        while (i < next) {                                                                                             \
            if (memcmp(values + i - step, above + i - step, step) == 0) {                                              \
                memcpy(values + i, above + i, next - i);                                                               \
                i = next;                                                                                              \
            } else {                                                                                                   \
                size_t other = step + NEXT_OTHER(above + step, above, i - step, next - step);                          \
                repeat(values, i, other, step);                                                                        \
                i = other;                                                                                             \
                if (i < next) {                                                                                        \
                    values[i] = paeth(values[i - step], above[i], above[i - step]);                                    \
                    i++;                                                                                               \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
        if (i < n) values[i] = (uint8_t)(row[i] + paeth(values[i - step], above[i], above[i - step]));                 \
    }

#define PATHS(NAME, ATTRIBUTE)                                                                                         \
    ATTRIBUTE static void sub_##NAME(const uint8_t *row, uint8_t *values, size_t n, size_t step) {                     \
        UNDO_SUB(next_nonzero_##NAME)                                                                                  \
    }                                                                                                                  \
    ATTRIBUTE static void up_##NAME(const uint8_t *row, const uint8_t *above, uint8_t *values, size_t n) {             \
        add_##NAME(row, above, values, n);                                                                             \
    }                                                                                                                  \
    ATTRIBUTE static void paeth_##NAME(const uint8_t *row, const uint8_t *above, uint8_t *values, size_t n,            \
                                       size_t step, size_t begin) {                                                    \
        UNDO_PAETH(next_nonzero_##NAME, next_other_##NAME)                                                             \
    }

PATHS(portable, )
#if HAVE_AVX2
PATHS(avx2, WITH_AVX2)

/* Pixels that are predicted one by one from where a filtered byte is not 0: mostly the row below an edge has it a pixel
   further on, and what follows then is the row above again. */
#define AT_AN_EDGE 3

WITH_AVX2 INLINE uint32_t others_of_32(__m256i bytes, __m256i expected) {
    return ~(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, expected));
}

/* As UNDO_PAETH, of pixels of one byte, but for the last that fill no register; where these begin. What is copied too far is
   overwritten by what follows: that is quicker than to copy just so much. Where nothing changes the processor guesses so,
   and need not wait for what it finds before it looks further. */
WITH_AVX2 static size_t paeth_of_bytes_avx2(const uint8_t *row, const uint8_t *above, uint8_t *values, size_t n) {
    size_t i = 1;
    uint8_t left = values[0] = (uint8_t)(row[0] + above[0]);
    while (n - i > 32 + AT_AN_EDGE) {
        uint32_t changed = others_of_32(load_bytes(row + i), _mm256_setzero_si256());
        __m256i here = load_bytes(above + i), predicted = here;
        const int as_above = left == above[i - 1];
        if (!as_above) {
            changed |= others_of_32(here, load_bytes(above + i - 1));
            predicted = _mm256_set1_epi8((char)left);
        }
        _mm256_storeu_si256((__m256i *)(values + i), predicted);
        if (changed == 0) {
            i += 32;
            if (as_above) left = above[i - 1];
            continue;
        }
        i += _tzcnt_u32(changed);
        if (as_above) left = above[i - 1];
        for (size_t stop = i + AT_AN_EDGE; i < stop; i++)
            left = values[i] = (uint8_t)(row[i] + paeth(left, above[i], above[i - 1]));
    }
    return i;
}
#define CHOSEN(NAME) (use_avx2() ? NAME##_avx2 : NAME##_portable)
#else
#define CHOSEN(NAME) NAME##_portable
#endif

enum { NONE, SUB, UP, AVERAGE, PAETH };

int unfilter(uint8_t *bytes, size_t rows, size_t row_bytes, size_t step) {
    void (*sub)(const uint8_t *, uint8_t *, size_t, size_t) = CHOSEN(sub);
#if HAVE_AVX2
    const int of_bytes = step == 1 && use_avx2();
#endif
    void (*up)(const uint8_t *, const uint8_t *, uint8_t *, size_t) = CHOSEN(up);
    void (*from_three)(const uint8_t *, const uint8_t *, uint8_t *, size_t, size_t, size_t) = CHOSEN(paeth);
    for (size_t y = 0; y < rows; y++) {
        const uint8_t *row = bytes + LEAD + y * (1 + row_bytes) + 1;
        uint8_t *here = bytes + y * row_bytes;
        const uint8_t *above = y ? here - row_bytes : NULL;
        int filter = row[-1];
        if (y == 0) {
            /* Above the first row all is 0: then these two say the same as others. */
            if (filter == UP) filter = NONE;
            if (filter == PAETH) filter = SUB;
        }
        switch (filter) {
        case NONE:
            memmove(here, row, row_bytes);
            break;
        case SUB:
#if HAVE_AVX2
            if (of_bytes) {
                running_sums_avx2(row, here, row_bytes);
                break;
            }
#endif
            sub(row, here, row_bytes, step);
            break;
        case UP:
            up(row, above, here, row_bytes);
            break;
        case AVERAGE:
            if (y == 0)
                halves(row, here, row_bytes, step);
            else
                average(row, above, here, row_bytes, step);
            break;
        case PAETH:
#if HAVE_AVX2
            if (of_bytes) {
                from_three(row, above, here, row_bytes, step, paeth_of_bytes_avx2(row, above, here, row_bytes));
                break;
            }
#endif
            from_three(row, above, here, row_bytes, step, 0);
            break;
        default:
            return 0;
        }
    }
    return 1;
}

void unpack_bits(const uint8_t *packed, uint8_t *values, size_t rows, size_t columns, int bits) {
    const size_t row_bytes = (columns * (size_t)bits + 7) / 8, in_a_byte = 8 / (size_t)bits;
    const uint8_t mask = (uint8_t)((1 << bits) - 1);
    for (size_t y = 0; y < rows; y++)
        for (size_t x = 0; x < columns; x++) {
            int shift = 8 - bits - (int)(x % in_a_byte) * bits;
            values[y * columns + x] = (uint8_t)(packed[y * row_bytes + x / in_a_byte] >> shift) & mask;
        }
}

void to_machine_order(uint8_t *values, size_t count) {
    const uint16_t one = 1;
    uint8_t first;
    memcpy(&first, &one, 1);
    if (!first) return; /* as PNG has it */
    for (size_t k = 0; k < count; k++) {
        uint8_t high = values[2 * k];
        values[2 * k] = values[2 * k + 1];
        values[2 * k + 1] = high;
    }
}
