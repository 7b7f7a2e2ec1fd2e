// An ONNX file for training, with inputs of other sizes than it was exported for: nets of convolutions take them as they are.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "facade/convert.h"

namespace gf {

struct ResizedImport {
  std::string entry = "main";
  std::pair<int64_t, int64_t> batch = {1, 1};   ///< the first axis of every input: from, to
  std::vector<int64_t> example;                 ///< shape of one example, for the only input; empty: as the file says
};
/// The graph as convert_files() gives it with nothing optimised, so that weights keep their names. Throws ShapeMismatch (`example` goes with
/// one input of that rank) and what converting throws: a net that has its sizes written into it elsewhere says which node does not fit.
ir::Model import_resized(const std::string& path, const ResizedImport& how, ConvertReport* report = nullptr);

}  // namespace gf
