#include "tools/train/import.h"

#include <fmt/format.h>

#include <algorithm>

#include "converter/include/ghostflow/converter.h"
#include "facade/import_resized.h"
#include "io/path.h"
#include "tools/common/inputs.h"

namespace gf::cli {
namespace {

struct Range {
  int64_t low = 1, high = 1;
};
Range parse_batch(const std::string& text) {
  const size_t dots = text.find("..");
  Range r;
  r.low = parse_count(text.substr(0, dots), "--batch " + text);
  r.high = dots == std::string::npos ? r.low : parse_count(text.substr(dots + 2), "--batch " + text);
  if (r.low < 1 || r.high < r.low) throw UsageError(fmt::format("--batch {}: a batch is N or LOW..HIGH with 1 <= LOW <= HIGH", text));
  return r;
}

// The first axis of every input is the batch.
void set_batch(const onnx::Model& model, const std::string& text, onnx::ImportOptions& import) {
  const Range batch = parse_batch(text);
  for (const onnx::ValueInfo* v : graph_inputs(model)) {
    if (!v->type || !v->type->shape || v->type->shape->empty() || import.shapes.contains(v->name)) continue;
    const auto& dims = *v->type->shape;
    if (dims[0].kind != onnx::Dimension::Kind::Value) {
      const std::string name = dims[0].param.empty() ? v->name + "_d0" : dims[0].param;
      import.dims.try_emplace(name, batch.low, batch.high);
      continue;
    }
    if (batch.low != batch.high)
      throw UsageError(fmt::format("--batch {}: input '{}' has a batch of {} written into the model: give one number, or export the model with a "
                                   "batch that varies", text, v->name, dims[0].value));
    std::vector<int64_t> shape = {batch.low};
    for (size_t d = 1; d < dims.size(); ++d) {
      if (dims[d].kind != onnx::Dimension::Kind::Value)
        throw UsageError(fmt::format("--batch {}: input '{}' leaves other axes open too: give its whole shape with --shape", text, v->name));
      shape.push_back(dims[d].value);
    }
    import.shapes[v->name] = shape;
  }
}

// Whether a batch is written into the model: an input's first axis is a number.
bool has_fixed_batch(const std::string& path) {
  const onnx::Model model = onnx::read_model_file(io::path_of(path));
  const auto inputs = graph_inputs(model);
  return std::any_of(inputs.begin(), inputs.end(), [](const onnx::ValueInfo* v) {
    return v->type && v->type->shape && !v->type->shape->empty() && v->type->shape->front().kind == onnx::Dimension::Kind::Value;
  });
}

}  // namespace

ir::Model import_for_training(const ImportForTraining& a) {
  check_model_path(a.path);
  if (!is_onnx_path(a.path)) {
    if (!a.batch.empty() || !a.shapes.empty() || !a.dims.empty())
      throw UsageError(fmt::format("{}: sizes are fixed in a .gf: --batch, --shape and --dim go with an .onnx", a.path));
    return read_gf(a.path);
  }
  ConvertReport report;
  if (!a.example.empty() && has_fixed_batch(a.path)) {
    const Range batch = parse_batch(a.batch);
    return import_resized(a.path, {.entry = a.entry, .batch = {batch.low, batch.high}, .example = a.example}, &report);
  }
  OnnxFile file{a.path, {}};
  file.import.entry = a.entry;
  for (const std::string& text : a.shapes) file.import.shapes.insert(parse_shape(text));
  for (const std::string& text : a.dims) file.import.dims.insert(parse_dim(text));
  if (!a.batch.empty()) set_batch(onnx::read_model_file(io::path_of(a.path)), a.batch, file.import);
  ConvertOptions convert;
  convert.optimize = 0;  // weights keep their names
  ir::Model model = convert_files({file}, convert, &report);
  for (const std::string& note : report.notes) fmt::print(stderr, "note: {}\n", note);
  return model;
}

}  // namespace gf::cli
