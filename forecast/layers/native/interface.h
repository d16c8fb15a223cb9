// What a library of the loops offers, in plain C: `loops.cc` has it, `operations.cc` and
// `library.py` call it.
//
// The library depends on the processor and on nothing else; `operations.cc` depends on TensorFlow
// and on no processor.
#pragma once

struct LayerSizes {
    long batch, length, channels, units;
    int backwards;  // in time
    int bfloat16;   // whether products multiply numbers that are rounded to it
};

// Inputs of a layer. `memory` is null for a GRU, the masks where there is no dropout that differs
// by gate, `active` where no step is masked. At a step with `active` 0 the states stay as they are.
struct Inputs {
    const float* x;                          // (batch, length, channels)
    const float *kernel, *recurrent_kernel;  // (channels, gates x units), (units, gates x units)
    const float* bias;                       // (4, units)
    const float *output, *memory;            // (batch, units)
    const float *input_mask, *state_mask;    // (gates, batch, channels), (gates, batch, units)
    const unsigned char* active;             // (batch, length)
    const void* packed;                      // the weights, from `pack`; or null
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

// Outcomes of an update, as in `forecast/training/weight_update.py`.
enum { SOUND, BAD_GRADIENT, BAD_WEIGHT };

struct UpdateNumbers {
    float rate, alpha;              // learning rate; the same, corrected for the steps taken
    float first_rate, second_rate;  // 1 - beta_1, 1 - beta_2
    float epsilon, decay, clip;     // `clip` is 0 for no clipping
};

// A step of the optimizer for `count` arrays. After `BAD_GRADIENT` the new arrays are the old ones.
struct Update {
    long count;
    const long* sizes;
    const float *const *weights, *const *first, *const *second, *const *gradients;
    float *const *new_weights, *const *new_first, *const *new_second;
    const UpdateNumbers* numbers;
    const float* loss;
    int* outcome;
    float* norm;  // of the gradients
};

// All functions. A cell is known by its number; those that return nothing expect sizes that fit.
struct Loops {
    int has_bfloat16;
    int (*find_cell)(const char* name);  // -1 where there is none of this name
    void (*cell_sizes)(int cell, CellSizes* sizes);
    long (*num_saved)(int cell, const LayerSizes* sizes);
    // The kernels and biases as `forward` reads them in float32, for layers of any batch and
    // length, until `release`; without them each call of `forward` makes them.
    const void* (*pack)(int cell, const LayerSizes* sizes, const Inputs* in);
    void (*release)(int cell, const void* packed);
    void (*forward)(int cell, const LayerSizes* sizes, const Inputs* in, const Results* out);
    void (*backward)(int cell, const LayerSizes* sizes, const Inputs* in, const Results* out,
                     const Gradients* d);
    void (*update)(const Update* update);
    void (*set_threads)(int count);  // that run the shards of a batch, the caller's included
};
