#include "facade/convert.h"

#include <filesystem>

#include "converter/onnx/external_data.h"
#include "converter/onnx/reader.h"

namespace gf {

ir::ConstantPtr to_constant(const HostTensor& tensor) { return ir::make_constant(tensor.dtype, tensor.shape, tensor.data); }

HostTensor to_host(const ir::Constant& constant) {
  HostTensor t;
  t.dtype = constant.dtype;
  t.shape = constant.dims;
  t.data = constant.dense();
  return t;
}

Evaluator make_evaluator(const Tables& tables) {
  return [tables](const ir::Entry& entry, const ir::Node& node) {
    HostInputs inputs;
    for (ir::ValueId v : node.inputs) {
      if (v == ir::kNoValue) inputs.emplace_back(std::nullopt);
      else inputs.emplace_back(to_host(*entry.value(v).constant));
    }
    const ir::DecodedAttrs attrs(node);
    EvaluateOptions options;
    options.outputs = static_cast<int>(node.outputs.size());
    std::vector<ir::ConstantPtr> results;
    for (HostTensor& t : evaluate_raw(*node.def, attrs.get(), inputs, tables, options))
      results.push_back(ir::make_constant(t.dtype, std::move(t.shape), std::move(t.data)));
    return results;
  };
}

ir::Model convert_files(const std::vector<OnnxFile>& files, const ConvertOptions& options, ConvertReport* report) {
  std::vector<onnx::Model> models;
  std::vector<onnx::ExternalData> external;
  models.reserve(files.size());
  external.reserve(files.size());
  std::vector<ConvertSource> sources;
  for (const OnnxFile& f : files) {
    models.push_back(onnx::read_model_file(f.path));
    external.emplace_back(std::filesystem::path(f.path).parent_path());
    sources.push_back({&models.back(), &external.back(), f.import});
  }
  return convert(std::move(sources), options, make_evaluator(default_tables(false)), report);
}

}  // namespace gf
