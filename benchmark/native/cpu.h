/* What differs between compilers and processors. */

#ifndef SEGBENCH_CPU_H
#define SEGBENCH_CPU_H

#include <stdint.h>
#include <string.h>

#if (defined(__x86_64__) || defined(_M_X64)) && (defined(__GNUC__) || defined(__clang__) || defined(_MSC_VER))
#define HAVE_AVX2 1
#include <immintrin.h>
#else
#define HAVE_AVX2 0
#endif

#if defined(__GNUC__) || defined(__clang__)
#define WITH_AVX2 __attribute__((target("avx2,bmi,bmi2,popcnt")))
#define INLINE static inline __attribute__((always_inline))
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)
INLINE int lowest_bit(uint64_t bits) { return __builtin_ctzll(bits); }
INLINE int highest_bit(uint64_t bits) { return 63 - __builtin_clzll(bits); }
INLINE int bits_set(uint64_t bits) { return __builtin_popcountll(bits); }
#elif defined(_MSC_VER)
#include <intrin.h>
#define WITH_AVX2
#define INLINE static __forceinline
#define UNLIKELY(condition) (condition)
INLINE int lowest_bit(uint64_t bits) {
    unsigned long place;
    _BitScanForward64(&place, bits);
    return (int)place;
}
INLINE int highest_bit(uint64_t bits) {
    unsigned long place;
    _BitScanReverse64(&place, bits);
    return (int)place;
}
INLINE int bits_set(uint64_t bits) {
    /* Without __popcnt64, which not every processor has on which the portable path runs. */
    bits -= (bits >> 1) & 0x5555555555555555u;
    bits = (bits & 0x3333333333333333u) + ((bits >> 2) & 0x3333333333333333u);
    return (int)((((bits + (bits >> 4)) & 0x0F0F0F0F0F0F0F0Fu) * 0x0101010101010101u) >> 56);
}
#else
#error "segbench is compiled by GCC, Clang or MSVC"
#endif

/* Whether this processor and its system have AVX2, and nobody asked for the portable path. */
int use_avx2(void);

/* Keep to the portable path, or take what the processor has. */
void keep_portable(int portable);

/* Ask for the 128 bytes from a place on, which are read soon. */
INLINE void fetch(const void *place) {
#if defined(__GNUC__) || defined(__clang__)
    __builtin_prefetch(place);
    __builtin_prefetch((const char *)place + 64);
#else
    (void)place;
#endif
}

INLINE uint64_t load64(const void *place) {
    uint64_t bits;
    memcpy(&bits, place, 8);
    return bits;
}

#endif
