// The loops as a library without TensorFlow, see `interface.h`.

#include "backward.h"
#include "forward.h"
#include "interface.h"
#include "shards.h"
#include "update.h"

namespace {

void cell_sizes(int cell, CellSizes* sizes) {
    with_cell(cell, [&](auto kind) {
        using Cell = decltype(kind);
        *sizes = {Cell::gates, Cell::has_memory};
    });
}

long num_saved(int cell, const LayerSizes* sizes) {
    long count = 0;
    with_cell(cell, [&](auto kind) { count = Layer(*sizes).num_saved<decltype(kind)>(); });
    return count;
}

// Call `visit` with the factors of a layer's products.
template <typename Visit>
void with_factors([[maybe_unused]] const LayerSizes& sizes, Visit visit) {
#if defined(__AVX512BF16__)
    if (sizes.bfloat16) return visit(Bfloat16{});
#endif
    visit(Float32{});
}

const void* pack(int cell, const LayerSizes* sizes, const Inputs* in) {
    const void* packed = nullptr;
    with_cell(cell, [&](auto kind) {
        packed = new ForwardWeights<decltype(kind), Float32>(Layer(*sizes), *in);
    });
    return packed;
}

void release(int cell, const void* packed) {
    with_cell(cell, [&](auto kind) {
        delete static_cast<const ForwardWeights<decltype(kind), Float32>*>(packed);
    });
}

void forward(int cell, const LayerSizes* sizes, const Inputs* in, const Results* out) {
    with_cell(cell, [&](auto kind) {
        with_factors(*sizes, [&](auto factors) {
            run_forward<decltype(kind), decltype(factors)>(Layer(*sizes), *in, *out);
        });
    });
}

void backward(int cell, const LayerSizes* sizes, const Inputs* in, const Results* out,
              const Gradients* d) {
    with_cell(cell, [&](auto kind) {
        with_factors(*sizes, [&](auto factors) {
            run_backward<decltype(kind), decltype(factors)>(Layer(*sizes), *in, *out, *d);
        });
    });
}

void update(const Update* all) { run_update(*all); }

constexpr Loops LOOPS = {HAS_BFLOAT16, find_cell, cell_sizes, num_saved, pack,
                         release,      forward,   backward,   update,    set_threads};

}  // namespace

extern "C" __attribute__((visibility("default"))) const Loops* bigru_loops() { return &LOOPS; }
