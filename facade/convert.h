// ONNX files to .gf with this build's evaluator: what gf-convert and every tool that takes an .onnx call.
#pragma once

#include <string>
#include <vector>

#include "converter/convert.h"
#include "converter/onnx/export.h"
#include "facade/evaluate.h"
#include "graph/emit/emit.h"
#include "runtime/include/ghostflow/model.h"

namespace gf {

/// Runs nodes with the kernels of `tables`, for constant folding.
Evaluator make_evaluator(const Tables& tables);

/// One ONNX file as an entry.
struct OnnxFile {
  std::string path;
  onnx::ImportOptions import;     ///< import.entry names the entry
};

/// Reads, imports and optimises. Throws onnx::ImportError or gf::Exception.
ir::Model convert_files(const std::vector<OnnxFile>& files, const ConvertOptions& options, ConvertReport* report = nullptr);

/// The graph of a .gf file, whose bytes (a mapping, or a copy of `bytes`) live as long as the graph's constants. The data's
/// checksum is checked. Throws as Model::load does.
ir::Model read_gf(const std::string& path);
ir::Model read_gf(std::span<const std::byte> bytes);
/// The graph of a loaded model, which must live as long.
ir::Model read_gf(const Model& model);

/// An entry of a graph as the bytes of an .onnx file; see onnx::export_model.
std::vector<std::byte> export_onnx(ir::Model& model, const onnx::ExportOptions& options,
                                   std::vector<std::string>* notes = nullptr);

/// Host tensor <-> graph constant.
ir::ConstantPtr to_constant(const HostTensor& tensor);
HostTensor to_host(const ir::Constant& constant);

}  // namespace gf
