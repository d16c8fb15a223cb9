// The gradient of a recurrent layer.
//
// Only the gradients of the states go from step to step. Those of the input and of the kernels are
// products computed for a chunk of steps at once, from the gradients of its gates: (panel, step,
// row, column, lane).
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "layout.h"
#include "shards.h"

// The kernels as the loop reads them, shared by all shards.
template <typename Cell>
struct BackwardWeights {
    BackwardWeights(const Layer& layer, const Inputs& in)
        : kernel(transposed<Cell>(layer, in.kernel, layer.channels, Cell::input_first)),
          recurrent(transposed<Cell>(layer, in.recurrent_kernel, layer.units, Cell::state_first)) {}

    const Array kernel, recurrent;
};

// Gradients of the weights, summed over the windows of a shard.
template <typename Cell>
struct WeightSums {
    explicit WeightSums(const Layer& layer)
        : kernel(layer.panels() * layer.channels * Cell::gates * LANES),
          recurrent(layer.panels() * layer.units * Cell::gates * LANES),
          bias(COLUMNS * layer.padded()) {}

    void add(const WeightSums& other) {
        kernel.add(other.kernel);
        recurrent.add(other.recurrent);
        bias.add(other.bias);
    }

    void write(const Layer& layer, const Gradients& d) const {
        from_panels<Cell>(layer, kernel, layer.channels, Cell::input_first, d.kernel);
        from_panels<Cell>(layer, recurrent, layer.units, Cell::state_first, d.recurrent_kernel);
        for (int c = 0; c < COLUMNS; ++c) {
            float* to = d.bias + Cell::bias_of_column[c] * layer.units;
            copy_rows(to, 0, bias + c * layer.padded(), 0, 1, layer.units);
        }
    }

    Array kernel, recurrent, bias;
};

template <typename Cell>
class Backward {
  public:
    // `results`: the outputs and saved activations that `Forward` wrote.
    Backward(const Layer& layer, const Inputs& in, const Results& results, const Gradients& d,
             const BackwardWeights<Cell>& weights)
        : layer_(layer),
          in_(in),
          results_(results),
          d_(d),
          weights_(weights),
          block_rows_(layer.block_rows()),
          steps_(layer.chunk_steps()),
          width_((layer.channels + LANES - 1) / LANES * LANES),
          sums_(layer),
          columns_(layer.panels() * steps_ * block_rows_ * ROW),
          x_(steps_ * block_rows_ * width_),
          before_(steps_ * block_rows_ * layer.padded()),
          output_(block_rows_ * layer.padded()),
          memory_(block_rows_ * layer.padded()),
          input_mask_(in.input_mask ? G * block_rows_ * width_ : 0),
          state_mask_(in.state_mask ? G * block_rows_ * layer.padded() : 0),
          masked_(in.input_mask || in.state_mask
                      ? G * steps_ * block_rows_ * std::max(layer.padded(), width_)
                      : 0),
          active_(layer, in.active) {}

    // The windows of some blocks; returns the gradients of the weights.
    WeightSums<Cell> run(long first_block, long end_block) {
        for (long b = first_block * block_rows_; b < end_block * block_rows_ && b < layer_.batch;
             b += block_rows_)
            run_block(b, std::min(block_rows_, layer_.batch - b));
        return std::move(sums_);
    }

  private:
    static constexpr int G = Cell::gates, ROW = COLUMNS * LANES;

    // The windows from `b` on.
    void run_block(long b, long rows) {
        const long units = layer_.units, padded = layer_.padded();
        copy_rows(output_, padded, d_.output + b * units, units, rows, units);
        if (Cell::has_memory) copy_rows(memory_, padded, d_.memory + b * units, units, rows, units);
        read_masks<Cell>(layer_, in_.input_mask, layer_.channels, Cell::input_first, b, rows,
                         width_, input_mask_);
        read_masks<Cell>(layer_, in_.state_mask, units, Cell::state_first, b, rows, padded,
                         state_mask_);
        for (long end = layer_.length; end > 0;) {
            const long count = std::min(steps_, end), chunk = count * rows;
            end -= count;
            active_.read(b, rows, end, count);
            for (long s = count - 1; s >= 0; --s) {
                step_gradients(b, rows, end + s, s, chunk);
                add_state_gradients(rows, s, chunk);
            }
            add_kernel_gradients(b, rows, end, count);
            write_input_gradients(b, rows, end, count);
        }
        copy_rows(d_.first_output + b * units, units, output_, padded, rows, units);
        if (Cell::has_memory)
            copy_rows(d_.first_memory + b * units, units, memory_, padded, rows, units);
    }

    // From the gradients of the states after a step, in `output_` and `memory_`, write those of its
    // gates into `columns_`, and leave those of the states before it, without the path through the
    // products.
    void step_gradients(long b, long rows, long step, long s, long chunk) {
        const long units = layer_.units, padded = layer_.padded(), length = layer_.length;
        const long t = layer_.time(step), earlier = step ? layer_.time(step - 1) : -1;
        for (long p = 0; p < layer_.panels(); ++p) {
            const int lanes = std::min<long>(LANES, units - p * LANES);
            for (long r = 0; r < rows; ++r) {
                const long at = r * padded + p * LANES, window = b + r;
                const float* from = earlier < 0
                                        ? in_.output + window * units
                                        : results_.outputs + (window * length + earlier) * units;
                const Vector before = load_some(from + p * LANES, lanes);
                store(before_ + s * rows * padded + at, before);
                Vector d_output = load(output_ + at);
                if (d_.outputs)
                    d_output +=
                        load_some(d_.outputs + (window * length + t) * units + p * LANES, lanes);
                float* to = columns_ + (p * chunk + s * rows + r) * ROW;
                if (!active_.is_active(s * rows + r)) {
                    store(output_ + at, d_output);
                    std::fill(to, to + ROW, 0.0f);
                    continue;
                }
                const States d_after{d_output, Cell::has_memory ? load(memory_ + at) : Vector{}};
                const float* activations =
                    results_.saved +
                    ((t * layer_.panels() + p) * layer_.batch + window) * Cell::saved * LANES;
                const States d_before =
                    Cell::gradients(d_after, {before, Vector{}}, activations, to);
                store(output_ + at, d_before.output);
                if (Cell::has_memory) store(memory_ + at, d_before.memory);
            }
        }
    }

    // Add the gradients that pass through the products of the state.
    void add_state_gradients(long rows, long s, long chunk) {
        const long padded = layer_.padded();
        for_columns(padded, [&](auto vectors, long n) __attribute__((always_inline)) {
            constexpr int V = decltype(vectors)::value;
            for_tiles<V>(rows, [&](auto tile, long r) __attribute__((always_inline)) {
                constexpr int R = decltype(tile)::value;
                if (active_.are_idle(s * rows + r, R)) return;
                Vector sums[R][V] = {};
                const float* columns = columns_ + (s * rows + r) * ROW + Cell::state_first * LANES;
                const float* mask = in_.state_mask ? state_mask_ + r * padded + n : nullptr;
                multiply_back<R, V>(sums, columns, chunk, weights_.recurrent, n, mask, padded,
                                    rows * padded);
                for (int i = 0; i < R; ++i)
                    for (int v = 0; v < V; ++v)
                        add_to(output_ + (r + i) * padded + n + v * LANES, sums[i][v]);
            });
        });
    }

    // Add the gradients of the kernels and biases of a chunk.
    void add_kernel_gradients(long b, long rows, long begin, long count) {
        const long padded = layer_.padded(), channels = layer_.channels, chunk = count * rows;
        const long first = active_.first(), end = first + active_.length(chunk);
        if (first == end) return;
        read_chunk(layer_, in_.x + b * layer_.length * channels, begin, count, rows, width_, x_);
        const float* read = x_;
        if (in_.input_mask) {
            apply_masks(x_, input_mask_, G, count, rows * width_, masked_);
            read = masked_;
        }
        add_products(read, channels, width_, in_.input_mask ? chunk * width_ : 0, Cell::input_first,
                     chunk, sums_.kernel);
        read = before_;
        if (in_.state_mask) {
            apply_masks(before_, state_mask_, G, count, rows * padded, masked_);
            read = masked_;
        }
        add_products(read, layer_.units, padded, in_.state_mask ? chunk * padded : 0,
                     Cell::state_first, chunk, sums_.recurrent);
        for (long p = 0; p < layer_.panels(); ++p) {
            Vector sums[COLUMNS] = {};
            for (long r = first; r < end; ++r)
                for (int c = 0; c < COLUMNS; ++c)
                    sums[c] += load(columns_ + (p * chunk + r) * ROW + c * LANES);
            for (int c = 0; c < COLUMNS; ++c) add_to(sums_.bias + c * padded + p * LANES, sums[c]);
        }
    }

    // sums (panel, row of a, gate, lane) += a (chunk, a_width), transposed, times the columns from
    // `first` on; with masks each gate has its own a, `apart` from the one before. Each chunk is
    // summed separately: sums over many rows would lose digits. Rows before the first active one and
    // after the last one are left out.
    void add_products(const float* a, long a_rows, long a_width, long apart, int first, long chunk,
                      float* sums) {
        const long first_row = active_.first(), num_rows = active_.length(chunk);
        for (long p = 0; p < layer_.panels(); ++p) {
            const float* columns = columns_ + (p * chunk + first_row) * ROW + first * LANES;
            for_tiles<G>(a_rows, [&](auto tile, long m) __attribute__((always_inline)) {
                constexpr int R = decltype(tile)::value;
                Vector chunk_sums[R][G] = {};
                multiply_gates<R, G>(chunk_sums, {a + first_row * a_width + m, 1, a_width, 0}, apart,
                                     num_rows, columns, ROW);
                float* to = sums + (p * a_rows + m) * G * LANES;
                for (int i = 0; i < R; ++i)
                    for (int g = 0; g < G; ++g) add_to(to + (i * G + g) * LANES, chunk_sums[i][g]);
            });
        }
    }

    // Write the gradients of a chunk of the input.
    void write_input_gradients(long b, long rows, long begin, long count) {
        const long channels = layer_.channels, row = layer_.length * channels, chunk = count * rows;
        for_columns(width_, [&](auto vectors, long n) __attribute__((always_inline)) {
            constexpr int V = decltype(vectors)::value;
            for (long s = 0; s < count; ++s) {
                float* to = d_.x + b * row + layer_.time(begin + s) * channels + n;
                for_tiles<V>(rows, [&](auto tile, long r) __attribute__((always_inline)) {
                    constexpr int R = decltype(tile)::value;
                    Vector sums[R][V] = {};  // stay 0 where no row of the tile is active
                    const float* columns =
                        columns_ + (s * rows + r) * ROW + Cell::input_first * LANES;
                    const float* mask = in_.input_mask ? input_mask_ + r * width_ + n : nullptr;
                    if (!active_.are_idle(s * rows + r, R)) {
                        multiply_back<R, V>(sums, columns, chunk, weights_.kernel, n, mask, width_,
                                            rows * width_);
                    }
                    for (int i = 0; i < R; ++i) {
                        for (int v = 0; v < V; ++v) {
                            const int lanes = std::min<long>(LANES, channels - n - v * LANES);
                            store_some(to + (r + i) * row + v * LANES, sums[i][v], lanes);
                        }
                    }
                });
            }
        });
    }

    // sums += the columns of a tile of rows times the strip of a transposed kernel that begins at
    // column `n`. With masks (gate, row, width), `apart` from one gate to the next, the products of
    // each gate are masked separately.
    template <int ROWS, int VECTORS>
    inline __attribute__((always_inline)) void multiply_back(Vector (&sums)[ROWS][VECTORS],
                                                             const float* columns, long chunk,
                                                             const float* kernel, long n,
                                                             const float* mask, long width,
                                                             long apart) {
        constexpr long strip = VECTORS * LANES;
        const long panels = layer_.panels();
        const float* from = kernel + n * layer_.padded() * G;
        if (!mask) {
            return multiply<ROWS, VECTORS>(sums, {columns, ROW, 1, chunk * ROW}, panels, G * LANES,
                                           from, strip);
        }
        for (int g = 0; g < G; ++g) {
            Vector gate_sums[ROWS][VECTORS] = {};
            multiply<ROWS, VECTORS>(gate_sums, {columns + g * LANES, ROW, 1, chunk * ROW}, panels,
                                    LANES, from + g * LANES * strip, strip,
                                    (G - 1) * LANES * strip);
            for (int i = 0; i < ROWS; ++i)
                for (int v = 0; v < VECTORS; ++v)
                    sums[i][v] += gate_sums[i][v] * load(mask + g * apart + i * width + v * LANES);
        }
    }

    const Layer& layer_;
    const Inputs& in_;
    const Results& results_;
    const Gradients& d_;
    const BackwardWeights<Cell>& weights_;
    const long block_rows_, steps_,
        width_;  // windows of a block, steps of a chunk, channels in whole vectors
    WeightSums<Cell> sums_;
    Array columns_, x_, before_, output_, memory_,
        input_mask_, state_mask_, masked_;
    ActiveRows active_;
};

// Shards are fixed by the batch and their sums are added in order, so that bits do not depend on
// the number of threads.
template <typename Cell>
void run_backward(const Layer& layer, const Inputs& in, const Results& results,
                  const Gradients& d) {
    const BackwardWeights<Cell> weights(layer, in);
    const long blocks = layer.blocks(), shards = std::clamp(blocks, 1L, MOST_SHARDS);
    std::vector<std::optional<WeightSums<Cell>>> sums(shards);
    in_parallel(shards, [&](int shard) {
        sums[shard] = Backward<Cell>(layer, in, results, d, weights)
                          .run(shard * blocks / shards, (shard + 1) * blocks / shards);
    });
    for (long shard = 1; shard < shards; ++shard) sums[0]->add(*sums[shard]);
    sums[0]->write(layer, d);
}
