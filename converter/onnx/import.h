// ONNX model -> ir::Entry. Lowers every node through the rows of lowering.h, inlines functions, folds constants on the
// way (rows often need the contents of inputs), and collects everything unsupported before giving up.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "converter/onnx/external_data.h"
#include "converter/onnx/model.h"
#include "graph/ir/graph.h"
#include "graph/passes/fold.h"

namespace gf::onnx {

/// What the caller fixes or bounds. Names that the model does not have are errors (NotFound).
struct ImportOptions {
  std::map<std::string, std::vector<int64_t>> shapes;            ///< full shape of an input
  std::map<std::string, std::pair<int64_t, int64_t>> dims;       ///< bounds of a named dimension
  std::map<std::string, ir::ConstantPtr> bind;                   ///< inputs that become constants
  std::string entry = "main";
  std::vector<const OpDef*> custom_ops;                          ///< ops of the caller's own, by domain.operator; not owned
};

/// One operator that could not be imported.
struct Unsupported {
  std::string node;         ///< name in the model, or "#index"
  std::string op;           ///< "ai.onnx.Resize"
  int64_t opset = 0;
  std::string reason;
  std::string alternative;
};

/// Thrown when a model needs what is not there: everything at once. what() is one line per node.
class ImportError : public Exception {
 public:
  explicit ImportError(std::vector<Unsupported> list);
  const std::vector<Unsupported>& list() const { return list_; }

 private:
  std::vector<Unsupported> list_;
};

/// Imports `model` as an entry of `target`. `external` reads external data (may be null). `notes` receives remarks for people
/// (a dimension fixed at 1 because nothing was said of it). Throws ImportError, or gf::Exception for a model that is wrong.
void import_model(const Model& model, const ImportOptions& options, const Evaluator& evaluator, ExternalData* external,
                  ir::Model& target, std::vector<std::string>* notes = nullptr);

}  // namespace gf::onnx
