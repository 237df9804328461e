/* Vectors of `real`, one lane per item of the batch.
 *
 * Written in the vector extensions that gcc and clang share, so that one source serves every processor; the few
 * intrinsics only replace what they compile badly. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#ifdef __SSE2__
#include <immintrin.h>
#endif

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")

#define LANES ((int)(VECTOR_BYTES / sizeof(real)))
#define IS_FLOAT (sizeof(real) == 4)

typedef real vreal __attribute__((vector_size(VECTOR_BYTES)));
typedef float vfloat __attribute__((vector_size(VECTOR_BYTES)));
typedef double vdouble __attribute__((vector_size(VECTOR_BYTES)));
/* Results of comparisons: integers as wide as the numbers compared; -1 is true. */
typedef __typeof__(__builtin_choose_expr(sizeof(real) == 4, (int32_t)0, (int64_t)0)) integer;
typedef integer vmask __attribute__((vector_size(VECTOR_BYTES)));
typedef int64_t dmask __attribute__((vector_size(VECTOR_BYTES)));

INLINE vreal splat(real x)
{
    return x - (vreal){0};
}

INLINE vreal choose(vmask condition, vreal yes, vreal no)
{
    return (vreal)((condition & (vmask)yes) | (~condition & (vmask)no));
}

INLINE vreal absolute(vreal x)
{
    vmask sign = (vmask)splat(-(real)0);
    return (vreal)((vmask)x & ~sign);
}

INLINE vdouble square_root_double(vdouble x)
{
#if defined(__AVX512F__) && VECTOR_BYTES == 64
    return (vdouble)_mm512_sqrt_pd((__m512d)x);
#elif defined(__AVX__) && VECTOR_BYTES == 32
    return (vdouble)_mm256_sqrt_pd((__m256d)x);
#elif defined(__SSE2__) && VECTOR_BYTES == 16
    return (vdouble)_mm_sqrt_pd((__m128d)x);
#else
    for (int i = 0; i < (int)(VECTOR_BYTES / sizeof(double)); ++i)
        x[i] = sqrt(x[i]);
    return x;
#endif
}

INLINE vfloat square_root_float(vfloat x)
{
#if defined(__AVX512F__) && VECTOR_BYTES == 64
    return (vfloat)_mm512_sqrt_ps((__m512)x);
#elif defined(__AVX__) && VECTOR_BYTES == 32
    return (vfloat)_mm256_sqrt_ps((__m256)x);
#elif defined(__SSE2__) && VECTOR_BYTES == 16
    return (vfloat)_mm_sqrt_ps((__m128)x);
#else
    for (int i = 0; i < (int)(VECTOR_BYTES / sizeof(float)); ++i)
        x[i] = sqrtf(x[i]);
    return x;
#endif
}

INLINE vreal square_root(vreal x)
{
    return IS_FLOAT ? (vreal)square_root_float((vfloat)x) : (vreal)square_root_double((vdouble)x);
}

INLINE int any(vmask condition)
{
#if defined(__AVX512F__) && VECTOR_BYTES == 64
    return _mm512_test_epi32_mask((__m512i)condition, (__m512i)condition) != 0;
#elif defined(__AVX__) && VECTOR_BYTES == 32
    return !_mm256_testz_si256((__m256i)condition, (__m256i)condition);
#elif defined(__SSE2__) && VECTOR_BYTES == 16
    return _mm_movemask_epi8((__m128i)condition) != 0;
#else
    int found = 0;
    for (int i = 0; i < LANES; ++i)
        found |= condition[i] != 0;
    return found;
#endif
}

/* Sums are kept in double precision: a vector of `real` becomes HALVES vectors of double. */
#define HALVES ((int)(sizeof(double) / sizeof(real)))
#define DOUBLE_LANES ((int)(VECTOR_BYTES / sizeof(double)))

/* Half `h` of a vector in memory, which is converted as it is loaded. */
INLINE vdouble widen(const vreal *x, int h)
{
    const real *part = (const real *)x + h * DOUBLE_LANES;
    vdouble wide;
    if (!IS_FLOAT)
        return *(const vdouble *)x;
#if defined(__AVX512F__) && VECTOR_BYTES == 64
    wide = (vdouble)_mm512_cvtps_pd(_mm256_load_ps((const float *)part));
#elif defined(__AVX__) && VECTOR_BYTES == 32
    wide = (vdouble)_mm256_cvtps_pd(_mm_load_ps((const float *)part));
#else
    for (int lane = 0; lane < DOUBLE_LANES; ++lane)
        wide[lane] = part[lane];
#endif
    return wide;
}

INLINE vdouble splat_double(double x)
{
    return x - (vdouble){0};
}

INLINE vdouble choose_double(dmask condition, vdouble yes, vdouble no)
{
    return (vdouble)((condition & (dmask)yes) | (~condition & (dmask)no));
}

typedef real vreal_half __attribute__((vector_size(VECTOR_BYTES * sizeof(real) / sizeof(double))));

INLINE vreal narrow(const vdouble wide[HALVES])
{
    union {
        vreal whole;
        vreal_half part[HALVES];
    } v;
    UNROLL for (int h = 0; h < HALVES; ++h)
        v.part[h] = __builtin_convertvector(wide[h], vreal_half);
    return v.whole;
}

INLINE vreal dot(const vreal a[3], const vreal b[3])
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

/* Aligned scratch memory, freed with free(). */
static vreal *allocate_vectors(int64_t count)
{
    vreal *memory = aligned_alloc(VECTOR_BYTES, (size_t)count * VECTOR_BYTES);
    if (!memory)
        abort(); /* a few kilobytes; no kernel could go on */
    return memory;
}
