// The loops as three operations of TensorFlow, registered through its C interface, which is the same
// in every version. The work is done by a library of `loops.cc`, which `bigru_connect` names.
//
// BigruForward  : x, kernel, recurrent_kernel, bias, output, memory, input_mask, state_mask, active
//                 -> outputs, output, memory, saved
// BigruBackward : the same, then outputs, saved, and the gradients of outputs, output and memory
//                 -> gradients of x, kernel, recurrent_kernel, bias, output, memory
// BigruUpdate   : N weights, first and second moments, and gradients; a loss, and the numbers of
//                 `UpdateNumbers` -> N weights, first and second moments; the outcome, and the norm
//                 of the gradients
// The attribute `cell` is the name of a cell in cells.h, `rounded` says whether factors of products
// are rounded to bfloat16. A tensor that a layer does without has no
// elements.

#include <string>
#include <vector>

#include "call.h"
#include "interface.h"
#include "tensorflow_c.h"

namespace {

const Loops* loops = nullptr;

struct Settings {
    int cell;
    CellSizes sizes;
    bool backwards, bfloat16, save, sequence;
};

// The attribute `cell`; empty where it cannot be read, which `status` reports.
std::string read_cell(TF_OpKernelConstruction* construction, TF_Status* status) {
    int32_t list_size = 0, size = 0;
    TF_OpKernelConstruction_GetAttrSize(construction, "cell", &list_size, &size, status);
    if (TF_GetCode(status) != TF_OK) return "";
    std::string name(size, '\0');
    TF_OpKernelConstruction_GetAttrString(construction, "cell", &name[0], name.size(), status);
    return name;
}

void* read_settings(TF_OpKernelConstruction* construction) {
    auto* settings = new Settings();
    TF_Status* status = TF_NewStatus();
    settings->cell = loops->find_cell(read_cell(construction, status).c_str());
    if (TF_GetCode(status) == TF_OK && settings->cell < 0) {
        TF_SetStatus(status, TF_INVALID_ARGUMENT, "cells.h has no cell of this name");
    }
    if (TF_GetCode(status) != TF_OK) TF_OpKernelConstruction_Failure(construction, status);

    const struct {
        const char* name;
        bool* to;
    } flags[] = {{"backwards", &settings->backwards},
                 {"rounded", &settings->bfloat16},
                 {"save", &settings->save},
                 {"sequence", &settings->sequence}};
    for (const auto& flag : flags) {
        unsigned char value = 0;
        TF_OpKernelConstruction_GetAttrBool(construction, flag.name, &value, status);
        if (TF_GetCode(status) != TF_OK) TF_OpKernelConstruction_Failure(construction, status);
        *flag.to = value;
    }
    if (settings->bfloat16 && !loops->has_bfloat16) {
        TF_SetStatus(status, TF_INVALID_ARGUMENT, "the processor has no products of bfloat16");
        TF_OpKernelConstruction_Failure(construction, status);
    }
    loops->cell_sizes(settings->cell, &settings->sizes);
    TF_DeleteStatus(status);
    return settings;
}

void delete_settings(void* settings) { delete static_cast<Settings*>(settings); }

constexpr int NUM_INPUTS = 9, NUM_OPTIONAL = 3;  // the last inputs, the masks, may be absent

// Sizes and inputs of a layer; false where they do not fit each other, which is reported.
bool read_layer(Call& call, const Settings& settings, LayerSizes& layer, Inputs& in) {
    TF_Tensor *x = call.input(0), *state = call.input(4);
    const bool has_axes =
        TF_NumDims(x) == 3 && TF_NumDims(state) == 2 && TF_Dim(x, 0) == TF_Dim(state, 0);
    if (!call.require(has_axes, "expected x (B, L, C) and a state (B, U)")) return false;
    layer = {TF_Dim(x, 0),     TF_Dim(x, 1),       TF_Dim(x, 2),
             TF_Dim(state, 1), settings.backwards, settings.bfloat16};

    const int64_t gates = settings.sizes.gates, units = layer.units;
    const int64_t inputs = layer.batch * layer.channels, states = layer.batch * units;
    const int64_t expected[NUM_INPUTS] = {inputs * layer.length,
                                          layer.channels * gates * units,
                                          units * gates * units,
                                          4 * units,
                                          states,
                                          settings.sizes.has_memory ? states : 0,
                                          gates * inputs,
                                          gates * states,
                                          layer.batch * layer.length};
    const void* data[NUM_INPUTS];
    for (int i = 0; i < NUM_INPUTS; ++i) {
        TF_Tensor* tensor = call.input(i);
        const int64_t count = TF_TensorElementCount(tensor);
        const bool is_absent = i >= NUM_INPUTS - NUM_OPTIONAL && count == 0;
        const bool fits = count == expected[i] || is_absent;
        if (!call.require(fits,
                          "the sizes of x, kernels, bias, states and masks do not fit each other"))
            return false;
        data[i] = count ? TF_TensorData(tensor) : nullptr;
    }
    const auto floats = [&](int i) { return static_cast<const float*>(data[i]); };
    in = {floats(0), floats(1), floats(2), floats(3), floats(4), floats(5), floats(6), floats(7),
          static_cast<const unsigned char*>(data[8]), nullptr};
    return true;
}

void compute_forward(void* kernel, TF_OpKernelContext* context) {
    const Settings& settings = *static_cast<Settings*>(kernel);
    Call call(context);
    LayerSizes layer;
    Inputs in;
    if (!read_layer(call, settings, layer, in)) return;
    const long batch = layer.batch, length = layer.length;
    Results out;
    out.outputs = call.output(0, {batch, settings.sequence ? length : 0, layer.units});
    out.output = call.output(1, {batch, layer.units});
    out.memory = call.output(2, {settings.sizes.has_memory ? batch : 0, layer.units});
    out.saved = call.output(3, {settings.save ? loops->num_saved(settings.cell, &layer) : 0});
    if (call.failed() || batch * layer.units == 0) return;
    loops->forward(settings.cell, &layer, &in, &out);
}

void compute_backward(void* kernel, TF_OpKernelContext* context) {
    const Settings& settings = *static_cast<Settings*>(kernel);
    Call call(context);
    LayerSizes layer;
    Inputs in;
    if (!read_layer(call, settings, layer, in)) return;
    const int64_t batch = layer.batch, units = layer.units, gates = settings.sizes.gates;
    Results results{};
    results.outputs = const_cast<float*>(call.floats(NUM_INPUTS));
    results.saved = const_cast<float*>(call.floats(NUM_INPUTS + 1));
    Gradients d{};
    d.outputs = call.floats(NUM_INPUTS + 2);
    d.output = call.floats(NUM_INPUTS + 3);
    d.memory = call.floats(NUM_INPUTS + 4);
    d.x = call.output(0, {batch, layer.length, layer.channels});
    d.kernel = call.output(1, {layer.channels, gates * units});
    d.recurrent_kernel = call.output(2, {units, gates * units});
    d.bias = call.output(3, {4, units});
    d.first_output = call.output(4, {batch, units});
    d.first_memory = call.output(5, {settings.sizes.has_memory ? batch : 0, units});
    if (call.failed()) return;
    const bool has_memory = d.memory || !settings.sizes.has_memory;
    const bool complete =
        batch == 0 || (results.outputs && results.saved && d.output && has_memory);
    if (!call.require(complete, "expected the outputs and the activations saved with them")) return;
    loops->backward(settings.cell, &layer, &in, &results, &d);
}

// How many arrays a call of `BigruUpdate` has.
void* read_count(TF_OpKernelConstruction* construction) {
    auto* count = new int64_t(0);
    TF_Status* status = TF_NewStatus();
    TF_OpKernelConstruction_GetAttrInt64(construction, "N", count, status);
    if (TF_GetCode(status) != TF_OK) TF_OpKernelConstruction_Failure(construction, status);
    TF_DeleteStatus(status);
    return count;
}

void delete_count(void* count) { delete static_cast<int64_t*>(count); }

void compute_update(void* kernel, TF_OpKernelContext* context) {
    const int count = static_cast<int>(*static_cast<int64_t*>(kernel));
    constexpr int given = 4, kept = 3;  // weights, first, second, gradients; all but the last
    Call call(context);
    std::vector<TF_Tensor*> inputs(given * count);
    std::vector<const float*> from(given * count);
    std::vector<float*> to(kept * count);
    std::vector<long> sizes(count);
    for (int i = 0; i < given * count; ++i) {
        inputs[i] = call.input(i);
        const int64_t size = TF_TensorElementCount(inputs[i]);
        if (i < count) sizes[i] = size;
        if (!call.require(size == sizes[i % count], "expected arrays of equal sizes")) return;
        from[i] = static_cast<const float*>(TF_TensorData(inputs[i]));
    }
    const float* loss = call.floats(given * count);
    TF_Tensor* numbers = call.input(given * count + 1);
    const bool complete = TF_TensorElementCount(numbers) * sizeof(float) == sizeof(UpdateNumbers);
    if (!call.require(complete, "expected the numbers of an update")) return;
    for (int i = 0; i < kept * count; ++i) to[i] = call.output_like(i, inputs[i]);
    int* outcome = call.output_int(kept * count);
    float* norm = call.output(kept * count + 1, {});
    if (call.failed()) return;

    const Update update = {count,
                           sizes.data(),
                           from.data(),
                           from.data() + count,
                           from.data() + 2 * count,
                           from.data() + 3 * count,
                           to.data(),
                           to.data() + count,
                           to.data() + 2 * count,
                           static_cast<const UpdateNumbers*>(TF_TensorData(numbers)),
                           loss,
                           outcome,
                           norm};
    loops->update(&update);
}

void any_shape(TF_ShapeInferenceContext* context, TF_Status* status) {
    TF_ShapeInferenceContextSetUnknownShape(context, status);
}

// A kernel of an operation: made from its attributes, called, deleted.
struct Kernel {
    void* (*create)(TF_OpKernelConstruction*);
    void (*compute)(void*, TF_OpKernelContext*);
    void (*destroy)(void*);
};

void add(const char* name, std::initializer_list<const char*> attributes,
         std::initializer_list<const char*> inputs, std::initializer_list<const char*> outputs,
         const Kernel& kernel) {
    TF_Status* status = TF_NewStatus();
    TF_OpDefinitionBuilder* operation = TF_NewOpDefinitionBuilder(name);
    for (const char* text : attributes) TF_OpDefinitionBuilderAddAttr(operation, text);
    for (const char* text : inputs) TF_OpDefinitionBuilderAddInput(operation, text);
    for (const char* text : outputs) TF_OpDefinitionBuilderAddOutput(operation, text);
    TF_OpDefinitionBuilderSetShapeInferenceFunction(operation, any_shape);
    TF_RegisterOpDefinition(operation, status);
    if (TF_GetCode(status) == TF_OK) {
        auto* builder =
            TF_NewKernelBuilder(name, "CPU", kernel.create, kernel.compute, kernel.destroy);
        TF_RegisterKernelBuilder(name, builder, status);
    }
    TF_DeleteStatus(status);
}

}  // namespace

extern "C" __attribute__((visibility("default"))) void TF_InitKernel() {}

// Take the loops of a library; to be called before the operations are.
extern "C" __attribute__((visibility("default"))) void bigru_connect(const Loops* library) { loops = library; }

__attribute__((constructor)) static void add_operations() {
    const std::initializer_list<const char*> settings = {"cell: string", "backwards: bool",
                                                         "rounded: bool", "save: bool",
                                                         "sequence: bool"};
    add("BigruForward", settings,
        {"x: float", "kernel: float", "recurrent_kernel: float", "bias: float", "output: float",
         "memory: float", "input_mask: float", "state_mask: float", "active: bool"},
        {"outputs: float", "last: float", "last_memory: float", "saved: float"},
        {read_settings, compute_forward, delete_settings});
    add("BigruBackward", settings,
        {"x: float", "kernel: float", "recurrent_kernel: float", "bias: float", "output: float",
         "memory: float", "input_mask: float", "state_mask: float", "active: bool",
         "outputs: float", "saved: float", "d_outputs: float", "d_last: float", "d_last_memory: float"},
        {"d_x: float", "d_kernel: float", "d_recurrent_kernel: float", "d_bias: float",
         "d_output: float", "d_memory: float"},
        {read_settings, compute_backward, delete_settings});
    add("BigruUpdate", {"N: int >= 1"},
        {"weights: N * float", "first: N * float", "second: N * float", "gradients: N * float",
         "loss: float", "numbers: float"},
        {"new_weights: N * float", "new_first: N * float", "new_second: N * float",
         "outcome: int32", "norm: float"},
        {read_count, compute_update, delete_count});
}
