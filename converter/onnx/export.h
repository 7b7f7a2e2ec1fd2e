// Writes an entry of an ir::Model as an ONNX model: fused ops in base ops, channels-last ops as ONNX's channels-first ones.
// State becomes pairs of inputs and outputs; names and bounds of dimensions and the pairs stand in the metadata, from which
// gf::convert takes them again.
#pragma once

#include <string>
#include <vector>

#include "converter/onnx/model.h"
#include "graph/ir/graph.h"

namespace gf::onnx {

/// Metadata keys of exported models. Values: "output=input" and "NAME=LO..HI", one a line.
inline constexpr const char* kStatesKey = "ghostflow.states";
inline constexpr const char* kDimsKey = "ghostflow.dims";
/// Domain of custom ops whose name has no dot; others have their own: "example.mirror" is `mirror` of domain "example".
inline constexpr const char* kCustomDomain = "ghostflow.custom";
/// Operator set that exported models ask for, unless one of their ops exists only from a later one.
inline constexpr int64_t kExportOpset = 17;

struct ExportOptions {
  std::string entry;        ///< empty: the only one
};

/// One node that ONNX cannot say.
struct Unexportable {
  std::string node;         ///< name of the node or of its result
  std::string op;
  std::string reason;
};

/// Thrown with everything that stands in the way at once. what() is one line per node.
class ExportError : public Exception {
 public:
  explicit ExportError(std::vector<Unexportable> list);
  const std::vector<Unexportable>& list() const { return list_; }

 private:
  std::vector<Unexportable> list_;
};

/// The ONNX model of one entry; weights point into `model`'s constants. Fused ops of the entry are expanded in place. `notes`
/// receives remarks for people. Throws ExportError, or gf::Exception: NotFound (entry), InvalidArgument (several entries and
/// none named).
Model export_model(ir::Model& model, const ExportOptions& options, std::vector<std::string>* notes = nullptr);

}  // namespace gf::onnx
