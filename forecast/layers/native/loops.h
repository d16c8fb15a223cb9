// A recurrent layer over a sequence, and its gradient.
//
// The windows of a batch are cut into blocks, and the steps of a block into chunks: what a chunk needs stays in the
// cache. The products of the input are taken for a chunk at once; those of the state end in registers, where the step
// of the cell goes on with them. The way back takes the slopes of the kernels for a chunk at once.
//
// Units are cut into panels of `LANES`, the last one filled up with zeros. Arrays inside are (panel, row, gate, lane).
#pragma once

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "cells.h"

constexpr long BLOCK_ROWS = 64;            // windows of a block
constexpr long CHUNK_FLOATS = 96 * 1024;   // of the largest array of a chunk, at most
constexpr long CHUNK_ROWS = 256;           // at most: slopes of kernels are summed over as many by themselves

struct Layer {
    long batch, length, channels, units;
    bool backwards;  // in time

    long panels() const { return (units + LANES - 1) / LANES; }
    long padded() const { return panels() * LANES; }
    long chunk_steps(long rows) const {
        const long most = std::min(CHUNK_ROWS, CHUNK_FLOATS / (COLUMNS * padded()));
        return std::clamp(most / std::max(rows, 1L), 1L, length);
    }
    long time(long step) const { return backwards ? length - 1 - step : step; }
};

// What a layer reads. `memory` is null for a GRU, `mask` where the state has no dropout.
struct Inputs {
    const float *x;                          // (batch, length, channels)
    const float *kernel, *recurrent_kernel;  // (channels, gates x units), (units, gates x units)
    const float *bias;                       // (4, units)
    const float *output, *memory, *mask;     // (batch, units)
};

// What it writes. `outputs` and `kept` may be null.
struct Results {
    float *outputs;          // (batch, length, units)
    float *output, *memory;  // (batch, units), after the last step
    float *kept;             // (length, panels, batch, Cell::kept, LANES)
};

struct Slopes {
    const float *outputs, *output, *memory;    // of the results; `outputs` may be null
    float *x, *kernel, *recurrent_kernel, *bias;
    float *first_output, *first_memory;        // of the states before the first step
};

// Zeros, freed at the end of their block.
struct Array {
    explicit Array(long size) {
        const size_t bytes = (sizeof(float) * std::max(size, 1L) + 63) / 64 * 64;
        at.reset(static_cast<float*>(std::aligned_alloc(64, bytes)));
        if (!at) std::abort();  // as TensorFlow does where memory is at its end
        std::memset(at.get(), 0, bytes);
    }
    operator float*() const { return at.get(); }
    struct Free {
        void operator()(float* memory) const { std::free(memory); }
    };
    std::unique_ptr<float, Free> at;
};

// The kernel (rows, gates x units) as (panel, row, gate, lane), gates in the order of the columns from `first` on.
template <typename Cell>
Array by_panels(const Layer& layer, const float* kernel, long rows, int first) {
    Array packed(layer.panels() * rows * Cell::gates * LANES);
    float* to = packed;
    for (long p = 0; p < layer.panels(); ++p) {
        const int count = std::min<long>(LANES, layer.units - p * LANES);
        for (long k = 0; k < rows; ++k) {
            for (int gate = 0; gate < Cell::gates; ++gate, to += LANES) {
                const int source = Cell::keras_of_column[first + gate];
                std::memcpy(to, kernel + (k * Cell::gates + source) * layer.units + p * LANES, sizeof(float) * count);
            }
        }
    }
    return packed;
}

// The other way round: what `by_panels` made, written as Keras has it.
template <typename Cell>
void from_panels(const Layer& layer, const float* packed, long rows, int first, float* kernel) {
    for (long p = 0; p < layer.panels(); ++p) {
        const int count = std::min<long>(LANES, layer.units - p * LANES);
        for (long k = 0; k < rows; ++k) {
            for (int gate = 0; gate < Cell::gates; ++gate, packed += LANES) {
                const int source = Cell::keras_of_column[first + gate];
                std::memcpy(kernel + (k * Cell::gates + source) * layer.units + p * LANES, packed, sizeof(float) * count);
            }
        }
    }
}

// The kernel turned: (panel, gate, lane, row), rows filled up to whole vectors.
template <typename Cell>
Array turned(const Layer& layer, const float* kernel, long rows, int first) {
    const long width = (rows + LANES - 1) / LANES * LANES;
    Array packed(layer.padded() * Cell::gates * width);
    for (long u = 0; u < layer.units; ++u) {
        for (int gate = 0; gate < Cell::gates; ++gate) {
            const float* from = kernel + Cell::keras_of_column[first + gate] * layer.units + u;
            float* to = packed + ((u / LANES * Cell::gates + gate) * LANES + u % LANES) * width;
            for (long k = 0; k < rows; ++k) to[k] = from[k * Cell::gates * layer.units];
        }
    }
    return packed;
}

// Copy rows of `units` numbers into rows of `padded` ones, or back.
inline void copy_rows(float* to, long to_row, const float* from, long from_row, long rows, long count) {
    for (long r = 0; r < rows; ++r) std::memcpy(to + r * to_row, from + r * from_row, sizeof(float) * count);
}

// x (rows, length, channels) of `count` steps from `begin` on as (step, row, channel). Beside each other the rows do not
// fall into the same few places of the cache, as those of long sequences do.
inline void read_chunk(const Layer& layer, const float* x, long begin, long count, long rows, float* to) {
    const long row = layer.length * layer.channels;
    for (long s = 0; s < count; ++s, to += rows * layer.channels) {
        copy_rows(to, layer.channels, x + layer.time(begin + s) * layer.channels, row, rows, layer.channels);
    }
}

template <typename Cell>
void forward(const Layer& layer, const Inputs& in, const Results& out) {
    constexpr int G = Cell::gates;
    const long panels = layer.panels(), padded = layer.padded(), units = layer.units, channels = layer.channels;
    const Array kernel = by_panels<Cell>(layer, in.kernel, channels, Cell::input_first);
    const Array recurrent = by_panels<Cell>(layer, in.recurrent_kernel, units, Cell::state_first);
    Array bias(COLUMNS * padded);
    for (int c = 0; c < COLUMNS; ++c) copy_rows(bias + c * padded, 0, in.bias + Cell::bias_of_column[c] * units, 0, 1, units);

    const long most = std::min(BLOCK_ROWS, layer.batch), steps = layer.chunk_steps(most);
    Array x(steps * most * channels), products(panels * steps * most * G * LANES);
    Array now(most * padded), next(most * padded);
    Array memory(most * padded), masked(most * padded), mask(most * padded);

    for (long b = 0; b < layer.batch; b += most) {
        const long rows = std::min(most, layer.batch - b);
        float *state = now, *other = next;
        copy_rows(state, padded, in.output + b * units, units, rows, units);
        if (Cell::has_memory) copy_rows(memory, padded, in.memory + b * units, units, rows, units);
        if (in.mask) copy_rows(mask, padded, in.mask + b * units, units, rows, units);

        for (long begin = 0; begin < layer.length; begin += steps) {
            const long count = std::min(steps, layer.length - begin), chunk = count * rows;
            read_chunk(layer, in.x + b * layer.length * channels, begin, count, rows, x);
            for (long p = 0; p < panels; ++p) {
                Vector start[G];
                for (int g = 0; g < G; ++g) start[g] = load(bias + (Cell::input_first + g) * padded + p * LANES);
                for_tiles<G>(chunk, [&](auto tile, long r) __attribute__((always_inline)) {
                    constexpr int R = decltype(tile)::value;
                    Vector sums[R][G];
                    for (int i = 0; i < R; ++i)
                        for (int g = 0; g < G; ++g) sums[i][g] = start[g];
                    multiply<R, G>(sums, {x + r * channels, channels, 1, 0}, 1, channels,
                                   kernel + p * channels * G * LANES, G * LANES);
                    float* to = products + (p * chunk + r) * G * LANES;
                    for (int i = 0; i < R; ++i)
                        for (int g = 0; g < G; ++g) store(to + (i * G + g) * LANES, sums[i][g]);
                });
            }
            for (long s = 0; s < count; ++s) {
                const long t = layer.time(begin + s);
                const float* multiplied = state;
                if (in.mask) {
                    for (long i = 0; i < rows * padded; ++i) masked[i] = state[i] * mask[i];
                    multiplied = masked;
                }
                for (long p = 0; p < panels; ++p) {
                    const int lanes = std::min<long>(LANES, units - p * LANES);
                    Vector start[G];
                    for (int g = 0; g < G; ++g) {
                        const int column = Cell::state_first + g;
                        start[g] = Cell::state_has_bias[column] ? load(bias + column * padded + p * LANES) : Vector{};
                    }
                    for_tiles<G>(rows, [&](auto tile, long r) __attribute__((always_inline)) {
                        constexpr int R = decltype(tile)::value;
                        Vector sums[R][G];
                        for (int i = 0; i < R; ++i)
                            for (int g = 0; g < G; ++g) sums[i][g] = start[g];
                        multiply<R, G>(sums, {multiplied + r * padded, padded, 1, 0}, 1, units,
                                       recurrent + p * units * G * LANES, G * LANES);
                        for (int i = 0; i < R; ++i) {
                            const long at = (r + i) * padded + p * LANES;
                            const float* x = products + (p * chunk + s * rows + r + i) * G * LANES;
                            const long place = (t * panels + p) * layer.batch + b + r + i;
                            float* keep = out.kept ? out.kept + place * Cell::kept * LANES : nullptr;
                            const States before{load(state + at), Cell::has_memory ? load(memory + at) : Vector{}};
                            const States after = Cell::step(x, sums[i], before, keep);
                            store(other + at, after.output);
                            if (Cell::has_memory) store(memory + at, after.memory);
                            if (out.outputs) {
                                float* to = out.outputs + ((b + r + i) * layer.length + t) * units + p * LANES;
                                store_some(to, after.output, lanes);
                            }
                        }
                    });
                }
                std::swap(state, other);
            }
        }
        copy_rows(out.output + b * units, units, state, padded, rows, units);
        if (Cell::has_memory) copy_rows(out.memory + b * units, units, memory, padded, rows, units);
    }
}

// Visit the columns of an array of whole vectors, two vectors at a time as long as there are two.
template <typename Visit>
INLINE void for_columns(long width, Visit visit) {
    long n = 0;
    for (; n + 2 * LANES <= width; n += 2 * LANES) visit(Constant<2>{}, n);
    if (n < width) visit(Constant<1>{}, n);
}

// sums (panel, row of a, gate, lane) += the product of a, turned, with the columns `slopes` of a chunk. Each chunk is
// summed by itself: sums over many rows would lose digits.
template <typename Cell>
void add_kernel_slopes(const Layer& layer, const float* a, long a_rows, long a_width, const float* slopes, long chunk,
                       float* sums) {
    constexpr int G = Cell::gates;
    for (long p = 0; p < layer.panels(); ++p) {
        for_tiles<G>(a_rows, [&](auto tile, long m) __attribute__((always_inline)) {
            constexpr int R = decltype(tile)::value;
            float* to = sums + (p * a_rows + m) * G * LANES;
            Vector found[R][G] = {};
            multiply<R, G>(found, {a + m, 1, a_width, 0}, 1, chunk, slopes + p * chunk * COLUMNS * LANES, COLUMNS * LANES);
            for (int i = 0; i < R; ++i)
                for (int g = 0; g < G; ++g) add_to(to + (i * G + g) * LANES, found[i][g]);
        });
    }
}

// `results` holds what `forward` wrote: the outputs, the final states and what it kept.
template <typename Cell>
void backward(const Layer& layer, const Inputs& in, const Results& results, const Slopes& d) {
    constexpr int G = Cell::gates, ROW = COLUMNS * LANES;
    const long panels = layer.panels(), padded = layer.padded(), units = layer.units, channels = layer.channels;
    const long width = (channels + LANES - 1) / LANES * LANES;
    const Array kernel = turned<Cell>(layer, in.kernel, channels, Cell::input_first);
    const Array recurrent = turned<Cell>(layer, in.recurrent_kernel, units, Cell::state_first);
    Array kernel_sums(panels * channels * G * LANES), recurrent_sums(panels * units * G * LANES), bias(COLUMNS * padded);

    const long most = std::min(BLOCK_ROWS, layer.batch), steps = layer.chunk_steps(most);
    Array columns(panels * steps * most * ROW), before(steps * most * padded), x(steps * most * channels);
    Array output(most * padded), memory(most * padded), mask(most * padded);

    for (long b = 0; b < layer.batch; b += most) {
        const long rows = std::min(most, layer.batch - b);
        copy_rows(output, padded, d.output + b * units, units, rows, units);
        if (Cell::has_memory) copy_rows(memory, padded, d.memory + b * units, units, rows, units);
        if (in.mask) copy_rows(mask, padded, in.mask + b * units, units, rows, units);

        for (long end = layer.length; end > 0;) {
            const long count = std::min(steps, end), begin = end - count, chunk = count * rows;
            end = begin;
            for (long s = count - 1; s >= 0; --s) {
                const long t = layer.time(begin + s), earlier = begin + s ? layer.time(begin + s - 1) : -1;
                for (long p = 0; p < panels; ++p) {
                    const int lanes = std::min<long>(LANES, units - p * LANES);
                    for (long r = 0; r < rows; ++r) {
                        const long at = r * padded + p * LANES, window = b + r;
                        const float* from = earlier < 0 ? in.output + window * units
                                                        : results.outputs + (window * layer.length + earlier) * units;
                        const Vector start = load_some(from + p * LANES, lanes);
                        Vector slope = load(output + at);
                        if (d.outputs) {
                            slope += load_some(d.outputs + (window * layer.length + t) * units + p * LANES, lanes);
                        }
                        const States after{slope, Cell::has_memory ? load(memory + at) : Vector{}};
                        const float* keep =
                            results.kept + ((t * panels + p) * layer.batch + window) * Cell::kept * LANES;
                        float* to = columns + (p * chunk + s * rows + r) * ROW;
                        const States passed = Cell::slopes(after, {start, Vector{}}, keep, to);
                        store(output + at, passed.output);
                        if (Cell::has_memory) store(memory + at, passed.memory);
                        const Vector multiplied = in.mask ? start * load(mask + at) : start;
                        store(before + (s * rows + r) * padded + p * LANES, multiplied);
                    }
                }
                for_columns(padded, [&](auto vectors, long n) __attribute__((always_inline)) {
                    constexpr int V = decltype(vectors)::value;
                    for_tiles<V>(rows, [&](auto tile, long r) __attribute__((always_inline)) {
                        constexpr int R = decltype(tile)::value;
                        const float* a = columns + (s * rows + r) * ROW + Cell::state_first * LANES;
                        Vector sums[R][V] = {};
                        multiply<R, V>(sums, {a, ROW, 1, chunk * ROW}, panels, G * LANES, recurrent + n, padded);
                        for (int i = 0; i < R; ++i) {
                            for (int v = 0; v < V; ++v) {
                                const long at = (r + i) * padded + n + v * LANES;
                                if (in.mask) sums[i][v] *= load(mask + at);
                                add_to(output + at, sums[i][v]);
                            }
                        }
                    });
                });
            }
            read_chunk(layer, in.x + b * layer.length * channels, begin, count, rows, x);
            const float *of_input = columns + Cell::input_first * LANES, *of_state = columns + Cell::state_first * LANES;
            add_kernel_slopes<Cell>(layer, x, channels, channels, of_input, chunk, kernel_sums);
            add_kernel_slopes<Cell>(layer, before, units, padded, of_state, chunk, recurrent_sums);
            for (long p = 0; p < panels; ++p) {
                Vector sums[COLUMNS] = {};
                for (long r = 0; r < chunk; ++r)
                    for (int c = 0; c < COLUMNS; ++c) sums[c] += load(columns + (p * chunk + r) * ROW + c * LANES);
                for (int c = 0; c < COLUMNS; ++c) add_to(bias + c * padded + p * LANES, sums[c]);
            }
            for_columns(width, [&](auto vectors, long n) __attribute__((always_inline)) {
                constexpr int V = decltype(vectors)::value;
                for (long s = 0; s < count; ++s) {
                    float* to = d.x + (b * layer.length + layer.time(begin + s)) * channels + n;
                    for_tiles<V>(rows, [&](auto tile, long r) __attribute__((always_inline)) {
                        constexpr int R = decltype(tile)::value;
                        Vector sums[R][V] = {};
                        const float* a = of_input + (s * rows + r) * ROW;
                        multiply<R, V>(sums, {a, ROW, 1, chunk * ROW}, panels, G * LANES, kernel + n, width);
                        for (int i = 0; i < R; ++i) {
                            for (int v = 0; v < V; ++v) {
                                const int lanes = std::min<long>(LANES, channels - n - v * LANES);
                                store_some(to + (r + i) * layer.length * channels + v * LANES, sums[i][v], lanes);
                            }
                        }
                    });
                }
            });
        }
        copy_rows(d.first_output + b * units, units, output, padded, rows, units);
        if (Cell::has_memory) copy_rows(d.first_memory + b * units, units, memory, padded, rows, units);
    }
    from_panels<Cell>(layer, kernel_sums, channels, Cell::input_first, d.kernel);
    from_panels<Cell>(layer, recurrent_sums, units, Cell::state_first, d.recurrent_kernel);
    for (int c = 0; c < COLUMNS; ++c) copy_rows(d.bias + Cell::bias_of_column[c] * units, 0, bias + c * padded, 0, 1, units);
}
