/* Between rows in memory, one per item, and vectors, one lane per item: in-register transposes, tails, prefetches and
 * writes around the cache. */
#define LINE 64                         /* bytes that memory hands over at once */
#define CHUNK ((int)(16 / sizeof(real))) /* columns that one 16-byte load brings */

typedef real chunk __attribute__((vector_size(16)));
typedef real chunk_unaligned __attribute__((vector_size(16), aligned(sizeof(real)), may_alias));

/* The items that a block of lanes works on: beyond the end of the batch the last item is repeated, which computes and
 * writes the same values again and so needs no special case. */
INLINE int64_t lane_item(int64_t block, int lane, int64_t end)
{
    return block + lane < end ? block + lane : end - 1;
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

/* Asks for the part of the next block's rows that corresponds to columns [first, first + count) of this one: rows are too
 * short for the hardware to guess what comes next. The block is asked for from its first byte to its last, so that no line
 * is asked for twice; reaching beyond the arrays is harmless. */
INLINE const char *in_next_block(const real *const rows[LANES], int64_t width, int64_t first)
{
    return (const char *)((uintptr_t)rows[0] + (uintptr_t)(LANES * (width + first)) * sizeof(real));
}

INLINE void prefetch_next_block(const real *const rows[LANES], int64_t width, int64_t first, int count)
{
    const char *begin = in_next_block(rows, width, first);
    for (int byte = 0; byte < count * VECTOR_BYTES; byte += LINE)
        __builtin_prefetch(begin + byte);
}

INLINE void prefetch_next_block_to_write(real *const rows[LANES], int64_t width, int64_t first, int count)
{
    const char *begin = in_next_block((const real *const *)rows, width, first);
    for (int byte = 0; byte < count * VECTOR_BYTES; byte += LINE)
        __builtin_prefetch(begin + byte, 1);
}

/* Writes around the cache: a line that will not be read soon need not be fetched before it is overwritten. */
#ifdef __SSE2__
#define CAN_STREAM 1
#else
#define CAN_STREAM 0
#endif

INLINE void stream_line(char *to, const char *from)
{
#if defined(__AVX512F__) && VECTOR_BYTES == 64
    _mm512_stream_ps((float *)to, _mm512_load_ps((const float *)from));
#elif defined(__AVX__) && VECTOR_BYTES == 32
    for (int k = 0; k < LINE; k += 32)
        _mm256_stream_ps((float *)(to + k), _mm256_load_ps((const float *)(from + k)));
#elif defined(__SSE2__)
    for (int k = 0; k < LINE; k += 16)
        _mm_stream_ps((float *)(to + k), _mm_load_ps((const float *)(from + k)));
#else
    memcpy(to, from, LINE);
#endif
}

/* Copies whole lines around the cache and what it shares of a line with its neighbours as usual. The two addresses
 * differ by a multiple of LINE. */
static void stream_out(void *target, const void *source, size_t bytes)
{
    char *to = target;
    const char *from = source;
    size_t head = -(uintptr_t)to % LINE;
    if (head > bytes)
        head = bytes;
    memcpy(to, from, head);
    for (to += head, from += head, bytes -= head; bytes >= LINE; to += LINE, from += LINE, bytes -= LINE)
        stream_line(to, from);
    memcpy(to, from, bytes);
}

/* Streamed lines are visible to other threads after this. */
INLINE void finish_streaming(void)
{
#ifdef __SSE2__
    _mm_sfence();
#endif
}
