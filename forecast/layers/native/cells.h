// One step of a GRU and of an LSTM for `LANES` units of one window, and its slopes.
//
// Numbers of a unit stand beside each other, `LANES` units at a time: first the vector of gate 0, then that of gate 1.
// Slopes have four columns. Those of the products of the input begin at `input_first`, those of the state at
// `state_first`, as many as there are gates. `keras_of_...` says where Keras has what the columns mean.
#pragma once

#include "vectors.h"

struct States {
    Vector output, memory;  // a GRU has no memory
};

constexpr int COLUMNS = 4;

// Cho et al. 2014, arXiv 1406.1078, with the reset gate after the product, as in cuDNN:
//     z = sigmoid(x_z + m_z)   r = sigmoid(x_r + m_r)   q = m_h + c   g = tanh(x_h + r q)   h' = z h + (1 - z) g
// Columns: g, z, r, q. Keras: z, r, h; biases z, r, h, c.
struct Gru {
    static constexpr int gates = 3, kept = 4, input_first = 0, state_first = 1;
    static constexpr bool has_memory = false;
    static constexpr int keras_of_column[COLUMNS] = {2, 0, 1, 2}, bias_of_column[COLUMNS] = {2, 0, 1, 3};
    static constexpr bool input_has_bias[COLUMNS] = {true, true, true, false};
    static constexpr bool state_has_bias[COLUMNS] = {false, false, false, true};

    // x: products of the input with their biases, h, z, r; m: of the state, z, r, h.
    INLINE States step(const float* x, const Vector (&m)[gates], States before, float* keep) {
        const Vector z = sigmoid_of(load(x + LANES) + m[0]), r = sigmoid_of(load(x + 2 * LANES) + m[1]), q = m[2];
        const Vector g = tanh_of(load(x) + r * q);
        if (keep) {
            const Vector values[kept] = {z, r, g, q};
            for (int i = 0; i < kept; ++i) store(keep + i * LANES, values[i]);
        }
        return {z * before.output + (1.0f - z) * g, before.memory};
    }

    // d: slopes of the new states. Returns those of the states before, without what comes through the product.
    INLINE States slopes(States d, States before, const float* keep, float* columns) {
        const Vector z = load(keep), r = load(keep + LANES), g = load(keep + 2 * LANES), q = load(keep + 3 * LANES);
        const Vector dg = d.output * (1.0f - z) * (1.0f - g * g);
        store(columns, dg);
        store(columns + LANES, d.output * (before.output - g) * z * (1.0f - z));
        store(columns + 2 * LANES, dg * q * r * (1.0f - r));
        store(columns + 3 * LANES, dg * r);
        return {d.output * z, d.memory};
    }
};

// Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000:
//     i, f, o = sigmoid(x + m)   g = tanh(x + m)   c' = f c + i g   h' = o tanh(c')
// Columns, and the order of Keras: i, f, g, o.
struct Lstm {
    static constexpr int gates = 4, kept = 6, input_first = 0, state_first = 0;
    static constexpr bool has_memory = true;
    static constexpr int keras_of_column[COLUMNS] = {0, 1, 2, 3}, bias_of_column[COLUMNS] = {0, 1, 2, 3};
    static constexpr bool input_has_bias[COLUMNS] = {true, true, true, true};
    static constexpr bool state_has_bias[COLUMNS] = {false, false, false, false};

    INLINE States step(const float* x, const Vector (&m)[gates], States before, float* keep) {
        const Vector i = sigmoid_of(load(x) + m[0]), f = sigmoid_of(load(x + LANES) + m[1]);
        const Vector g = tanh_of(load(x + 2 * LANES) + m[2]), o = sigmoid_of(load(x + 3 * LANES) + m[3]);
        const Vector memory = f * before.memory + i * g, shown = tanh_of(memory);
        if (keep) {
            const Vector values[kept] = {i, f, g, o, shown, before.memory};
            for (int k = 0; k < kept; ++k) store(keep + k * LANES, values[k]);
        }
        return {o * shown, memory};
    }

    INLINE States slopes(States d, States, const float* keep, float* columns) {
        const Vector i = load(keep), f = load(keep + LANES), g = load(keep + 2 * LANES), o = load(keep + 3 * LANES);
        const Vector shown = load(keep + 4 * LANES), memory = load(keep + 5 * LANES);
        const Vector dc = d.memory + d.output * o * (1.0f - shown * shown);
        store(columns, dc * g * i * (1.0f - i));
        store(columns + LANES, dc * memory * f * (1.0f - f));
        store(columns + 2 * LANES, dc * i * (1.0f - g * g));
        store(columns + 3 * LANES, d.output * shown * o * (1.0f - o));
        return {Vector{}, dc * f};
    }
};
