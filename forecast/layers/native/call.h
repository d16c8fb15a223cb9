// A call of an operation through TensorFlow's C interface.
#pragma once

#include <initializer_list>
#include <vector>

#include "tensorflow_c.h"

// The tensors of one call; they are released at its end.
class Call {
  public:
    explicit Call(TF_OpKernelContext* context) : context_(context), status_(TF_NewStatus()) {}
    Call(const Call&) = delete;
    ~Call() {
        for (TF_Tensor* tensor : tensors_) TF_DeleteTensor(tensor);
        TF_DeleteStatus(status_);
    }

    TF_Tensor* input(int number) {
        TF_Tensor* tensor = nullptr;
        TF_GetInput(context_, number, &tensor, status_);
        tensors_.push_back(tensor);
        return tensor;
    }

    // Null for a tensor without elements.
    const float* floats(int number) {
        TF_Tensor* tensor = input(number);
        return TF_TensorElementCount(tensor) ? static_cast<const float*>(TF_TensorData(tensor))
                                             : nullptr;
    }

    // An output with the shape of an input.
    float* output_like(int number, TF_Tensor* input) {
        std::vector<int64_t> shape(TF_NumDims(input));
        for (size_t axis = 0; axis < shape.size(); ++axis) shape[axis] = TF_Dim(input, axis);
        return static_cast<float*>(
            output_of(number, TF_FLOAT, shape.data(), static_cast<int>(shape.size())));
    }

    // Null where the size is 0 or memory is exhausted; `failed` tells them apart.
    float* output(int number, std::initializer_list<int64_t> shape) {
        return static_cast<float*>(
            output_of(number, TF_FLOAT, shape.begin(), static_cast<int>(shape.size())));
    }
    int* output_int(int number) {
        return static_cast<int*>(output_of(number, TF_INT32, nullptr, 0));
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
    void* output_of(int number, TF_DataType type, const int64_t* shape, int num_dims) {
        int64_t elements = 1;
        for (int axis = 0; axis < num_dims; ++axis) elements *= shape[axis];
        TF_Tensor* tensor = TF_AllocateOutput(context_, number, type, shape, num_dims,
                                              elements * sizeof(float), status_);
        if (failed()) return nullptr;
        tensors_.push_back(tensor);
        return elements ? TF_TensorData(tensor) : nullptr;
    }

    TF_OpKernelContext* context_;
    TF_Status* status_;
    std::vector<TF_Tensor*> tensors_;
};
