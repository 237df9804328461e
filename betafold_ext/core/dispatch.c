/* The one place that knows which instruction sets exist and which one this processor gets. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

extern const KernelTable kernels_baseline_float, kernels_baseline_double;
#ifdef BETAFOLD_X86
extern const KernelTable kernels_avx2_float, kernels_avx2_double;
extern const KernelTable kernels_avx512_float, kernels_avx512_double;

/* What -march=x86-64-v3 and -march=x86-64-v4 let the compiler use. */
static int has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi")
        && __builtin_cpu_supports("bmi2");
}

static int has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
        && __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq")
        && __builtin_cpu_supports("avx512vl");
}
#endif

const KernelTable *select_kernels(int real_bytes)
{
    const char *forced = getenv("BETAFOLD_ISA");
    if (forced && !*forced)
        forced = NULL;
#ifdef BETAFOLD_X86
    __builtin_cpu_init();
    if ((!forced || !strcmp(forced, "avx512")) && has_avx512())
        return real_bytes == 4 ? &kernels_avx512_float : &kernels_avx512_double;
    if ((!forced || !strcmp(forced, "avx2")) && has_avx2())
        return real_bytes == 4 ? &kernels_avx2_float : &kernels_avx2_double;
#endif
    if (!forced || !strcmp(forced, "baseline"))
        return real_bytes == 4 ? &kernels_baseline_float : &kernels_baseline_double;
    return NULL;
}
