// Vectors as wide as the processor's, tanh and sigmoid on them, and the product of a tile of a
// matrix.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__AVX512BF16__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
constexpr int LANES = 16;
#elif defined(__AVX__)
constexpr int LANES = 8;
#else
constexpr int LANES = 4;
#endif

#if defined(__AVX512F__) || defined(__aarch64__)
constexpr bool MANY_REGISTERS = true;  // 32 of them
#else
constexpr bool MANY_REGISTERS = false;  // 16
#endif

#define INLINE static inline __attribute__((always_inline))

typedef float Vector __attribute__((vector_size(4 * LANES)));
typedef float Unaligned __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

INLINE Vector load(const float* from) { return *reinterpret_cast<const Unaligned*>(from); }
INLINE void store(float* to, Vector value) { *reinterpret_cast<Unaligned*>(to) = value; }
INLINE void add_to(float* sum, Vector value) { store(sum, load(sum) + value); }
INLINE Vector add_product(Vector sum, Vector row, float factor) { return sum + row * factor; }
#if defined(__AVX512BF16__)
// Pairs of bfloat16, see `factors.h`: both products of a pair are added.
typedef uint32_t Pairs __attribute__((vector_size(4 * LANES)));
typedef uint32_t UnalignedPairs __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

INLINE Pairs load(const uint32_t* from) { return *reinterpret_cast<const UnalignedPairs*>(from); }
INLINE Vector add_product(Vector sum, Pairs row, uint32_t factor) {
    return (Vector)_mm512_dpbf16_ps((__m512)sum, (__m512bh)row,
                                    (__m512bh)_mm512_set1_epi32(factor));
}
#endif

INLINE Vector all(float value) { return value - Vector{}; }

// The first `count` lanes; the others are 0.
INLINE Vector load_some(const float* from, int count) {
    if (count >= LANES) return load(from);
    Vector value{};
    std::memcpy(&value, from, sizeof(float) * count);
    return value;
}

INLINE void store_some(float* to, Vector value, int count) {
    if (count >= LANES) return store(to, value);
    std::memcpy(to, &value, sizeof(float) * count);
}

// tanh as a ratio of polynomials, the one that Eigen takes for float (MathFunctionsImpl.h,
// "ptanh_float"); a NaN stays a NaN, since both comparisons with it are false.
INLINE Vector tanh_of(Vector x) {
    const Vector bound = all(7.90531110763549805f);
    x = x > bound ? bound : x;
    x = x < -bound ? -bound : x;
    const Vector s = x * x;
    Vector above = s * -2.76076847742355e-16f + 2.00018790482477e-13f;
    above = above * s + -8.60467152213735e-11f;
    above = above * s + 5.12229709037114e-08f;
    above = above * s + 1.48572235717979e-05f;
    above = above * s + 6.37261928875436e-04f;
    above = above * s + 4.89352455891786e-03f;
    Vector below = s * 1.19825839466702e-06f + 1.18534705686654e-04f;
    below = below * s + 2.26843463243900e-03f;
    below = below * s + 4.89352518554385e-03f;
    return x * above / below;
}

INLINE Vector sigmoid_of(Vector x) { return tanh_of(x * 0.5f) * 0.5f + 0.5f; }

// One operand of a product, row by row: element (i, k) stands at `at + i * row + k * step` inside a
// block of columns, and `block` further for each block. Elements are factors, see `factors.h`.
template <typename Number>
struct Operand {
    const Number* at;
    long row, step, block;
};

// sums[i][v] += sum over k of a(i, k) b(k, v), where row k of b holds `VECTORS` vectors and begins
// `b_row` after the one before, and `b_skip` numbers are skipped after each block. Every element is
// summed in the order of k, so its bits do not depend on the shape of the tile.
template <int ROWS, int VECTORS, typename Number>
INLINE void multiply(Vector (&sums)[ROWS][VECTORS], Operand<Number> a, long blocks, long length,
                     const Number* b, long b_row, long b_skip = 0) {
    for (long n = 0; n < blocks; ++n, b += b_skip) {
        const Number* column = a.at + n * a.block;
        for (long k = 0; k < length; ++k, column += a.step, b += b_row) {
            decltype(load(b)) row[VECTORS];
#pragma GCC unroll 8
            for (int v = 0; v < VECTORS; ++v) row[v] = load(b + v * LANES);
#pragma GCC unroll 8
            for (int i = 0; i < ROWS; ++i) {
#pragma GCC unroll 8
                for (int v = 0; v < VECTORS; ++v)
                    sums[i][v] = add_product(sums[i][v], row[v], column[i * a.row]);
            }
        }
    }
}

// `multiply` for all gates, each with its own operand, `apart` after that of the one before, or
// with the same.
template <int ROWS, int GATES, typename Number>
INLINE void multiply_gates(Vector (&sums)[ROWS][GATES], Operand<Number> a, long apart, long length,
                           const Number* b, long b_row) {
    if (!apart) return multiply<ROWS, GATES, Number>(sums, a, 1, length, b, b_row);
#pragma GCC unroll 8
    for (int g = 0; g < GATES; ++g) {
        Vector gate_sums[ROWS][1];
#pragma GCC unroll 8
        for (int i = 0; i < ROWS; ++i) gate_sums[i][0] = sums[i][g];
        multiply<ROWS, 1, Number>(gate_sums, {a.at + g * apart, a.row, a.step, a.block}, 1, length,
                                  b + g * LANES, b_row);
#pragma GCC unroll 8
        for (int i = 0; i < ROWS; ++i) sums[i][g] = gate_sums[i][0];
    }
}

// Rows of a tile that `VECTORS` vectors per row leave registers for.
template <int VECTORS>
constexpr int TILE_ROWS = VECTORS > 3 ? (MANY_REGISTERS ? 4 : 2) : (MANY_REGISTERS ? 8 : 4);

// A number known when compiling, to be handed to a generic lambda.
template <int NUMBER>
struct Constant {
    static constexpr int value = NUMBER;
};

// Cut `count` rows into tiles of `TILE_ROWS<VECTORS>` rows, then of half as many and so on, and
// visit each.
template <int VECTORS, typename Visit, int ROWS = TILE_ROWS<VECTORS>>
INLINE void for_tiles(long count, Visit visit, long first = 0) {
    for (; first + ROWS <= count; first += ROWS) visit(Constant<ROWS>{}, first);
    if constexpr (ROWS > 1) for_tiles<VECTORS, Visit, ROWS / 2>(count, visit, first);
}
