// Writes the structs of model.h as ONNX protobuf files, and helpers to build those structs.
// Output is deterministic: fields in the order of their numbers (as protobuf's C++ writer does), lists unpacked where
// onnx.proto does not ask for packing, empty texts left out. Weights are copied once, into the result.
// Protobuf readers refuse files of 2 GiB and more; ours does not. No state; any thread.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "converter/onnx/model.h"

namespace gf::onnx {

/// A ModelProto. Errors: InvalidArgument for an attribute without type or without the value that its type names.
/// Nothing else is checked: run check_tensors, check_names and check_versions on what you built.
std::vector<std::byte> write_model(const Model& model);
/// A TensorProto file.
std::vector<std::byte> write_tensor(const Tensor& tensor);
/// A SequenceProto file.
std::vector<std::byte> write_sequence(const Sequence& sequence);

/// A tensor with `data` (dense little-endian elements) as raw_data.
Tensor make_tensor(std::string name, DType type, std::vector<int64_t> dims, Bytes data);
/// An INT64 tensor of rank 1.
Tensor make_int64s(std::string name, const std::vector<int64_t>& values);

Attribute make_attribute(std::string name, int64_t value);
inline Attribute make_attribute(std::string name, int value) {
  return make_attribute(std::move(name), int64_t{value});
}
Attribute make_attribute(std::string name, float value);
Attribute make_attribute(std::string name, std::string value);
Attribute make_attribute(std::string name, std::vector<int64_t> values);
Attribute make_attribute(std::string name, std::vector<float> values);
Attribute make_attribute(std::string name, std::vector<std::string> values);
Attribute make_attribute(std::string name, Tensor value);
Attribute make_attribute(std::string name, Graph value);

Dimension make_dim(int64_t value);
Dimension make_dim(std::string symbol);
/// A tensor type with a shape.
Type make_tensor_type(DType type, std::vector<Dimension> shape);

}  // namespace gf::onnx
