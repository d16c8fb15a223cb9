// One step of a GRU and of an LSTM for `LANES` units of one window, its gradient, and the cells by
// name.
//
// Numbers of a unit are stored side by side, `LANES` units at a time: first the vector of gate 0,
// then that of gate 1. Gradients have four columns. Those of the products of the input begin at
// `input_first`, those of the state at `state_first`, as many as there are gates. `keras_of_column`
// and `bias_of_column` are the positions of the columns in Keras.
#pragma once

#include "vectors.h"

struct States {
    Vector output, memory;  // a GRU has no memory
};

constexpr int COLUMNS = 4;

// Cho et al. 2014, arXiv 1406.1078, with the reset gate after the product, as in cuDNN:
//     z = sigmoid(x_z + m_z)   r = sigmoid(x_r + m_r)   q = m_h + c
//     g = tanh(x_h + r q)      h' = z h + (1 - z) g
// Columns: g, z, r, q. Keras: z, r, h; biases z, r, h, c.
struct Gru {
    static constexpr const char* name = "gru";
    static constexpr int gates = 3, saved = 4, input_first = 0, state_first = 1;
    static constexpr bool has_memory = false;
    static constexpr int keras_of_column[COLUMNS] = {2, 0, 1, 2};
    static constexpr int bias_of_column[COLUMNS] = {2, 0, 1, 3};
    static constexpr bool input_has_bias[COLUMNS] = {true, true, true, false};
    static constexpr bool state_has_bias[COLUMNS] = {false, false, false, true};

    // x: products of the input with their biases, h, z, r; m: products of the state, z, r, h.
    // save: where to write the saved activations, or null.
    INLINE States step(const float* x, const Vector (&m)[gates], States before, float* save) {
        const Vector z = sigmoid_of(load(x + LANES) + m[0]);
        const Vector r = sigmoid_of(load(x + 2 * LANES) + m[1]);
        const Vector q = m[2];
        const Vector g = tanh_of(load(x) + r * q);
        if (save) {
            const Vector values[saved] = {z, r, g, q};
            for (int i = 0; i < saved; ++i) store(save + i * LANES, values[i]);
        }
        return {z * before.output + (1.0f - z) * g, before.memory};
    }

    // d: gradients of the new states. Returns those of the states before, without the path through
    // the products.
    INLINE States gradients(States d, States before, const float* activations, float* columns) {
        const Vector z = load(activations), r = load(activations + LANES);
        const Vector g = load(activations + 2 * LANES), q = load(activations + 3 * LANES);
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
    static constexpr const char* name = "lstm";
    static constexpr int gates = 4, saved = 6, input_first = 0, state_first = 0;
    static constexpr bool has_memory = true;
    static constexpr int keras_of_column[COLUMNS] = {0, 1, 2, 3};
    static constexpr int bias_of_column[COLUMNS] = {0, 1, 2, 3};
    static constexpr bool input_has_bias[COLUMNS] = {true, true, true, true};
    static constexpr bool state_has_bias[COLUMNS] = {false, false, false, false};

    INLINE States step(const float* x, const Vector (&m)[gates], States before, float* save) {
        const Vector i = sigmoid_of(load(x) + m[0]);
        const Vector f = sigmoid_of(load(x + LANES) + m[1]);
        const Vector g = tanh_of(load(x + 2 * LANES) + m[2]);
        const Vector o = sigmoid_of(load(x + 3 * LANES) + m[3]);
        const Vector memory = f * before.memory + i * g, squashed = tanh_of(memory);
        if (save) {
            const Vector values[saved] = {i, f, g, o, squashed, before.memory};
            for (int k = 0; k < saved; ++k) store(save + k * LANES, values[k]);
        }
        return {o * squashed, memory};
    }

    INLINE States gradients(States d, States, const float* activations, float* columns) {
        const Vector i = load(activations), f = load(activations + LANES);
        const Vector g = load(activations + 2 * LANES), o = load(activations + 3 * LANES);
        const Vector squashed = load(activations + 4 * LANES),
                     memory = load(activations + 5 * LANES);
        const Vector dc = d.memory + d.output * o * (1.0f - squashed * squashed);
        store(columns, dc * g * i * (1.0f - i));
        store(columns + LANES, dc * memory * f * (1.0f - f));
        store(columns + 2 * LANES, dc * i * (1.0f - g * g));
        store(columns + 3 * LANES, d.output * squashed * o * (1.0f - o));
        return {Vector{}, dc * f};
    }
};

// The number of the cell of this name; -1 where there is none. A new cell is added here and below.
inline int find_cell(const char* name) {
    constexpr const char* names[] = {Gru::name, Lstm::name};
    for (int number = 0; number < 2; ++number)
        if (!std::strcmp(name, names[number])) return number;
    return -1;
}

// Call `visit` with the cell of this number.
template <typename Visit>
void with_cell(int number, Visit visit) {
    if (number == 0) visit(Gru{});
    if (number == 1) visit(Lstm{});
}
