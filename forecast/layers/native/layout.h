// How the numbers of a layer are laid out inside.
//
// The windows of a batch are cut into blocks, which run at the same time, and the steps of a block into chunks, whose numbers
// stay in the cache. Units are cut into panels of `LANES`, the last one padded with zeros. Arrays
// are (panel, row, gate, lane).
//
// Indices: b first window of a block, r row of a block or chunk, s step of a chunk, t step in time,
// p panel, g gate, c column of gradients, u unit, k summed over in a product.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <vector>

#include "cells.h"
#include "interface.h"

constexpr long BLOCK_ROWS = 64;           // windows of a block, at most
constexpr long CHUNK_FLOATS = 96 * 1024;  // of the largest array of a chunk, at most
constexpr long CHUNK_ROWS = 256;  // at most: gradients of kernels are summed over as many at a time

constexpr long LEAST_ROWS = 16;  // windows of a block; fewer are not worth a thread
constexpr long WIDE_UNITS = 256, WIDE_ROWS = 32;  // the same of layers whose kernels leave the cache
constexpr long MOST_SHARDS = 8;

struct Layer : LayerSizes {
    explicit Layer(const LayerSizes& sizes) : LayerSizes(sizes) {}

    long panels() const { return (units + LANES - 1) / LANES; }
    long padded() const { return panels() * LANES; }
    long whole_channels() const { return (channels + LANES - 1) / LANES * LANES; }
    // Windows of a block, by the batch alone: bits do not depend on the number of threads.
    long block_rows() const {
        const long eighth = (batch + MOST_SHARDS - 1) / MOST_SHARDS;
        const long least = units > WIDE_UNITS ? WIDE_ROWS : LEAST_ROWS;
        const long rows = std::clamp((eighth + 7) / 8 * 8, least, BLOCK_ROWS);
        return std::clamp(batch, 1L, rows);
    }
    long blocks() const { return (batch + block_rows() - 1) / block_rows(); }
    long chunk_steps() const {
        const long most = std::min(CHUNK_ROWS, CHUNK_FLOATS / (COLUMNS * padded()));
        return std::clamp(most / block_rows(), 1L, std::max(length, 1L));
    }
    long time(long step) const { return backwards ? length - 1 - step : step; }

    // The activations that a gradient needs: (length, panels, batch, Cell::saved, LANES).
    template <typename Cell>
    long num_saved() const {
        return length * panels() * batch * Cell::saved * LANES;
    }
};

// Zeros, freed at the end of their block.
template <typename Number>
struct Numbers {
    explicit Numbers(long count) : size(count) {
        const size_t bytes = (sizeof(Number) * std::max(count, 1L) + 63) / 64 * 64;
        at.reset(static_cast<Number*>(std::aligned_alloc(64, bytes)));
        if (!at) std::abort();  // as TensorFlow does where memory is exhausted
        std::memset(at.get(), 0, bytes);
    }
    operator Number*() const { return at.get(); }
    void add(const Numbers& other) {
        for (long i = 0; i < size; ++i) at[i] += other.at[i];
    }
    struct Free {
        void operator()(Number* memory) const { std::free(memory); }
    };
    long size;
    std::unique_ptr<Number[], Free> at;
};

using Array = Numbers<float>;

// The kernel (rows, gates x units) as (panel, row, gate, lane), gates in the order of the columns
// from `first` on.
template <typename Cell>
Array by_panels(const Layer& layer, const float* kernel, long rows, int first) {
    Array packed(layer.panels() * rows * Cell::gates * LANES);
    float* to = packed;
    for (long p = 0; p < layer.panels(); ++p) {
        const int count = std::min<long>(LANES, layer.units - p * LANES);
        for (long k = 0; k < rows; ++k) {
            for (int gate = 0; gate < Cell::gates; ++gate, to += LANES) {
                const int source = Cell::keras_of_column[first + gate];
                std::memcpy(to, kernel + (k * Cell::gates + source) * layer.units + p * LANES,
                            sizeof(float) * count);
            }
        }
    }
    return packed;
}

// The biases (4, units) as (panel, gate, lane), 0 in columns that have none.
template <typename Cell>
Array biases_by_panels(const Layer& layer, const float* bias, int first,
                       const bool (&has_bias)[COLUMNS]) {
    Array packed(layer.padded() * Cell::gates);
    for (long u = 0; u < layer.units; ++u) {
        for (int gate = 0; gate < Cell::gates; ++gate) {
            float* to = packed + (u / LANES * Cell::gates + gate) * LANES + u % LANES;
            if (has_bias[first + gate])
                *to = bias[Cell::bias_of_column[first + gate] * layer.units + u];
        }
    }
    return packed;
}

// The inverse of `by_panels`: a kernel as Keras has it.
template <typename Cell>
void from_panels(const Layer& layer, const float* packed, long rows, int first, float* kernel) {
    for (long p = 0; p < layer.panels(); ++p) {
        const int count = std::min<long>(LANES, layer.units - p * LANES);
        for (long k = 0; k < rows; ++k) {
            for (int gate = 0; gate < Cell::gates; ++gate, packed += LANES) {
                const int source = Cell::keras_of_column[first + gate];
                std::memcpy(kernel + (k * Cell::gates + source) * layer.units + p * LANES, packed,
                            sizeof(float) * count);
            }
        }
    }
}

// Visit the columns of an array of whole vectors, two vectors at a time as long as there are two.
template <typename Visit>
INLINE void for_columns(long width, Visit visit) {
    long n = 0;
    for (; n + 2 * LANES <= width; n += 2 * LANES) visit(Constant<2>{}, n);
    if (n < width) visit(Constant<1>{}, n);
}

// The kernel transposed, rows padded to whole vectors: (strip, panel, gate, lane, row of the strip),
// where strips are those of `for_columns`. Each is read from its beginning to its end; as part of
// longer rows the numbers of a strip would compete for the same few lines of the cache.
template <typename Cell>
Array transposed(const Layer& layer, const float* kernel, long rows, int first) {
    const long width = (rows + LANES - 1) / LANES * LANES, length = layer.padded() * Cell::gates;
    Array packed(length * width);
    for_columns(width, [&](auto vectors, long n) {
        constexpr int strip = decltype(vectors)::value * LANES;
        const long count = std::min<long>(strip, rows - n);
        for (long k = 0; k < count; ++k) {
            const float* row = kernel + (n + k) * Cell::gates * layer.units;
            for (int gate = 0; gate < Cell::gates; ++gate) {
                const float* from = row + Cell::keras_of_column[first + gate] * layer.units;
                float* to = packed + n * length + gate * LANES * strip + k;
                for (long u = 0; u < layer.units; ++u)
                    to[(u / LANES * Cell::gates * LANES + u % LANES) * strip] = from[u];
            }
        }
    });
    return packed;
}

// Copy rows of `units` numbers into rows of `padded` ones, or back.
inline void copy_rows(float* to, long to_row, const float* from, long from_row, long rows,
                      long count) {
    for (long r = 0; r < rows; ++r)
        std::memcpy(to + r * to_row, from + r * from_row, sizeof(float) * count);
}

// x (rows, length, channels) of `count` steps from `begin` on as (step, row, width). Packed like
// this, the rows do not compete for the same few lines of the cache, as those of long sequences do.
inline void read_chunk(const Layer& layer, const float* x, long begin, long count, long rows,
                       long width, float* to) {
    const long row = layer.length * layer.channels;
    for (long s = 0; s < count; ++s, to += rows * width) {
        copy_rows(to, width, x + layer.time(begin + s) * layer.channels, row, rows, layer.channels);
    }
}

// Which rows of a chunk are active: those of all its steps, one after another, as in `read_chunk`.
class ActiveRows {
  public:
    ActiveRows(const Layer& layer, const unsigned char* active)
        : layer_(layer), given_(active), rows_(active ? layer.chunk_steps() * layer.block_rows() : 0) {}

    // The windows from `b` on, `count` steps from `begin` on.
    void read(long b, long rows, long begin, long count) {
        if (!given_) return;
        for (long s = 0; s < count; ++s) {
            const unsigned char* from = given_ + b * layer_.length + layer_.time(begin + s);
            for (long r = 0; r < rows; ++r) rows_[s * rows + r] = from[r * layer_.length];
        }
        first_ = std::find(rows_.begin(), rows_.begin() + count * rows, 1) - rows_.begin();
        end_ = count * rows;
        while (end_ > first_ && !rows_[end_ - 1]) --end_;
    }

    bool is_active(long row) const { return !given_ || rows_[row]; }
    // Whether none of `count` rows is active, so that nothing has to be multiplied for them.
    bool are_idle(long row, long count) const {
        return given_ && !std::memchr(rows_.data() + row, 1, count);
    }
    // The first active row of the chunk, and the number of rows up to the last one, of `count`.
    long first() const { return given_ ? first_ : 0; }
    long length(long count) const { return given_ ? end_ - first_ : count; }

  private:
    const Layer& layer_;
    const unsigned char* given_;
    std::vector<unsigned char> rows_;
    long first_ = 0, end_ = 0;
};

// The masks of a block of windows, gates in the order of the columns from `first` on: (gate, row,
// width).
template <typename Cell>
void read_masks(const Layer& layer, const float* masks, long count, int first, long b, long rows,
                long width, float* to) {
    for (int gate = 0; masks && gate < Cell::gates; ++gate) {
        const float* from = masks + (Cell::keras_of_column[first + gate] * layer.batch + b) * count;
        copy_rows(to + gate * rows * width, width, from, count, rows, count);
    }
}

// The left factors of each gate, (gate, step, row, width), from numbers (step, row, width) and
// masks (gate, row, width).
inline void apply_masks(const float* numbers, const float* masks, int gates, long steps, long size,
                        float* to) {
    for (long n = 0; n < gates * steps; ++n) {
        for (long i = 0; i < size; ++i)
            *to++ = numbers[n % steps * size + i] * masks[n / steps * size + i];
    }
}
