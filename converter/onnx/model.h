// The ONNX model in memory: plain structs that mirror onnx.proto (IR version 14, opset 28), field by field.
// Tensor payloads are not copied: a Tensor holds a Bytes that shares ownership of the file it points into, so it stays
// valid after the Model is gone. Not kept: training_info, device configurations and unknown fields (the reader skips
// them). Plain values without locks: many threads may read one Model, one thread may change it.
// Specification: https://github.com/onnx/onnx/blob/main/docs/IR.md and onnx.proto.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/core/dtype.h"

namespace gf::onnx {

/// Read-only bytes together with a share in whatever keeps them alive (a vector, a mapped file). Cheap to copy.
/// The address has no particular alignment: copy elements out with memcpy.
class Bytes {
 public:
  Bytes() = default;
  /// Owns `data`.
  static Bytes take(std::vector<std::byte> data);
  /// Points at `data`; `owner` keeps it alive. Without an owner the caller must.
  static Bytes view(std::span<const std::byte> data, std::shared_ptr<const void> owner = nullptr) {
    Bytes bytes;
    bytes.view_ = data;
    bytes.owner_ = std::move(owner);
    return bytes;
  }
  /// `part` must lie inside this; shares the owner.
  Bytes slice(std::span<const std::byte> part) const { return view(part, owner_); }

  std::span<const std::byte> span() const { return view_; }
  const std::byte* data() const { return view_.data(); }
  size_t size() const { return view_.size(); }
  bool empty() const { return view_.empty(); }
  std::string_view text() const { return {reinterpret_cast<const char*>(view_.data()), view_.size()}; }

 private:
  std::span<const std::byte> view_;
  std::shared_ptr<const void> owner_;
};

/// TensorProto.DataType. A file may hold a number that is not listed here: ask `to_dtype` or `is_known`.
enum class TensorType : int32_t {
  Undefined = 0,
  Float = 1,
  Uint8 = 2,
  Int8 = 3,
  Uint16 = 4,
  Int16 = 5,
  Int32 = 6,
  Int64 = 7,
  String = 8,
  Bool = 9,
  Float16 = 10,
  Double = 11,
  Uint32 = 12,
  Uint64 = 13,
  Complex64 = 14,
  Complex128 = 15,
  BFloat16 = 16,
  Float8E4M3FN = 17,
  Float8E4M3FNUZ = 18,
  Float8E5M2 = 19,
  Float8E5M2FNUZ = 20,
  Uint4 = 21,
  Int4 = 22,
  Float4E2M1 = 23,
  Float8E8M0 = 24,
  Uint2 = 25,
  Int2 = 26,
  Float6E2M3 = 27,
  Float6E3M2 = 28,
};
inline constexpr int32_t kTensorTypeCount = 29;
inline constexpr int64_t kNewestIrVersion = 14;
inline constexpr int64_t kNewestOpset = 28;

constexpr bool is_known(TensorType t) {
  return static_cast<int32_t>(t) > 0 && static_cast<int32_t>(t) < kTensorTypeCount;
}
/// Our element type; DType::Invalid for Undefined, the 6-bit floats (no DType holds them) and unknown numbers.
DType to_dtype(TensorType type);
/// The inverse of to_dtype; Undefined for Invalid.
TensorType to_tensor_type(DType type);
/// ONNX's own name ("FLOAT16", "INT4"), "UNDEFINED" or "unknown". Never null.
const char* tensor_type_name(TensorType type);

/// StringStringEntryProto.
struct StringPair {
  std::string key;
  std::string value;
};

/// The typed payload of a TensorProto in its packed wire form (never copied unless the file spread it over several
/// chunks). `tensor_bytes` turns it into elements.
struct TypedData {
  enum class Field : uint8_t { None, Float, Int32, Int64, Double, Uint64 };
  Field field = Field::None;
  uint64_t count = 0;  ///< numbers in `wire` (for complex types two per element, for 4-bit types one per two elements)
  Bytes wire;          ///< Float, Double: little-endian values; the others: varints
  bool mixed = false;  ///< the file filled more than one typed field; `field` is the last (an error for check_tensor)
};

/// TensorProto. Where the elements are: `location`, then `raw_data`, then `typed` or `strings`.
struct Tensor {
  std::string name;
  TensorType data_type = TensorType::Undefined;
  std::vector<int64_t> dims;
  std::optional<Bytes> raw_data;     ///< little-endian, row-major, sub-byte types low bits first
  TypedData typed;                   ///< float_data, int32_data, int64_data, double_data or uint64_data
  std::vector<std::string> strings;  ///< string_data
  enum class Location : int32_t { Default = 0, External = 1 } location = Location::Default;
  std::vector<StringPair> external_data;  ///< keys location, offset, length, checksum; see external_data.h
  bool has_segment = false;               ///< part of a bigger tensor (no known writer; refused by check_tensor)
  std::string doc_string;
  std::vector<StringPair> metadata_props;
};

/// SparseTensorProto; the tensor's name is `values.name`. `densify` in tensor_data.h validates and expands it.
struct SparseTensor {
  Tensor values;
  Tensor indices;
  std::vector<int64_t> dims;
};

/// TensorShapeProto.Dimension.
struct Dimension {
  enum class Kind : uint8_t { Unknown, Value, Param };
  Kind kind = Kind::Unknown;
  int64_t value = 0;  ///< for Kind::Value; may be negative in a bad file
  std::string param;  ///< for Kind::Param, the symbolic name
  std::string denotation;
};

/// TypeProto.
struct Type {
  enum class Kind : uint8_t { None, Tensor, SparseTensor, Sequence, Optional, Map, Opaque };
  Kind kind = Kind::None;
  TensorType elem_type = TensorType::Undefined;  ///< Tensor, SparseTensor; key type of a Map
  std::optional<std::vector<Dimension>> shape;   ///< Tensor, SparseTensor; absent means unknown rank
  std::vector<Type> element;                     ///< Sequence, Optional: element; Map: value. Empty or one entry
  std::string opaque_domain, opaque_name;
  std::string denotation;
};

/// ValueInfoProto.
struct ValueInfo {
  std::string name;
  std::optional<Type> type;
  std::string doc_string;
  std::vector<StringPair> metadata_props;
};

/// AttributeProto.AttributeType.
enum class AttributeType : int32_t {
  Undefined = 0,
  Float = 1,
  Int = 2,
  String = 3,
  Tensor = 4,
  Graph = 5,
  Floats = 6,
  Ints = 7,
  Strings = 8,
  Tensors = 9,
  Graphs = 10,
  SparseTensor = 11,
  SparseTensors = 12,
  Type = 13,
  Types = 14,
};
inline constexpr int32_t kAttributeTypeCount = 15;
/// ONNX's own name ("INTS"). Never null.
const char* attribute_type_name(AttributeType type);

struct Graph;

/// AttributeProto. After reading, `type` is set (inferred for old files) and exactly the member that it names is
/// filled; a single tensor, graph, sparse tensor or type is entry 0 of its vector. With `ref_attr_name` (only inside
/// functions) the value comes from the caller's attribute of that name and all values are empty.
struct Attribute {
  std::string name;
  AttributeType type = AttributeType::Undefined;
  std::string ref_attr_name;
  float f = 0;
  int64_t i = 0;
  std::string s;  ///< any bytes
  std::vector<float> floats;
  std::vector<int64_t> ints;
  std::vector<std::string> strings;
  std::vector<Tensor> tensors;
  std::vector<Graph> graphs;
  std::vector<SparseTensor> sparse_tensors;
  std::vector<Type> types;
  std::string doc_string;
};

/// NodeProto. An empty name in `input` or `output` means "left out".
struct Node {
  std::string name, op_type, domain, overload;
  std::vector<std::string> input;
  std::vector<std::string> output;
  std::vector<Attribute> attribute;
  std::string doc_string;
  std::vector<StringPair> metadata_props;

  /// The attribute of that name, or null.
  const Attribute* find(std::string_view attribute_name) const;
};

/// TensorAnnotation.
struct QuantizationAnnotation {
  std::string tensor_name;
  std::vector<StringPair> parameter_tensor_names;
};

/// GraphProto.
struct Graph {
  std::string name;
  std::vector<Node> node;
  std::vector<Tensor> initializer;
  std::vector<SparseTensor> sparse_initializer;
  std::vector<ValueInfo> input;
  std::vector<ValueInfo> output;
  std::vector<ValueInfo> value_info;
  std::vector<QuantizationAnnotation> quantization_annotation;
  std::string doc_string;
  std::vector<StringPair> metadata_props;
};

/// OperatorSetIdProto. The domains "" and "ai.onnx" are the same.
struct OpsetId {
  std::string domain;
  int64_t version = 0;
};

/// FunctionProto, identified by (domain, name, overload).
struct Function {
  std::string name, domain, overload;
  std::vector<std::string> input;
  std::vector<std::string> output;
  std::vector<std::string> attribute;        ///< attributes without a default
  std::vector<Attribute> attribute_default;  ///< attribute_proto: attributes with a default value
  std::vector<Node> node;
  std::vector<OpsetId> opset_import;
  std::vector<ValueInfo> value_info;
  std::string doc_string;
  std::vector<StringPair> metadata_props;
};

/// ModelProto.
struct Model {
  int64_t ir_version = 0;
  std::vector<OpsetId> opset_import;
  std::string producer_name, producer_version, domain;
  int64_t model_version = 0;
  std::string doc_string;
  Graph graph;
  std::vector<Function> function;
  std::vector<StringPair> metadata_props;
  bool has_training_info = false;  ///< the file had training_info, which was skipped

  /// Version of the standard operator set ("" or "ai.onnx"); 1 for IR versions before 3; 0 when there is none.
  int64_t opset() const { return opset("ai.onnx"); }
  /// Version of the operator set `op_domain`, 0 when it is not imported.
  int64_t opset(std::string_view op_domain) const;
};

struct OptionalValue;
struct Map;

/// SequenceProto.DataType and OptionalProto.DataType.
enum class ElementKind : int32_t { Undefined = 0, Tensor = 1, SparseTensor = 2, Sequence = 3, Map = 4, Optional = 5 };

/// SequenceProto (a file of test data): the vector that `kind` names holds the elements.
struct Sequence {
  std::string name;
  ElementKind kind = ElementKind::Undefined;
  std::vector<Tensor> tensors;
  std::vector<SparseTensor> sparse_tensors;
  std::vector<Sequence> sequences;
  std::vector<Map> maps;
  std::vector<OptionalValue> optionals;
};

/// MapProto: `keys` or `string_keys`, and values[0] with as many elements (no values entry: an empty map).
struct Map {
  std::string name;
  TensorType key_type = TensorType::Undefined;
  std::vector<int64_t> keys;
  std::vector<std::string> string_keys;
  std::vector<Sequence> values;
};

/// OptionalProto: the vector that `kind` names holds the value; all empty means "no value".
struct OptionalValue {
  std::string name;
  ElementKind kind = ElementKind::Undefined;
  std::vector<Tensor> tensor;
  std::vector<SparseTensor> sparse_tensor;
  std::vector<Sequence> sequence;
  std::vector<Map> map;
  std::vector<OptionalValue> optional;
};

}  // namespace gf::onnx
