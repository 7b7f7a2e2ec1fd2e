// Limits of what is read, places in a model for messages, and the checks that need no op knowledge.
// Everything here throws gf::Exception with the field path of the culprit. No state; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "converter/onnx/model.h"
#include "runtime/core/error.h"

namespace gf::onnx {

/// Bounds for untrusted files; beyond one of them is Error::LimitExceeded. Memory used while reading is at most
/// `max_structure_bytes` plus the file itself (mapped or read once).
struct ReadLimits {
  uint64_t max_file_bytes = uint64_t{64} << 30;        ///< of the model file, and of each external data file
  uint64_t max_structure_bytes = uint64_t{512} << 20;  ///< decoded structs, names, attributes (weights do not count)
  uint64_t max_nodes = 1'000'000;                      ///< over all graphs and functions
  uint64_t max_tensors = 1'000'000;                    ///< over initializers, attributes, sequences
  int max_rank = 8;                                    ///< of a tensor or a declared shape
  int64_t max_elements = int64_t{1} << 40;             ///< of one tensor
  uint64_t max_dense_bytes = uint64_t{4} << 30;        ///< of one tensor that must be decoded (typed data, sparse)
  int max_graph_depth = 16;                            ///< graphs inside attributes of nodes; the main graph is 1
  int max_message_depth = 100;                         ///< nested protobuf messages of any kind, as in protobuf
  size_t max_name_bytes = size_t{64} << 10;            ///< names of anything
  size_t max_text_bytes = size_t{64} << 20;            ///< doc strings, metadata, string attributes and elements
};

/// One step of a place such as `graph.node[3].attribute[1].t`: a linked list on the stack, made text only on failure.
struct FieldPath {
  const FieldPath* parent = nullptr;
  std::string_view field;  ///< empty for the root
  int64_t index = -1;      ///< -1 when the field is not a list
  std::string text() const;
};

/// For messages: `text` with control bytes, backslashes, quotes and invalid UTF-8 as \xNN, cut after `max_bytes`.
std::string printable(std::string_view text, size_t max_bytes = 80);
/// True for well-formed UTF-8 (no overlong forms, no surrogates, at most U+10FFFF).
bool is_utf8(std::string_view text);

/// Throws gf::Exception: "<path>: <what>".
[[noreturn]] void fail_at(Error code, const FieldPath& path, const std::string& what);

/// Product of `dims` after checking rank, signs, overflow (of the non-zero dims too) and limits.max_elements.
int64_t checked_count(std::span<const int64_t> dims, const ReadLimits& limits, const FieldPath& path);
/// Bytes of `count` elements in dense storage (6-bit floats included). Throws for String, Undefined, unknown types.
uint64_t checked_bytes(int64_t count, TensorType type, const FieldPath& path);

/// Dims, type and payload agree: one kind of payload, the right one for the type, of the right size.
/// Errors: BadFile, Unsupported (unknown type, segment), LimitExceeded. External payloads are looked at by
/// external_data.
void check_tensor(const Tensor& tensor, const ReadLimits& limits, const FieldPath& path);
/// check_tensor for every tensor of the model (read_model does it), declared shapes included.
void check_tensors(const Model& model, const ReadLimits& limits);

/// Operator-set imports of the model and its functions: each domain once, versions >= 1, a standard one (none needed
/// before IR version 3), none newer than `newest_opset`; IR version 1..kNewestIrVersion. Errors: BadVersion.
void check_versions(const Model& model, int64_t newest_opset = kNewestOpset);

/// Names inside each graph and function: no value defined twice (inputs, initializers, node outputs; an initializer may
/// give the default of an input), none empty where one is needed, attribute names unique in a node, functions unique.
/// Errors: BadGraph, BadAttribute.
void check_names(const Model& model);

}  // namespace gf::onnx
