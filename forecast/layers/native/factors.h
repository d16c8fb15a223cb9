// The factors of products: floats, or pairs of bfloat16, which are multiplied twice as fast.
//
// A bfloat16 is a float rounded to its first 16 bits, to the nearest, ties to even. Two factors
// that follow each other in a sum share a number of 32 bits; the sums are floats.
#pragma once

#include "layout.h"

struct Float32 {
    using Number = float;
    static constexpr int each = 1;  // factors in a number

    // Factors of which those side by side follow each other in a sum.
    static const float* side_by_side(const float* from, long, float*) { return from; }
};

#if defined(__AVX512BF16__)
constexpr bool HAS_BFLOAT16 = true;

struct Bfloat16 {
    using Number = uint32_t;
    static constexpr int each = 2;

    // `count` is a multiple of `LANES`.
    static const uint32_t* side_by_side(const float* from, long count, uint32_t* to) {
        for (long i = 0; i < count; i += LANES)
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + i / 2), rounded(from + i));
        return to;
    }

    // Factors (rows, width) of which rows follow each other in a sum. The last row of an odd number
    // is paired with zeros; `width` is a multiple of `LANES`.
    static void by_rows(const float* from, long rows, long width, uint32_t* to) {
        for (long row = 0; row < rows; row += 2, from += width) {
            const bool has_second = row + 1 < rows;
            for (long i = 0; i < width; i += LANES, from += LANES, to += LANES) {
                __m512i pairs = _mm512_cvtepu16_epi32(rounded(from));
                if (has_second) {
                    const __m512i second = _mm512_cvtepu16_epi32(rounded(from + width));
                    pairs = _mm512_or_si512(pairs, _mm512_slli_epi32(second, 16));
                }
                _mm512_storeu_si512(to, pairs);
            }
        }
    }

  private:
    INLINE __m256i rounded(const float* from) {
        return (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(from));
    }
};
#else
constexpr bool HAS_BFLOAT16 = false;
#endif

// The numbers that `count` factors take.
template <typename Factors>
constexpr long numbers_of(long count) {
    return (count + Factors::each - 1) / Factors::each;
}

// As many numbers as `count` factors of a copy take; none where factors are not copied.
template <typename Factors>
constexpr long copied(long count) {
    return Factors::each == 1 ? 0 : numbers_of<Factors>(count);
}

// Packed kernels of which rows follow each other in a sum; see `Factors::by_rows`.
template <typename Factors>
Numbers<typename Factors::Number> kernel_of(Array packed, long blocks, long rows, long width) {
    if constexpr (Factors::each == 1) {
        return packed;
    } else {
        const long size = numbers_of<Factors>(rows) * width;
        Numbers<typename Factors::Number> to(blocks * size);
        for (long block = 0; block < blocks; ++block)
            Factors::by_rows(packed + block * rows * width, rows, width, to + block * size);
        return to;
    }
}
