// The loops as two operations of TensorFlow, registered through its C interface, which is the same
// in every version. The work is done by a library of `loops.cc`, which `bigru_connect` names.
//
// BigruForward  : x, kernel, recurrent_kernel, bias, output, memory, input_mask, state_mask
//                 -> outputs, output, memory, saved
// BigruBackward : the same, then outputs, saved, and the gradients of outputs, output and memory
//                 -> gradients of x, kernel, recurrent_kernel, bias, output, memory
// The attribute `cell` is the name of a cell in cells.h. A tensor that a layer does without has no
// elements.

#include <initializer_list>
#include <string>

#include "interface.h"
#include "tensorflow_c.h"

namespace {

const Loops* loops = nullptr;

struct Settings {
    int cell;
    CellSizes sizes;
    bool backwards, save, sequence;
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
                 {"save", &settings->save},
                 {"sequence", &settings->sequence}};
    for (const auto& flag : flags) {
        unsigned char value = 0;
        TF_OpKernelConstruction_GetAttrBool(construction, flag.name, &value, status);
        if (TF_GetCode(status) != TF_OK) TF_OpKernelConstruction_Failure(construction, status);
        *flag.to = value;
    }
    loops->cell_sizes(settings->cell, &settings->sizes);
    TF_DeleteStatus(status);
    return settings;
}

void delete_settings(void* settings) { delete static_cast<Settings*>(settings); }

// The tensors of one call; they are released at its end.
class Call {
  public:
    explicit Call(TF_OpKernelContext* context) : context_(context), status_(TF_NewStatus()) {}
    Call(const Call&) = delete;
    ~Call() {
        for (int i = 0; i < count_; ++i) TF_DeleteTensor(tensors_[i]);
        TF_DeleteStatus(status_);
    }

    TF_Tensor* input(int number) {
        TF_Tensor* tensor = nullptr;
        TF_GetInput(context_, number, &tensor, status_);
        return tensors_[count_++] = tensor;
    }

    // Null for a tensor without elements.
    const float* floats(int number) {
        TF_Tensor* tensor = input(number);
        return TF_TensorElementCount(tensor) ? static_cast<const float*>(TF_TensorData(tensor))
                                             : nullptr;
    }

    // Null where the size is 0 or memory is exhausted; `failed` tells them apart.
    float* output(int number, std::initializer_list<int64_t> shape) {
        int64_t elements = 1;
        for (const int64_t size : shape) elements *= size;
        TF_Tensor* tensor =
            TF_AllocateOutput(context_, number, TF_FLOAT, shape.begin(),
                              static_cast<int>(shape.size()), elements * sizeof(float), status_);
        if (failed()) return nullptr;
        tensors_[count_++] = tensor;
        return elements ? static_cast<float*>(TF_TensorData(tensor)) : nullptr;
    }

    // Whether something went wrong, which is reported to TensorFlow.
    bool failed() {
        if (TF_GetCode(status_) == TF_OK) return false;
        TF_OpKernelContext_Failure(context_, status_);
        return true;
    }

    bool require(bool condition, const char* message) {
        if (!condition) TF_SetStatus(status_, TF_INVALID_ARGUMENT, message);
        return !failed();
    }

  private:
    TF_OpKernelContext* context_;
    TF_Status* status_;
    TF_Tensor* tensors_[24];
    int count_ = 0;
};

constexpr int NUM_INPUTS = 8, NUM_OPTIONAL = 2;  // the last inputs, the masks, may be absent

// Sizes and inputs of a layer; false where they do not fit each other, which is reported.
bool read_layer(Call& call, const Settings& settings, LayerSizes& layer, Inputs& in) {
    TF_Tensor *x = call.input(0), *state = call.input(4);
    const bool has_axes =
        TF_NumDims(x) == 3 && TF_NumDims(state) == 2 && TF_Dim(x, 0) == TF_Dim(state, 0);
    if (!call.require(has_axes, "expected x (B, L, C) and a state (B, U)")) return false;
    layer = {TF_Dim(x, 0), TF_Dim(x, 1), TF_Dim(x, 2), TF_Dim(state, 1), settings.backwards};

    const int64_t gates = settings.sizes.gates, units = layer.units;
    const int64_t inputs = layer.batch * layer.channels, states = layer.batch * units;
    const int64_t expected[NUM_INPUTS] = {inputs * layer.length,
                                          layer.channels * gates * units,
                                          units * gates * units,
                                          4 * units,
                                          states,
                                          settings.sizes.has_memory ? states : 0,
                                          gates * inputs,
                                          gates * states};
    const float* data[NUM_INPUTS];
    for (int i = 0; i < NUM_INPUTS; ++i) {
        TF_Tensor* tensor = call.input(i);
        const int64_t count = TF_TensorElementCount(tensor);
        const bool is_absent = i >= NUM_INPUTS - NUM_OPTIONAL && count == 0;
        const bool fits = count == expected[i] || is_absent;
        if (!call.require(fits,
                          "the sizes of x, kernels, bias, states and masks do not fit each other"))
            return false;
        data[i] = count ? static_cast<const float*>(TF_TensorData(tensor)) : nullptr;
    }
    in = {data[0], data[1], data[2], data[3], data[4], data[5], data[6], data[7]};
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

void any_shape(TF_ShapeInferenceContext* context, TF_Status* status) {
    TF_ShapeInferenceContextSetUnknownShape(context, status);
}

void add(const char* name, std::initializer_list<const char*> inputs,
         std::initializer_list<const char*> outputs, void (*compute)(void*, TF_OpKernelContext*)) {
    TF_Status* status = TF_NewStatus();
    TF_OpDefinitionBuilder* operation = TF_NewOpDefinitionBuilder(name);
    for (const char* attribute :
         {"cell: string", "backwards: bool", "save: bool", "sequence: bool"}) {
        TF_OpDefinitionBuilderAddAttr(operation, attribute);
    }
    for (const char* input : inputs) TF_OpDefinitionBuilderAddInput(operation, input);
    for (const char* output : outputs) TF_OpDefinitionBuilderAddOutput(operation, output);
    TF_OpDefinitionBuilderSetShapeInferenceFunction(operation, any_shape);
    TF_RegisterOpDefinition(operation, status);
    if (TF_GetCode(status) == TF_OK) {
        auto* builder = TF_NewKernelBuilder(name, "CPU", read_settings, compute, delete_settings);
        TF_RegisterKernelBuilder(name, builder, status);
    }
    TF_DeleteStatus(status);
}

}  // namespace

extern "C" __attribute__((visibility("default"))) void TF_InitKernel() {}

// Take the loops of a library; to be called before the operations are.
extern "C" __attribute__((visibility("default"))) void bigru_connect(const Loops* library) { loops = library; }

__attribute__((constructor)) static void add_operations() {
    add("BigruForward",
        {"x: float", "kernel: float", "recurrent_kernel: float", "bias: float", "output: float",
         "memory: float", "input_mask: float", "state_mask: float"},
        {"outputs: float", "last: float", "last_memory: float", "saved: float"}, compute_forward);
    add("BigruBackward",
        {"x: float", "kernel: float", "recurrent_kernel: float", "bias: float", "output: float",
         "memory: float", "input_mask: float", "state_mask: float", "outputs: float",
         "saved: float", "d_outputs: float", "d_last: float", "d_last_memory: float"},
        {"d_x: float", "d_kernel: float", "d_recurrent_kernel: float", "d_bias: float",
         "d_output: float", "d_memory: float"},
        compute_backward);
}
