// The conversion as one call: ONNX models in, a checked and optimised ir::Model out. Needs an evaluator from its caller to
// fold constants; writing the file is gf::emit's job.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "converter/onnx/import.h"
#include "graph/passes/pipeline.h"

namespace gf {

/// One ONNX model that becomes one entry point.
struct ConvertSource {
  const onnx::Model* model = nullptr;      ///< not owned
  onnx::ExternalData* external = nullptr;  ///< may be null
  onnx::ImportOptions import;
};

struct ConvertOptions {
  int optimize = 2;                                            ///< 0 to 3, as -O0 .. -O3 of gf-convert
  bool integers = false;                                       ///< PassOptions::integer_products, from level 2 on
  std::vector<std::pair<std::string, std::string>> states;     ///< output name -> input name: kept between runs
  std::vector<std::pair<std::string, std::string>> metadata;   ///< added to what the models bring
};

struct ConvertReport {
  std::vector<std::string> notes;          ///< remarks for people
  PassReport passes;
};

/// Bounds and states that an exported model records in its metadata (onnx/export.h) count where the options say nothing.
/// Throws onnx::ImportError (unsupported operators, all at once) or gf::Exception.
ir::Model convert(std::vector<ConvertSource> sources, const ConvertOptions& options, const Evaluator& evaluator,
                  ConvertReport* report = nullptr);

/// Makes output `output` of every entry that has it feed input `input` of the next run: the input becomes a State variable
/// (starting at zeros), the output is written to it at the end of the run. Throws NotFound, ShapeMismatch, TypeMismatch.
void bind_state(ir::Model& model, const std::string& output, const std::string& input);

}  // namespace gf
