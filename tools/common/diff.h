// Comparing one model with a reference: its outputs, or, layer by layer, every value that the reference names.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tools/common/cli.h"

namespace gf::cli {

struct DiffOptions {
  std::string model;
  std::string reference;  ///< folder of tensor files, folder in the ONNX backend-test layout, or .npz
  double rtol = 1e-3;
  double atol = 1e-4;
  int optimize = 2;
  std::string image;
  ModelOptions run;
};

/// {"passed","outputs":[{"name","equal","max_abs","max_rel","detail"}]}.
Json diff_outputs(const DiffOptions& options);
/// {"first_difference":{"node","op","max_abs","max_rel",...} or null,"nodes":[...],"reference":"given" or how it was
/// made}. Only for .onnx models.
Json diff_layers(const DiffOptions& options);

}  // namespace gf::cli
