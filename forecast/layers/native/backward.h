// The gradient of a recurrent layer.
//
// Only the gradients of the states go from step to step. Those of the input and of the kernels are
// products computed for a chunk of steps at once, from the gradients of its gates: (panel, step,
// row, column, lane).
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "factors.h"
#include "layout.h"
#include "shards.h"

// The kernels as the loop reads them, shared by all shards.
template <typename Cell, typename Factors>
struct BackwardWeights {
    BackwardWeights(const Layer& layer, const Inputs& in)
        : kernel(transposed_factors(layer, in.kernel, layer.channels, Cell::input_first)),
          recurrent(
              transposed_factors(layer, in.recurrent_kernel, layer.units, Cell::state_first)) {}

    const Numbers<typename Factors::Number> kernel, recurrent;

  private:
    // `transposed`, whose strips have two vectors or one.
    static Numbers<typename Factors::Number> transposed_factors(const Layer& layer,
                                                                const float* kernel, long rows,
                                                                int first) {
        const long width = (rows + LANES - 1) / LANES * LANES;
        const long length = layer.padded() * Cell::gates;
        Array packed = transposed<Cell>(layer, kernel, rows, first);
        if constexpr (Factors::each == 1) {
            return packed;
        } else {
            Numbers<typename Factors::Number> to(numbers_of<Factors>(length) * width);
            for_columns(width, [&](auto vectors, long n) {
                Factors::by_rows(packed + n * length, length, decltype(vectors)::value * LANES,
                                 to + n * numbers_of<Factors>(length));
            });
            return to;
        }
    }
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

template <typename Cell, typename Factors>
class Backward {
  public:
    // `results`: the outputs and saved activations that `Forward` wrote.
    Backward(const Layer& layer, const Inputs& in, const Results& results, const Gradients& d,
             const BackwardWeights<Cell, Factors>& weights)
        : layer_(layer),
          in_(in),
          results_(results),
          d_(d),
          weights_(weights),
          block_rows_(layer.block_rows()),
          steps_(layer.chunk_steps()),
          width_(layer.whole_channels()),
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
          active_(layer, in.active),
          column_factors_(copied<Factors>(columns_.size)),
          column_rows_(copied<Factors>(columns_.size + layer.panels() * ROW)),
          left_rows_(copied<Factors>(
              std::max({x_.size, before_.size, masked_.size}) +
              G * std::max(layer.padded(), width_))) {}

    // The windows of some blocks; returns the gradients of the weights.
    WeightSums<Cell> run(long first_block, long end_block) {
        for (long b = first_block * block_rows_; b < end_block * block_rows_ && b < layer_.batch;
             b += block_rows_)
            run_block(b, std::min(block_rows_, layer_.batch - b));
        return std::move(sums_);
    }

  private:
    using Number = typename Factors::Number;
    static constexpr int G = Cell::gates, ROW = COLUMNS * LANES, EACH = Factors::each;

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
            const Number* columns = nullptr;
            active_.read(b, rows, end, count);
            for (long s = count - 1; s >= 0; --s) {
                step_gradients(b, rows, end + s, s, chunk);
                columns = step_factors(rows, s, chunk);
                add_state_gradients(rows, s * rows, columns + s * rows * ROW / EACH, chunk);
            }
            add_kernel_gradients(b, rows, end, count);
            write_input_gradients(b, rows, columns, end, count);
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

    // The gradients of the gates of a chunk as factors, those of step `s` made just now.
    const Number* step_factors(long rows, long s, long chunk) {
        if constexpr (EACH == 1) {
            return columns_;
        } else {
            for (long p = 0; p < layer_.panels(); ++p) {
                const long at = (p * chunk + s * rows) * ROW;
                Factors::side_by_side(columns_ + at, rows * ROW, column_factors_ + at / EACH);
            }
            return column_factors_;
        }
    }

    // Add the gradients that pass through the products of the state.
    void add_state_gradients(long rows, long first_row, const Number* step_columns, long chunk) {
        const long padded = layer_.padded();
        for_columns(padded, [&](auto vectors, long n) __attribute__((always_inline)) {
            constexpr int V = decltype(vectors)::value;
            for_tiles<V>(rows, [&](auto tile, long r) __attribute__((always_inline)) {
                constexpr int R = decltype(tile)::value;
                if (active_.are_idle(first_row + r, R)) return;
                Vector sums[R][V] = {};
                const Number* columns =
                    step_columns + (r * ROW + Cell::state_first * LANES) / EACH;
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
        const RowFactors columns =
            row_factors(columns_, layer_.panels(), chunk, ROW, column_rows_);
        add_products(read, channels, width_, in_.input_mask ? G : 1, columns, Cell::input_first,
                     chunk, sums_.kernel);
        read = before_;
        if (in_.state_mask) {
            apply_masks(before_, state_mask_, G, count, rows * padded, masked_);
            read = masked_;
        }
        add_products(read, layer_.units, padded, in_.state_mask ? G : 1, columns,
                     Cell::state_first, chunk, sums_.recurrent);
        for (long p = 0; p < layer_.panels(); ++p) {
            Vector sums[COLUMNS] = {};
            for (long r = first; r < end; ++r)
                for (int c = 0; c < COLUMNS; ++c)
                    sums[c] += load(columns_ + (p * chunk + r) * ROW + c * LANES);
            for (int c = 0; c < COLUMNS; ++c) add_to(sums_.bias + c * padded + p * LANES, sums[c]);
        }
    }

    // Arrays of factors that follow each other by rows, each `apart` from the one before.
    struct RowFactors {
        const Number* at;
        long apart;
    };

    // The rows of arrays (chunk, width) from the first active one to the last one.
    RowFactors row_factors(const float* from, long arrays, long chunk, long width,
                           Numbers<Number>& to) {
        const long first = active_.first(), count = active_.length(chunk);
        if constexpr (EACH == 1) {
            return {from + first * width, chunk * width};
        } else {
            const long size = numbers_of<Factors>(count) * width;
            for (long n = 0; n < arrays; ++n)
                Factors::by_rows(from + (n * chunk + first) * width, count, width, to + n * size);
            return {to, size};
        }
    }

    // sums (panel, row of a, gate, lane) += a (chunk, a_width), transposed, times the columns from
    // `first` on; `num_left` is the number of a's: with masks each gate has its own. Each chunk is
    // summed separately: sums over many rows would lose digits. Rows before the first active one and
    // after the last one are left out.
    void add_products(const float* a, long a_rows, long a_width, int num_left,
                      const RowFactors& all_columns, int first, long chunk, float* sums) {
        const long depth = numbers_of<Factors>(active_.length(chunk));
        const RowFactors left = row_factors(a, num_left, chunk, a_width, left_rows_);
        const long apart = num_left > 1 ? left.apart : 0;
        for (long p = 0; p < layer_.panels(); ++p) {
            const Number* columns = all_columns.at + p * all_columns.apart + first * LANES;
            for_tiles<G>(a_rows, [&](auto tile, long m) __attribute__((always_inline)) {
                constexpr int R = decltype(tile)::value;
                Vector chunk_sums[R][G] = {};
                multiply_gates<R, G, Number>(chunk_sums, {left.at + m, 1, a_width, 0}, apart, depth,
                                             columns, ROW);
                float* to = sums + (p * a_rows + m) * G * LANES;
                for (int i = 0; i < R; ++i)
                    for (int g = 0; g < G; ++g) add_to(to + (i * G + g) * LANES, chunk_sums[i][g]);
            });
        }
    }

    // Write the gradients of a chunk of the input.
    void write_input_gradients(long b, long rows, const Number* all_columns, long begin,
                               long count) {
        const long channels = layer_.channels, row = layer_.length * channels, chunk = count * rows;
        for_columns(width_, [&](auto vectors, long n) __attribute__((always_inline)) {
            constexpr int V = decltype(vectors)::value;
            for (long s = 0; s < count; ++s) {
                float* to = d_.x + b * row + layer_.time(begin + s) * channels + n;
                for_tiles<V>(rows, [&](auto tile, long r) __attribute__((always_inline)) {
                    constexpr int R = decltype(tile)::value;
                    Vector sums[R][V] = {};  // stay 0 where no row of the tile is active
                    const Number* columns =
                        all_columns + ((s * rows + r) * ROW + Cell::input_first * LANES) / EACH;
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
                                                             const Number* columns, long chunk,
                                                             const Number* kernel, long n,
                                                             const float* mask, long width,
                                                             long apart) {
        constexpr long strip = VECTORS * LANES, row = ROW / EACH, depth = LANES / EACH;
        const long panels = layer_.panels();
        const Number* from = kernel + n * layer_.padded() * G / EACH;
        if (!mask) {
            return multiply<ROWS, VECTORS, Number>(sums, {columns, row, 1, chunk * row}, panels,
                                                   G * depth, from, strip);
        }
        for (int g = 0; g < G; ++g) {
            Vector gate_sums[ROWS][VECTORS] = {};
            multiply<ROWS, VECTORS, Number>(gate_sums, {columns + g * depth, row, 1, chunk * row},
                                            panels, depth, from + g * depth * strip, strip,
                                            (G - 1) * depth * strip);
            for (int i = 0; i < ROWS; ++i)
                for (int v = 0; v < VECTORS; ++v)
                    sums[i][v] += gate_sums[i][v] * load(mask + g * apart + i * width + v * LANES);
        }
    }

    const Layer& layer_;
    const Inputs& in_;
    const Results& results_;
    const Gradients& d_;
    const BackwardWeights<Cell, Factors>& weights_;
    const long block_rows_, steps_,
        width_;  // windows of a block, steps of a chunk, channels in whole vectors
    WeightSums<Cell> sums_;
    Array columns_, x_, before_, output_, memory_,
        input_mask_, state_mask_, masked_;
    ActiveRows active_;
    // The gradients of the gates as factors of the products with kernels, and of those over rows;
    // the left factors of the latter.
    Numbers<Number> column_factors_, column_rows_, left_rows_;
};

// Shards are fixed by the batch and their sums are added in order, so that bits do not depend on
// the number of threads.
template <typename Cell, typename Factors>
void run_backward(const Layer& layer, const Inputs& in, const Results& results,
                  const Gradients& d) {
    const BackwardWeights<Cell, Factors> weights(layer, in);
    const long blocks = layer.blocks(), shards = std::clamp(blocks, 1L, MOST_SHARDS);
    std::vector<std::optional<WeightSums<Cell>>> sums(shards);
    in_parallel(shards, [&](int shard) {
        sums[shard] = Backward<Cell, Factors>(layer, in, results, d, weights)
                          .run(shard * blocks / shards, (shard + 1) * blocks / shards);
    });
    for (long shard = 1; shard < shards; ++shard) sums[0]->add(*sums[shard]);
    sums[0]->write(layer, d);
}
