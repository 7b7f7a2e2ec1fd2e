#include "trainer/tensor/evaluate.h"

#include <cstring>
#include <memory>
#include <unordered_map>

#include "graph/emit/emit.h"
#include "graph/ir/builder.h"
#include "runtime/include/ghostflow/model.h"
#include "trainer/tensor/recording.h"

namespace gf::lazy {
namespace {

std::string name_of(const char* what, size_t i) { return what + std::to_string(i); }

// The op alone, with inputs of these shapes.
ir::Model model_of(const OpDef& op, const void* attrs, std::span<const Tensor> inputs, const std::vector<bool>& wanted) {
  ir::Model model;
  ir::Entry& entry = *model.entries.emplace_back(std::make_unique<ir::Entry>());
  entry.name = "main";
  std::vector<ir::ValueId> ids;
  for (size_t i = 0; i < inputs.size(); ++i) {
    DimShape shape;
    for (const int64_t d : inputs[i].shape()) shape.push(d);
    ids.push_back(entry.add_input(name_of("i", i), inputs[i].dtype(), shape));
  }
  ir::Builder b(entry, entry.body);
  b.set_origin(op.info.name, Call::name_or(op.info.name));
  const ir::Node& n = b.add_node(op, std::move(ids), attrs, wanted.size());
  for (size_t k = 0; k < wanted.size(); ++k) {
    entry.value(n.outputs[k]).name = name_of("o", k);
    if (wanted[k]) entry.body.outputs.push_back(n.outputs[k]);
  }
  return model;
}

}  // namespace

std::vector<Tensor> evaluate(const OpDef& op, const void* attrs, std::span<const Tensor> inputs, const std::vector<bool>& wanted) {
  static std::unordered_map<std::string, std::shared_ptr<Model>> programs;
  ir::Model model = model_of(op, attrs, inputs, wanted);
  const std::vector<std::byte> file = emit(model);
  std::shared_ptr<Model>& program = programs[std::string(reinterpret_cast<const char*>(file.data()), file.size())];
  if (program == nullptr) {
    ModelOptions how;
    how.xnnpack = false;
    program = std::make_shared<Model>(Model::from_bytes(file, how));
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    const auto bytes = bytes_of(inputs[i].variable().content);
    if (!bytes.empty()) std::memcpy(program->input<std::byte>(name_of("i", i)).data(), bytes.data(), bytes.size());
  }
  program->run();
  std::vector<Tensor> results;
  for (size_t k = 0; k < wanted.size(); ++k) {
    if (!wanted[k]) {
      results.emplace_back();
      continue;
    }
    const TensorView v = program->output_view(name_of("o", k));
    const std::vector<int64_t> shape(v.shape.dims, v.shape.dims + v.shape.rank);
    const auto size = static_cast<size_t>(io::byte_size(v.dtype, shape, op.info.name));
    results.push_back(Tensor::from_array(io::Array::from_bytes(v.dtype, shape, {static_cast<const std::byte*>(v.data), size})));
  }
  return results;
}

}  // namespace gf::lazy
