// What a library of the loops offers, in plain C: `loops.cc` has it, `operations.cc` and
// `library.py` call it.
//
// The library depends on the processor and on nothing else; `operations.cc` depends on TensorFlow
// and on no processor.
#pragma once

struct LayerSizes {
    long batch, length, channels, units;
    int backwards;  // in time
};

// Inputs of a layer. `memory` is null for a GRU, the masks where there is no dropout that differs
// by gate.
struct Inputs {
    const float* x;                          // (batch, length, channels)
    const float *kernel, *recurrent_kernel;  // (channels, gates x units), (units, gates x units)
    const float* bias;                       // (4, units)
    const float *output, *memory;            // (batch, units)
    const float *input_mask, *state_mask;    // (gates, batch, channels), (gates, batch, units)
};

// Outputs of a layer. `outputs` and `saved` may be null.
struct Results {
    float* outputs;          // (batch, length, units)
    float *output, *memory;  // (batch, units), after the last step
    float* saved;            // activations for the gradient, `num_saved` numbers
};

struct Gradients {
    const float *outputs, *output, *memory;  // given: of the results; `outputs` may be null
    float *x, *kernel, *recurrent_kernel, *bias;
    float *first_output, *first_memory;  // of the states before the first step
};

struct CellSizes {
    int gates, has_memory;
};

// All functions. A cell is known by its number; those that return nothing expect sizes that fit.
struct Loops {
    int (*find_cell)(const char* name);  // -1 where there is none of this name
    void (*cell_sizes)(int cell, CellSizes* sizes);
    long (*num_saved)(int cell, const LayerSizes* sizes);
    void (*forward)(int cell, const LayerSizes* sizes, const Inputs* in, const Results* out);
    void (*backward)(int cell, const LayerSizes* sizes, const Inputs* in, const Results* out,
                     const Gradients* d);
    void (*set_threads)(int count);  // that run the shards of a batch, the caller's included
};
