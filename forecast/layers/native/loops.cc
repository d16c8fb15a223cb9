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

void forward(int cell, const LayerSizes* sizes, const Inputs* in, const Results* out) {
    with_cell(cell, [&](auto kind) { run_forward<decltype(kind)>(Layer(*sizes), *in, *out); });
}

void backward(int cell, const LayerSizes* sizes, const Inputs* in, const Results* out,
              const Gradients* d) {
    with_cell(cell, [&](auto kind) { run_backward<decltype(kind)>(Layer(*sizes), *in, *out, *d); });
}

void update(const Update* all) { run_update(*all); }

constexpr Loops LOOPS = {find_cell, cell_sizes, num_saved, forward, backward, update, set_threads};

}  // namespace

extern "C" __attribute__((visibility("default"))) const Loops* bigru_loops() { return &LOOPS; }
