/* Vectors of `real`, one lane per item of the batch, and the in-register transposes between them and rows.
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
#define CHUNK ((int)(16 / sizeof(real))) /* columns that one 16-byte load brings */
#define IS_FLOAT (sizeof(real) == 4)

typedef real vreal __attribute__((vector_size(VECTOR_BYTES)));
typedef float vfloat __attribute__((vector_size(VECTOR_BYTES)));
typedef double vdouble __attribute__((vector_size(VECTOR_BYTES)));
/* Results of comparisons: integers as wide as the numbers compared; -1 is true. */
typedef __typeof__(__builtin_choose_expr(sizeof(real) == 4, (int32_t)0, (int64_t)0)) integer;
typedef integer vmask __attribute__((vector_size(VECTOR_BYTES)));
typedef int64_t dmask __attribute__((vector_size(VECTOR_BYTES)));
typedef real chunk __attribute__((vector_size(16)));
typedef real chunk_unaligned __attribute__((vector_size(16), aligned(sizeof(real)), may_alias));

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

/* Interleaves the elements of a and b within every 16 bytes: (a0 b0 a1 b1) and (a2 b2 a3 b3), or (a0 b0) and (a1 b1). */
#if VECTOR_BYTES == 16
#define ZIP_LOW_FLOAT 0, 4, 1, 5
#define ZIP_HIGH_FLOAT 2, 6, 3, 7
#define ZIP_LOW_DOUBLE 0, 2
#define ZIP_HIGH_DOUBLE 1, 3
#elif VECTOR_BYTES == 32
#define ZIP_LOW_FLOAT 0, 8, 1, 9, 4, 12, 5, 13
#define ZIP_HIGH_FLOAT 2, 10, 3, 11, 6, 14, 7, 15
#define ZIP_LOW_DOUBLE 0, 4, 2, 6
#define ZIP_HIGH_DOUBLE 1, 5, 3, 7
#else
#define ZIP_LOW_FLOAT 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29
#define ZIP_HIGH_FLOAT 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31
#define ZIP_LOW_DOUBLE 0, 8, 2, 10, 4, 12, 6, 14
#define ZIP_HIGH_DOUBLE 1, 9, 3, 11, 5, 13, 7, 15
#endif

/* Transposes the CHUNK x CHUNK block in every 16 bytes of CHUNK vectors. It is its own inverse. */
INLINE void transpose_chunks(vreal v[CHUNK])
{
    if (IS_FLOAT) {
        vfloat a = (vfloat)v[0], b = (vfloat)v[1], c = (vfloat)v[CHUNK / 2], d = (vfloat)v[CHUNK - 1];
        vdouble ab_low = (vdouble)__builtin_shufflevector(a, b, ZIP_LOW_FLOAT);
        vdouble ab_high = (vdouble)__builtin_shufflevector(a, b, ZIP_HIGH_FLOAT);
        vdouble cd_low = (vdouble)__builtin_shufflevector(c, d, ZIP_LOW_FLOAT);
        vdouble cd_high = (vdouble)__builtin_shufflevector(c, d, ZIP_HIGH_FLOAT);
        v[0] = (vreal)__builtin_shufflevector(ab_low, cd_low, ZIP_LOW_DOUBLE);
        v[1] = (vreal)__builtin_shufflevector(ab_low, cd_low, ZIP_HIGH_DOUBLE);
        v[CHUNK / 2] = (vreal)__builtin_shufflevector(ab_high, cd_high, ZIP_LOW_DOUBLE);
        v[CHUNK - 1] = (vreal)__builtin_shufflevector(ab_high, cd_high, ZIP_HIGH_DOUBLE);
    } else {
        vdouble a = (vdouble)v[0], b = (vdouble)v[1];
        v[0] = (vreal)__builtin_shufflevector(a, b, ZIP_LOW_DOUBLE);
        v[1] = (vreal)__builtin_shufflevector(a, b, ZIP_HIGH_DOUBLE);
    }
}

/* One vector from the 16 bytes at `column` of rows i, i + CHUNK, i + 2 CHUNK ... */
INLINE vreal join_chunks(const real *const rows[LANES], int64_t column)
{
#if defined(__AVX512F__) && VECTOR_BYTES == 64
    __m512 v = _mm512_castps128_ps512(_mm_loadu_ps((const float *)(rows[0] + column)));
    v = _mm512_insertf32x4(v, _mm_loadu_ps((const float *)(rows[CHUNK] + column)), 1);
    v = _mm512_insertf32x4(v, _mm_loadu_ps((const float *)(rows[2 * CHUNK] + column)), 2);
    return (vreal)_mm512_insertf32x4(v, _mm_loadu_ps((const float *)(rows[3 * CHUNK] + column)), 3);
#elif defined(__AVX__) && VECTOR_BYTES == 32
    __m256 v = _mm256_castps128_ps256(_mm_loadu_ps((const float *)(rows[0] + column)));
    return (vreal)_mm256_insertf128_ps(v, _mm_loadu_ps((const float *)(rows[CHUNK] + column)), 1);
#else
    union {
        vreal whole;
        chunk part[VECTOR_BYTES / 16];
    } v;
    for (int k = 0; k < VECTOR_BYTES / 16; ++k)
        v.part[k] = *(const chunk_unaligned *)(rows[k * CHUNK] + column);
    return v.whole;
#endif
}

/* The inverse of `join_chunks`. */
INLINE void split_chunks(real *const rows[LANES], int64_t column, vreal vector)
{
#if defined(__AVX512F__) && VECTOR_BYTES == 64
    _mm_storeu_ps((float *)(rows[0] + column), _mm512_castps512_ps128((__m512)vector));
    _mm_storeu_ps((float *)(rows[CHUNK] + column), _mm512_extractf32x4_ps((__m512)vector, 1));
    _mm_storeu_ps((float *)(rows[2 * CHUNK] + column), _mm512_extractf32x4_ps((__m512)vector, 2));
    _mm_storeu_ps((float *)(rows[3 * CHUNK] + column), _mm512_extractf32x4_ps((__m512)vector, 3));
#elif defined(__AVX__) && VECTOR_BYTES == 32
    _mm_storeu_ps((float *)(rows[0] + column), _mm256_castps256_ps128((__m256)vector));
    _mm_storeu_ps((float *)(rows[CHUNK] + column), _mm256_extractf128_ps((__m256)vector, 1));
#else
    union {
        vreal whole;
        chunk part[VECTOR_BYTES / 16];
    } v = {.whole = vector};
    for (int k = 0; k < VECTOR_BYTES / 16; ++k)
        *(chunk_unaligned *)(rows[k * CHUNK] + column) = v.part[k];
#endif
}

INLINE void load_chunk(const real *const rows[LANES], int64_t column, vreal columns[CHUNK])
{
    UNROLL for (int i = 0; i < CHUNK; ++i)
        columns[i] = join_chunks(rows + i, column);
    transpose_chunks(columns);
}

INLINE void store_chunk(real *const rows[LANES], int64_t column, const vreal columns[CHUNK])
{
    vreal v[CHUNK];
    UNROLL for (int i = 0; i < CHUNK; ++i)
        v[i] = columns[i];
    transpose_chunks(v);
    UNROLL for (int i = 0; i < CHUNK; ++i)
        split_chunks(rows + i, column, v[i]);
}

/* Columns [first, first + count) of the rows, for a `count` that is a constant multiple of CHUNK. */
INLINE void load_columns(const real *const rows[LANES], int64_t first, int count, vreal *columns)
{
    UNROLL for (int c = 0; c < count; c += CHUNK)
        load_chunk(rows, first + c, columns + c);
}

INLINE void store_columns(real *const rows[LANES], int64_t first, int count, const vreal *columns)
{
    UNROLL for (int c = 0; c < count; c += CHUNK)
        store_chunk(rows, first + c, columns + c);
}

/* The same for any count, at the end of the rows. What is left after whole chunks is read once more with the columns
 * before it, which keeps it vectorised without reading beyond the rows. */
static __attribute__((noinline)) void load_last_columns(const real *const rows[LANES], int64_t first, int count,
                                                        vreal *columns)
{
    int left = count % CHUNK, whole = count - left;
    for (int c = 0; c < whole; c += CHUNK)
        load_chunk(rows, first + c, columns + c);
    if (left && first + count >= CHUNK) {
        vreal last[CHUNK];
        load_chunk(rows, first + count - CHUNK, last);
        for (int c = 0; c < left; ++c)
            columns[whole + c] = last[CHUNK - left + c];
    } else if (left) {
        for (int c = 0; c < left; ++c)
            for (int lane = 0; lane < LANES; ++lane)
                columns[c][lane] = rows[lane][first + c];
    }
}

static __attribute__((noinline)) void store_last_columns(real *const rows[LANES], int64_t first, int count,
                                                         const vreal *columns)
{
    int left = count % CHUNK, whole = count - left;
    for (int c = 0; c < whole; c += CHUNK)
        store_chunk(rows, first + c, columns + c);
    if (left && whole) {
        store_chunk(rows, first + count - CHUNK, columns + count - CHUNK);
    } else if (left) {
        for (int c = 0; c < left; ++c)
            for (int lane = 0; lane < LANES; ++lane)
                rows[lane][first + c] = columns[c][lane];
    }
}

/* Asks for columns before they are used: rows are too short for the hardware to guess what comes next. Reaching beyond
 * the arrays is harmless. */
INLINE void prefetch_columns(const real *const rows[LANES], int64_t column, int count)
{
    for (int lane = 0; lane < LANES; ++lane)
        for (int c = 0; c < count; c += (int)(64 / sizeof(real)))
            __builtin_prefetch((const char *)((uintptr_t)rows[lane] + (uintptr_t)(column + c) * sizeof(real)));
}

INLINE void prefetch_columns_to_write(real *const rows[LANES], int64_t column, int count)
{
    for (int lane = 0; lane < LANES; ++lane)
        for (int c = 0; c < count; c += (int)(64 / sizeof(real)))
            __builtin_prefetch((const char *)((uintptr_t)rows[lane] + (uintptr_t)(column + c) * sizeof(real)), 1);
}

/* The items that a block of lanes works on: beyond the end of the batch the last item is repeated, which computes and
 * writes the same values again and so needs no special case. */
INLINE int64_t lane_item(int64_t block, int lane, int64_t end)
{
    return block + lane < end ? block + lane : end - 1;
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
