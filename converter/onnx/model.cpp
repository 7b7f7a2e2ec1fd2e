#include "converter/onnx/model.h"

#include <array>

namespace gf::onnx {
namespace {

struct TypeRow {
  const char* name;
  DType dtype;
};

// Indexed by TensorType.
constexpr std::array<TypeRow, kTensorTypeCount> kTypes = {{
    {"UNDEFINED", DType::Invalid},
    {"FLOAT", DType::F32},
    {"UINT8", DType::U8},
    {"INT8", DType::I8},
    {"UINT16", DType::U16},
    {"INT16", DType::I16},
    {"INT32", DType::I32},
    {"INT64", DType::I64},
    {"STRING", DType::String},
    {"BOOL", DType::Bool},
    {"FLOAT16", DType::F16},
    {"DOUBLE", DType::F64},
    {"UINT32", DType::U32},
    {"UINT64", DType::U64},
    {"COMPLEX64", DType::C64},
    {"COMPLEX128", DType::C128},
    {"BFLOAT16", DType::BF16},
    {"FLOAT8E4M3FN", DType::F8E4M3FN},
    {"FLOAT8E4M3FNUZ", DType::F8E4M3FNUZ},
    {"FLOAT8E5M2", DType::F8E5M2},
    {"FLOAT8E5M2FNUZ", DType::F8E5M2FNUZ},
    {"UINT4", DType::U4},
    {"INT4", DType::I4},
    {"FLOAT4E2M1", DType::F4E2M1},
    {"FLOAT8E8M0", DType::F8E8M0},
    {"UINT2", DType::U2},
    {"INT2", DType::I2},
    {"FLOAT6E2M3", DType::Invalid},
    {"FLOAT6E3M2", DType::Invalid},
}};

constexpr std::array<const char*, kAttributeTypeCount> kAttributeTypes = {
    "UNDEFINED", "FLOAT",   "INT",    "STRING",        "TENSOR",         "GRAPH",      "FLOATS",     "INTS",
    "STRINGS",   "TENSORS", "GRAPHS", "SPARSE_TENSOR", "SPARSE_TENSORS", "TYPE_PROTO", "TYPE_PROTOS"};

std::string_view canonical_domain(std::string_view domain) { return domain == "ai.onnx" ? std::string_view{} : domain; }

}  // namespace

Bytes Bytes::take(std::vector<std::byte> data) {
  auto owner = std::make_shared<const std::vector<std::byte>>(std::move(data));
  const std::span<const std::byte> span(*owner);
  return view(span, std::move(owner));
}

DType to_dtype(TensorType type) { return is_known(type) ? kTypes[static_cast<size_t>(type)].dtype : DType::Invalid; }

TensorType to_tensor_type(DType type) {
  if (type == DType::Invalid) return TensorType::Undefined;
  for (size_t i = 1; i < kTypes.size(); ++i)
    if (kTypes[i].dtype == type) return static_cast<TensorType>(i);
  return TensorType::Undefined;
}

const char* tensor_type_name(TensorType type) {
  const auto index = static_cast<int32_t>(type);
  return index >= 0 && index < kTensorTypeCount ? kTypes[static_cast<size_t>(index)].name : "unknown";
}

const char* attribute_type_name(AttributeType type) {
  const auto index = static_cast<int32_t>(type);
  return index >= 0 && index < kAttributeTypeCount ? kAttributeTypes[static_cast<size_t>(index)] : "unknown";
}

const Attribute* Node::find(std::string_view attribute_name) const {
  for (const Attribute& a : attribute)
    if (a.name == attribute_name) return &a;
  return nullptr;
}

int64_t Model::opset(std::string_view op_domain) const {
  const std::string_view wanted = canonical_domain(op_domain);
  for (const OpsetId& id : opset_import)
    if (canonical_domain(id.domain) == wanted) return id.version;
  // Files before IR version 3 (2017) had no opset_import and mean the first operator set.
  return wanted.empty() && ir_version < 3 && opset_import.empty() ? 1 : 0;
}

}  // namespace gf::onnx
