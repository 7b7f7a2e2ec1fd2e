// Models that are to be trained, from files.
#pragma once

#include <string>
#include <vector>

#include "facade/convert.h"

namespace gf::cli {

struct ImportForTraining {
  std::string path;                          ///< .onnx, or a .gf made with gf-convert -O0
  std::string entry = "main";
  std::string batch;                         ///< of every input: "N" or "LOW..HIGH"; empty: as the model says
  std::vector<std::string> shapes, dims;     ///< "x=1x3x224x224", "N=1..64"
  /// Not empty: an .onnx with its batch written into it takes `batch` examples of this shape all the same.
  std::vector<int64_t> example = {};
};
/// The graph with its weights under their names, not optimised; notes go to stderr. Throws UsageError (sizes that do not fit the model), and
/// what converting throws.
ir::Model import_for_training(const ImportForTraining& from);

}  // namespace gf::cli
