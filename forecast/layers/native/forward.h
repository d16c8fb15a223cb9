// A recurrent layer over a sequence.
//
// The products of the input are taken for a chunk of steps at once; those of the state end in
// registers, where the step of the cell uses them.
#pragma once

#include <optional>

#include "factors.h"
#include "layout.h"
#include "shards.h"

// The weights as the loop reads them, shared by all blocks.
template <typename Cell, typename Factors>
struct ForwardWeights {
    ForwardWeights(const Layer& layer, const Inputs& in)
        : kernel(kernel_of<Factors>(
              by_panels<Cell>(layer, in.kernel, layer.channels, Cell::input_first), layer.panels(),
              layer.channels, Cell::gates * LANES)),
          recurrent(kernel_of<Factors>(
              by_panels<Cell>(layer, in.recurrent_kernel, layer.units, Cell::state_first),
              layer.panels(), layer.units, Cell::gates * LANES)),
          input_bias(
              biases_by_panels<Cell>(layer, in.bias, Cell::input_first, Cell::input_has_bias)),
          state_bias(
              biases_by_panels<Cell>(layer, in.bias, Cell::state_first, Cell::state_has_bias)) {}

    const Numbers<typename Factors::Number> kernel, recurrent;
    const Array input_bias, state_bias;
};

template <typename Cell, typename Factors>
class Forward {
  public:
    Forward(const Layer& layer, const Inputs& in, const Results& out,
            const ForwardWeights<Cell, Factors>& weights)
        : layer_(layer),
          in_(in),
          out_(out),
          weights_(weights),
          block_rows_(layer.block_rows()),
          steps_(layer.chunk_steps()),
          width_(Factors::each == 1 ? layer.channels : layer.whole_channels()),
          x_(steps_ * block_rows_ * width_),
          products_(layer.panels() * steps_ * block_rows_ * G * LANES),
          state_(block_rows_ * layer.padded()),
          next_(block_rows_ * layer.padded()),
          memory_(block_rows_ * layer.padded()),
          input_mask_(in.input_mask ? G * block_rows_ * width_ : 0),
          state_mask_(in.state_mask ? G * block_rows_ * layer.padded() : 0),
          masked_x_(in.input_mask ? G * steps_ * block_rows_ * width_ : 0),
          masked_state_(in.state_mask ? G * block_rows_ * layer.padded() : 0),
          active_(layer, in.active),
          x_factors_(copied<Factors>(std::max(x_.size, masked_x_.size))),
          state_factors_(copied<Factors>(std::max(state_.size, masked_state_.size))) {}

    // The windows of a block.
    void run(long block) {
        const long b = block * block_rows_;
        run_block(b, std::min(block_rows_, layer_.batch - b));
    }

  private:
    using Number = typename Factors::Number;
    static constexpr int G = Cell::gates;

    // The windows from `b` on.
    void run_block(long b, long rows) {
        const long units = layer_.units, padded = layer_.padded();
        copy_rows(state_, padded, in_.output + b * units, units, rows, units);
        if (Cell::has_memory)
            copy_rows(memory_, padded, in_.memory + b * units, units, rows, units);
        read_masks<Cell>(layer_, in_.input_mask, layer_.channels, Cell::input_first, b, rows,
                         width_, input_mask_);
        read_masks<Cell>(layer_, in_.state_mask, units, Cell::state_first, b, rows, padded,
                         state_mask_);
        for (long begin = 0; begin < layer_.length; begin += steps_) {
            const long count = std::min(steps_, layer_.length - begin);
            active_.read(b, rows, begin, count);
            multiply_inputs(b, rows, begin, count);
            for (long s = 0; s < count; ++s) {
                const Number* factors = state_factors(rows);
                for (long p = 0; p < layer_.panels(); ++p) {
                    take_step(b, rows, layer_.time(begin + s), p, s * rows, factors,
                              products_ + (p * count + s) * rows * G * LANES);
                }
                std::swap(state_.at, next_.at);
            }
        }
        copy_rows(out_.output + b * units, units, state_, padded, rows, units);
        if (Cell::has_memory)
            copy_rows(out_.memory + b * units, units, memory_, padded, rows, units);
    }

    // The products of a chunk of the input, biases added, as (panel, step, row, gate, lane).
    void multiply_inputs(long b, long rows, long begin, long count) {
        const long channels = layer_.channels, chunk = count * rows;
        const long depth = numbers_of<Factors>(channels), row = numbers_of<Factors>(width_);
        read_chunk(layer_, in_.x + b * layer_.length * channels, begin, count, rows, width_, x_);
        const float* read = x_;
        if (in_.input_mask) {
            apply_masks(x_, input_mask_, G, count, rows * width_, masked_x_);
            read = masked_x_;
        }
        const long num_read = (in_.input_mask ? G : 1) * chunk * width_;
        const Number* factors = Factors::side_by_side(read, num_read, x_factors_);
        for (long p = 0; p < layer_.panels(); ++p) {
            const float* start = weights_.input_bias + p * G * LANES;
            for_tiles<G>(chunk, [&](auto tile, long r) __attribute__((always_inline)) {
                constexpr int R = decltype(tile)::value;
                if (active_.are_idle(r, R)) return;
                Vector sums[R][G];
                for (int i = 0; i < R; ++i)
                    for (int g = 0; g < G; ++g) sums[i][g] = load(start + g * LANES);
                multiply_gates<R, G, Number>(sums, {factors + r * row, row, 1, 0},
                                             in_.input_mask ? chunk * row : 0, depth,
                                             weights_.kernel + p * depth * G * LANES, G * LANES);
                float* to = products_ + (p * chunk + r) * G * LANES;
                for (int i = 0; i < R; ++i)
                    for (int g = 0; g < G; ++g) store(to + (i * G + g) * LANES, sums[i][g]);
            });
        }
    }

    // The states before a step as factors, with masks for each gate.
    const Number* state_factors(long rows) {
        const long size = rows * layer_.padded();
        if (!in_.state_mask) return Factors::side_by_side(state_, size, state_factors_);
        apply_masks(state_, state_mask_, G, 1, size, masked_state_);
        return Factors::side_by_side(masked_state_, G * size, state_factors_);
    }

    // One panel of one step, from `state_` and its factors into `next_`; its rows begin at `first`
    // of the chunk.
    void take_step(long b, long rows, long t, long p, long first, const Number* factors,
                   const float* products) {
        const long units = layer_.units, padded = layer_.padded();
        const long depth = numbers_of<Factors>(units), row = numbers_of<Factors>(padded);
        const int lanes = std::min<long>(LANES, units - p * LANES);
        const float* start = weights_.state_bias + p * G * LANES;
        for_tiles<G>(rows, [&](auto tile, long r) __attribute__((always_inline)) {
            constexpr int R = decltype(tile)::value;
            Vector sums[R][G];
            for (int i = 0; i < R; ++i)
                for (int g = 0; g < G; ++g) sums[i][g] = load(start + g * LANES);
            if (!active_.are_idle(first + r, R)) {
                multiply_gates<R, G, Number>(sums, {factors + r * row, row, 1, 0},
                                             in_.state_mask ? rows * row : 0, depth,
                                             weights_.recurrent + p * depth * G * LANES, G * LANES);
            }
            for (int i = 0; i < R; ++i) {
                const long at = (r + i) * padded + p * LANES, window = b + r + i;
                const long offset = (t * layer_.panels() + p) * layer_.batch + window;
                float* save = out_.saved ? out_.saved + offset * Cell::saved * LANES : nullptr;
                const States before{load(state_ + at),
                                    Cell::has_memory ? load(memory_ + at) : Vector{}};
                States after = before;
                if (active_.is_active(first + r + i))
                    after = Cell::step(products + (r + i) * G * LANES, sums[i], before, save);
                store(next_ + at, after.output);
                if (Cell::has_memory) store(memory_ + at, after.memory);
                if (out_.outputs) {
                    store_some(out_.outputs + (window * layer_.length + t) * units + p * LANES,
                               after.output, lanes);
                }
            }
        });
    }

    const Layer& layer_;
    const Inputs& in_;
    const Results& out_;
    const ForwardWeights<Cell, Factors>& weights_;
    const long block_rows_, steps_, width_;  // windows of a block, steps of a chunk, columns of x_
    Array x_, products_, state_, next_, memory_, input_mask_, state_mask_, masked_x_, masked_state_;
    ActiveRows active_;
    Numbers<Number> x_factors_, state_factors_;
};

template <typename Cell, typename Factors>
void run_forward(const Layer& layer, const Inputs& in, const Results& out) {
    std::optional<ForwardWeights<Cell, Factors>> made;
    const auto* weights = static_cast<const ForwardWeights<Cell, Factors>*>(in.packed);
    if (!weights) weights = &made.emplace(layer, in);
    in_parallel(layer.blocks(),
                [&](int block) { Forward<Cell, Factors>(layer, in, out, *weights).run(block); });
}
