// The loops as two operations of TensorFlow, registered through its C interface, which is the same in every version.
//
// BigruForward  : x, kernel, recurrent_kernel, bias, output, memory, input_mask, state_mask
//                 -> outputs, output, memory, kept
// BigruBackward : the same, then outputs, kept, and the slopes of outputs, output and memory
//                 -> slopes of x, kernel, recurrent_kernel, bias, output, memory
// A tensor that a layer does without has no elements.

#include "backward.h"
#include "forward.h"

#include "tensorflow/c/kernels.h"
#include "tensorflow/c/ops.h"
#include "tensorflow/c/tf_tensor.h"

namespace {

struct Settings {
    bool lstm, backwards, keep, sequence;
};

void* read_settings(TF_OpKernelConstruction* construction) {
    auto* settings = new Settings();
    TF_Status* status = TF_NewStatus();
    const struct {
        const char* name;
        bool* to;
    } fields[] = {{"lstm", &settings->lstm},
                  {"backwards", &settings->backwards},
                  {"keep", &settings->keep},
                  {"sequence", &settings->sequence}};
    for (const auto& field : fields) {
        unsigned char value = 0;
        TF_OpKernelConstruction_GetAttrBool(construction, field.name, &value, status);
        if (TF_GetCode(status) != TF_OK) TF_OpKernelConstruction_Failure(construction, status);
        *field.to = value;
    }
    TF_DeleteStatus(status);
    return settings;
}

void delete_settings(void* settings) { delete static_cast<Settings*>(settings); }

// The tensors of one call; they are let go at its end.
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
        return TF_TensorElementCount(tensor) ? static_cast<const float*>(TF_TensorData(tensor)) : nullptr;
    }

    // Null where the size is 0 or memory is at its end; `failed` tells them apart.
    float* output(int number, std::initializer_list<int64_t> shape) {
        int64_t elements = 1;
        for (const int64_t size : shape) elements *= size;
        TF_Tensor* tensor = TF_AllocateOutput(context_, number, TF_FLOAT, shape.begin(), static_cast<int>(shape.size()),
                                              elements * sizeof(float), status_);
        if (failed()) return nullptr;
        tensors_[count_++] = tensor;
        return elements ? static_cast<float*>(TF_TensorData(tensor)) : nullptr;
    }

    // Whether something went wrong; TensorFlow is told.
    bool failed() {
        if (TF_GetCode(status_) == TF_OK) return false;
        TF_OpKernelContext_Failure(context_, status_);
        return true;
    }

    bool require(bool holds, const char* message) {
        if (!holds) TF_SetStatus(status_, TF_INVALID_ARGUMENT, message);
        return !failed();
    }

  private:
    TF_OpKernelContext* context_;
    TF_Status* status_;
    TF_Tensor* tensors_[24];
    int count_ = 0;
};

constexpr int NUM_INPUTS = 8, NUM_OPTIONAL = 2;  // the last ones may be left out

bool read_layer(Call& call, const Settings& settings, Layer& layer, Inputs& in) {
    TF_Tensor *x = call.input(0), *state = call.input(4);
    const bool sound = TF_NumDims(x) == 3 && TF_NumDims(state) == 2 && TF_Dim(x, 0) == TF_Dim(state, 0);
    if (!call.require(sound, "expected x (B, L, C) and a state (B, U)")) return false;
    layer = {TF_Dim(x, 0), TF_Dim(x, 1), TF_Dim(x, 2), TF_Dim(state, 1), settings.backwards};
    const int64_t gates = settings.lstm ? Lstm::gates : Gru::gates, units = layer.units, states = layer.batch * units;
    const int64_t inputs = layer.batch * layer.channels;
    const int64_t expected[NUM_INPUTS] = {inputs * layer.length,
                                          layer.channels * gates * units,
                                          units * gates * units,
                                          4 * units,
                                          states,
                                          settings.lstm ? states : 0,
                                          gates * inputs,
                                          gates * states};
    const float* data[NUM_INPUTS];
    for (int i = 0; i < NUM_INPUTS; ++i) {
        TF_Tensor* tensor = call.input(i);
        const int64_t count = TF_TensorElementCount(tensor);
        const bool fits = count == expected[i] || (i >= NUM_INPUTS - NUM_OPTIONAL && count == 0);
        if (!call.require(fits, "the sizes of x, kernels, bias, states and masks do not fit each other")) return false;
        data[i] = count ? static_cast<const float*>(TF_TensorData(tensor)) : nullptr;
    }
    in = {data[0], data[1], data[2], data[3], data[4], data[5], data[6], data[7]};
    return true;
}

void compute_forward(void* kernel, TF_OpKernelContext* context) {
    const Settings& settings = *static_cast<Settings*>(kernel);
    Call call(context);
    Layer layer;
    Inputs in;
    if (!read_layer(call, settings, layer, in)) return;
    const long batch = layer.batch, length = layer.length, kept = settings.lstm ? Lstm::kept : Gru::kept;
    Results out;
    out.outputs = call.output(0, {batch, settings.sequence ? length : 0, layer.units});
    out.output = call.output(1, {batch, layer.units});
    out.memory = call.output(2, {settings.lstm ? batch : 0, layer.units});
    out.kept = call.output(3, {settings.keep ? length : 0, layer.panels(), batch, kept, LANES});
    if (call.failed() || batch * layer.units == 0) return;
    if (settings.lstm) {
        Forward<Lstm>(layer, in, out).run();
    } else {
        Forward<Gru>(layer, in, out).run();
    }
}

void compute_backward(void* kernel, TF_OpKernelContext* context) {
    const Settings& settings = *static_cast<Settings*>(kernel);
    Call call(context);
    Layer layer;
    Inputs in;
    if (!read_layer(call, settings, layer, in)) return;
    const int64_t batch = layer.batch, units = layer.units, gates = settings.lstm ? Lstm::gates : Gru::gates;
    Results results{};
    results.outputs = const_cast<float*>(call.floats(NUM_INPUTS));
    results.kept = const_cast<float*>(call.floats(NUM_INPUTS + 1));
    Slopes d{};
    d.outputs = call.floats(NUM_INPUTS + 2);
    d.output = call.floats(NUM_INPUTS + 3);
    d.memory = call.floats(NUM_INPUTS + 4);
    d.x = call.output(0, {batch, layer.length, layer.channels});
    d.kernel = call.output(1, {layer.channels, gates * units});
    d.recurrent_kernel = call.output(2, {units, gates * units});
    d.bias = call.output(3, {4, units});
    d.first_output = call.output(4, {batch, units});
    d.first_memory = call.output(5, {settings.lstm ? batch : 0, units});
    if (call.failed()) return;
    const bool sound = batch == 0 || (results.outputs && results.kept && d.output && (d.memory || !settings.lstm));
    if (!call.require(sound, "expected the outputs and what was kept of them")) return;
    if (settings.lstm) {
        Backward<Lstm>(layer, in, results, d).run();
    } else {
        Backward<Gru>(layer, in, results, d).run();
    }
}

void any_shape(TF_ShapeInferenceContext* context, TF_Status* status) {
    TF_ShapeInferenceContextSetUnknownShape(context, status);
}

void add(const char* name, std::initializer_list<const char*> inputs, std::initializer_list<const char*> outputs,
         void (*compute)(void*, TF_OpKernelContext*)) {
    TF_Status* status = TF_NewStatus();
    TF_OpDefinitionBuilder* operation = TF_NewOpDefinitionBuilder(name);
    for (const char* attribute : {"lstm: bool", "backwards: bool", "keep: bool", "sequence: bool"}) {
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

extern "C" void TF_InitKernel() {}

__attribute__((constructor)) static void add_operations() {
    add("BigruForward",
        {"x: float", "kernel: float", "recurrent_kernel: float", "bias: float", "output: float", "memory: float",
         "input_mask: float", "state_mask: float"},
        {"outputs: float", "last: float", "last_memory: float", "kept: float"}, compute_forward);
    add("BigruBackward",
        {"x: float", "kernel: float", "recurrent_kernel: float", "bias: float", "output: float", "memory: float",
         "input_mask: float", "state_mask: float", "outputs: float", "kept: float", "d_outputs: float", "d_last: float",
         "d_last_memory: float"},
        {"d_x: float", "d_kernel: float", "d_recurrent_kernel: float", "d_bias: float", "d_output: float",
         "d_memory: float"},
        compute_backward);
}
