// Running an ONNX backend-test suite: every case in a process of its own, so that a crash is a result.
#pragma once

#include <string>
#include <vector>

#include "tools/common/cli.h"

namespace gf::cli {

struct SuiteOptions {
  std::string directory;
  std::string filter = "*";  ///< glob over case names
  double rtol = 1e-3;
  double atol = 1e-7;
  double timeout_seconds = 60;
  int jobs = 1;
  int optimize = 2;
  bool round_trip = false;   ///< each model goes to .gf, to ONNX and back before it runs
  ModelOptions model;
};

/// The JSON object of the contract: counts and cases.
Json run_suite(const SuiteOptions& options, bool progress);

}  // namespace gf::cli
