// How ops become ONNX operators: the other direction of lowering.h. An op that is an ONNX operator one to one needs nothing
// here (ImportRow::same); every other has one ExportRow in export_rows_<family>.cpp. A row asks a Raising for the names of
// its inputs, in ONNX's order of axes where it says first(), and emits ONNX nodes. What a row cannot say: unsupported().
#pragma once

#include <initializer_list>
#include <optional>

#include "converter/onnx/attribute_names.h"
#include "converter/onnx/export.h"
#include "converter/onnx/lowering.h"
#include "converter/onnx/writer.h"
#include "graph/passes/rewrite.h"

namespace gf::onnx {

/// Thrown by unsupported(); the exporter turns it into one line of the report.
struct NotExportable {
  std::string reason;
};

class Exporter;  // one model on its way out; internal

using Names = std::vector<std::string>;
using Attributes = std::vector<Attribute>;

/// One node on its way out. Not owned; lives during the row's call.
class Raising {
 public:
  /// `forms`: per input, how its tensor lies: input = transpose(tensor, form).
  Raising(Exporter& exporter, const ir::Node& node, std::vector<Perm> forms, std::vector<Perm> out_forms);

  const ir::Node& node;
  int64_t opset() const;

  template <class Op>
  typename Op::Attrs attrs() const {
    return ir::attrs_of<Op>(node);
  }

  // --- inputs
  bool has(size_t i) const { return node.input(i) != ir::kNoValue; }
  const ir::Value& value(size_t i) const;
  int rank(size_t i) const { return value(i).shape.rank; }
  DType dtype(size_t i) const { return value(i).dtype; }
  /// Dimensions of the tensor that in(i) names, whose axes may lie in another order than those of value(i).
  DimShape tensor_shape(size_t i) const;
  /// Contents where they are known.
  std::optional<std::vector<int64_t>> ints(size_t i) const;
  std::string in(size_t i);                      ///< name of input i; "" when left out
  std::string first(size_t i);                   ///< the same with channels first (N C spatial..)
  std::string in_form(size_t i, const Perm& form);
  Names all();                                   ///< in(i) of all inputs

  // --- constants
  std::string ints_value(const std::vector<int64_t>& values);
  std::string floats_value(const std::vector<float>& values);
  std::string scalar(DType dtype, double value);

  // --- nodes
  /// An intermediate result.
  std::string temp(const char* op, Names inputs, Attributes attributes = {});
  /// The node whose outputs are this node's, in the order of axes that the inputs were taken in.
  void emit(const char* op, Names inputs, Attributes attributes = {});
  void emit_first(const char* op, Names inputs, Attributes attributes = {});     ///< outputs have channels first
  void emit_forms(const char* op, Names inputs, Attributes attributes, std::vector<Perm> out_forms, const char* domain = "");
  /// Every field of the attributes under its own name.
  Attributes same_attributes() const;

  [[noreturn]] void unsupported(std::string reason) const { throw NotExportable{std::move(reason)}; }
  /// What the operator of ONNX does not give: an error when somebody reads output `first` or a later one.
  void refuse_outputs_from(size_t first) const {
    for (size_t k = first; k < node.outputs.size(); ++k)
      if (node.outputs[k] != ir::kNoValue) unsupported("results are read that ONNX does not give");
  }

 private:
  Exporter& exporter_;
  std::vector<Perm> forms_, out_forms_;
};

/// value = transpose(tensor, form) for a channels-last value that is stored with channels first.
Perm channels_first_form(int rank);
Perm identity_form(int rank);

/// ONNX's number of an element type.
inline int64_t type_number(DType type) { return static_cast<int64_t>(to_tensor_type(type)); }

/// One op. `since`: first opset that can say it; a row that knows better gives `needs`, for this node.
struct ExportRow {
  const OpDef* op;
  int since;
  bool image;                                    ///< uses first(): never moved before a transpose by the exporter
  void (*raise)(Raising& r);
  int (*needs)(const ir::Entry& entry, const ir::Node& node) = nullptr;
};

std::span<const ExportRow> export_rows_nn();
std::span<const ExportRow> export_rows_image();
std::span<const ExportRow> export_rows_shape();
std::span<const ExportRow> export_rows_other();

/// The row of an op, or nullptr (then the importer's rows may have one with `same`).
const ExportRow* find_export_row(const OpDef& op);
/// The operator that is the op one to one, or nullptr.
const ImportRow* find_same_row(const OpDef& op);

}  // namespace gf::onnx
