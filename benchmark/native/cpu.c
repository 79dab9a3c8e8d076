#include "cpu.h"

static int portable_only = 0;

static int has_avx2(void) {
#if !HAVE_AVX2
    return 0;
#elif defined(_MSC_VER) && !defined(__clang__)
    int regs[4];
    __cpuid(regs, 0);
    if (regs[0] < 7) return 0;
    __cpuid(regs, 1);
    /* The system saves the wide registers (OSXSAVE, then XCR0), and there is AVX and POPCNT. */
    if ((regs[2] & (1 << 27)) == 0 || (regs[2] & (1 << 28)) == 0 || (regs[2] & (1 << 23)) == 0) return 0;
    if ((_xgetbv(0) & 6) != 6) return 0;
    __cpuidex(regs, 7, 0);
    return (regs[1] & (1 << 5)) != 0 && (regs[1] & (1 << 3)) != 0 && (regs[1] & (1 << 8)) != 0;
#else
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
           __builtin_cpu_supports("popcnt");
#endif
}

int use_avx2(void) {
    static int known = -1;
    if (known < 0) known = has_avx2();
    return known && !portable_only;
}

void keep_portable(int portable) { portable_only = portable; }
