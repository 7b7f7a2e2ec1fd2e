// How ONNX operators become ops: one row per (domain, operator, first opset), each a function that reads the ONNX node
// through a Lowering and emits nodes with the builder. Rows stand in import_<family>.cpp; the table of tables in
// import_rows.cpp. To add an operator: one row. Everything a row cannot do is said with unsupported(), which the importer
// collects for all nodes of a model.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "converter/onnx/model.h"
#include "graph/ir/builder.h"
#include "schema/ops.h"

namespace gf::onnx {

/// Thrown by unsupported(); the importer turns it into one line of the report.
struct UnsupportedOperator {
  std::string reason;       ///< "auto_pad SAME with a dynamic height"
  std::string alternative;  ///< nearest way out, may be empty
};

class ImportScope;  // names -> values of one graph or function body; internal to the importer

/// One ONNX node on its way in. Not owned; lives during the row's call.
class Lowering {
 public:
  Lowering(const Node& node, int64_t opset, ir::Builder& builder, ImportScope& scope)
      : node(node), opset(opset), b(builder), scope_(scope) {}

  const Node& node;
  const int64_t opset;      ///< version of the node's domain in force
  ir::Builder& b;

  // --- inputs
  size_t input_count() const { return node.input.size(); }
  bool has_input(size_t i) const { return i < node.input.size() && !node.input[i].empty(); }
  /// Value of input i; throws BadGraph when it is absent or undefined.
  ir::ValueId input(size_t i);
  /// kNoValue when absent.
  ir::ValueId optional_input(size_t i) { return has_input(i) ? input(i) : ir::kNoValue; }
  int rank(size_t i) { return b.rank(input(i)); }
  DType dtype(size_t i) { return b.dtype(input(i)); }
  const DimShape& shape(size_t i) { return b.shape(input(i)); }
  /// Contents of a constant input (also when shape inference knows them); nothing when unknown or absent.
  std::optional<std::vector<int64_t>> const_ints(size_t i);
  std::optional<std::vector<float>> const_floats(size_t i);
  /// Same, but unsupported() when the contents are not known; `what` names it ("the axes input").
  std::vector<int64_t> need_ints(size_t i, const char* what);
  std::vector<float> need_floats(size_t i, const char* what);

  // --- attributes
  bool has_attr(std::string_view name) const { return node.find(name) != nullptr; }
  int64_t int_attr(std::string_view name, int64_t fallback);
  float float_attr(std::string_view name, float fallback);
  std::string string_attr(std::string_view name, std::string_view fallback);
  std::vector<int64_t> ints_attr(std::string_view name, std::vector<int64_t> fallback = {});
  std::vector<float> floats_attr(std::string_view name, std::vector<float> fallback = {});
  std::vector<std::string> strings_attr(std::string_view name, std::vector<std::string> fallback = {});
  const Tensor* tensor_attr(std::string_view name);
  const Graph* graph_attr(std::string_view name);

  // --- outputs
  size_t output_count() const { return node.output.size(); }
  bool wants_output(size_t i) const { return i < node.output.size() && !node.output[i].empty(); }
  void output(size_t i, ir::ValueId value);
  /// Outputs of `n` in order.
  void outputs(const ir::Node& n);

  // --- failure
  [[noreturn]] void unsupported(std::string reason, std::string alternative = {}) const;
  /// The model is wrong (not merely unsupported).
  [[noreturn]] void invalid(const std::string& what, Error code = Error::BadGraph) const;

  ImportScope& scope() { return scope_; }

 private:
  ImportScope& scope_;
};

/// One operator from an opset on: the row with the highest `since` <= the model's opset applies.
struct ImportRow {
  const char* domain;    ///< "" for ai.onnx
  const char* op;        ///< ONNX's spelling
  int since;
  void (*lower)(Lowering& l);
  /// The op that the operator is, one to one: same inputs and outputs, attributes under the same names. The exporter then
  /// needs no row of its own.
  const OpDef* same = nullptr;
};

/// The tables, one per import_<family>.cpp; listed in import_rows.cpp.
std::span<const ImportRow> import_rows_elementwise();
std::span<const ImportRow> import_rows_reduce();
std::span<const ImportRow> import_rows_norm();
std::span<const ImportRow> import_rows_shape();
std::span<const ImportRow> import_rows_index();
std::span<const ImportRow> import_rows_image();
std::span<const ImportRow> import_rows_quantize();
std::span<const ImportRow> import_rows_nn();
std::span<const ImportRow> import_rows_recurrent();
std::span<const ImportRow> import_rows_attention();
std::span<const ImportRow> import_rows_control();

/// All tables.
std::span<const std::span<const ImportRow>> import_rows();

/// Constant holding an ONNX tensor's elements (zero-copy where alignment allows). Throws on a malformed tensor.
ir::ConstantPtr to_constant(const Tensor& tensor);

}  // namespace gf::onnx
