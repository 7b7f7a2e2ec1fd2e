#include "facade/import_resized.h"

#include <algorithm>

#include "converter/onnx/external_data.h"
#include "converter/onnx/reader.h"
#include "io/path.h"

namespace gf {

ir::Model import_resized(const std::string& path, const ResizedImport& how, ConvertReport* report) {
  constexpr const char* kBatch = "batch";
  onnx::Model model = onnx::read_model_file(io::path_of(path));
  onnx::ExternalData external(io::path_of(path).parent_path());
  std::vector<onnx::ValueInfo*> inputs;
  for (onnx::ValueInfo& v : model.graph.input) {
    const auto& weights = model.graph.initializer;
    const bool given = std::any_of(weights.begin(), weights.end(), [&](const onnx::Tensor& t) { return t.name == v.name; });
    if (!given && v.type && v.type->shape && !v.type->shape->empty()) inputs.push_back(&v);
  }
  if (!how.example.empty() && (inputs.size() != 1 || inputs[0]->type->shape->size() != how.example.size() + 1))
    throw Exception(Error::ShapeMismatch, path + ": examples of " + std::to_string(how.example.size()) + " axes go with one input that has one more; the model has " +
                                              std::to_string(inputs.size()) + (inputs.size() == 1 ? " of " + std::to_string(inputs[0]->type->shape->size()) + " axes" : " inputs"));
  const auto fixed = [](int64_t n) {
    onnx::Dimension d;
    d.kind = onnx::Dimension::Kind::Value;
    d.value = n;
    return d;
  };
  for (onnx::ValueInfo* v : inputs) {
    auto& dims = *v->type->shape;
    onnx::Dimension& first = dims[0];
    first = fixed(how.batch.first);
    if (how.batch.first != how.batch.second) first.kind = onnx::Dimension::Kind::Param, first.param = kBatch;
    for (size_t d = 0; d < how.example.size(); ++d) dims[d + 1] = fixed(how.example[d]);
  }
  ConvertSource source{&model, &external, {}};
  source.import.entry = how.entry;
  if (how.batch.first != how.batch.second) source.import.dims[kBatch] = how.batch;
  ConvertOptions options;
  options.optimize = 0;
  return convert({source}, options, make_evaluator(default_tables(false)), report);
}

}  // namespace gf
