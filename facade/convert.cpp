#include "facade/convert.h"

#include <cstring>
#include <memory>
#include <new>

#include "converter/onnx/external_data.h"
#include "converter/onnx/reader.h"
#include "converter/onnx/writer.h"
#include "facade/include/ghostflow/convert.h"
#include "graph/read/read.h"
#include "io/path.h"
#include "runtime/include/ghostflow/session.h"
#include "schema/format/format.h"

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
    models.push_back(onnx::read_model_file(io::path_of(f.path)));
    external.emplace_back(io::path_of(f.path).parent_path());
    sources.push_back({&models.back(), &external.back(), f.import});
  }
  return convert(std::move(sources), options, make_evaluator(default_tables(false)), report);
}

namespace {

Program load_checked(std::span<const std::byte> bytes) {
  ErrorDetail detail;
  LoadOptions options;
  options.verify_data = true;
  const auto program = Program::load(bytes, default_tables(false).ops, options, &detail);
  if (!program.ok()) throw Exception(program.error(), detail.text);
  return *program;
}

ir::Model read_program(std::span<const std::byte> bytes, std::shared_ptr<const void> owner) {
  return read_model(load_checked(bytes), std::move(owner));
}

}  // namespace

ir::Model read_gf(const std::string& path) {
  ErrorDetail detail;
  auto file = MappedFile::open(path.c_str(), &detail);
  if (!file.ok()) throw Exception(file.error(), detail.text);
  const auto owner = std::make_shared<MappedFile>(std::move(*file));
  return read_program(owner->bytes(), owner);
}

ir::Model read_gf(const Model& model) { return read_model(model.program(), nullptr); }

std::vector<std::byte> export_onnx(ir::Model& model, const onnx::ExportOptions& options, std::vector<std::string>* notes) {
  return onnx::write_model(onnx::export_model(model, options, notes));
}

namespace {

onnx::ImportOptions import_options(const OnnxToGfOptions& options) {
  onnx::ImportOptions import;
  import.entry = options.entry;
  import.dims = options.dims;
  import.shapes = options.shapes;
  import.custom_ops = options.custom_ops;
  return import;
}

ConvertOptions convert_options(const OnnxToGfOptions& options) {
  ConvertOptions convert;
  convert.optimize = options.optimize;
  convert.integers = options.integers;
  convert.metadata.assign(options.metadata.begin(), options.metadata.end());
  return convert;
}

// Memory that begins at an address as a program and a State want it.
std::shared_ptr<std::byte> aligned_memory(size_t bytes) {
  constexpr std::align_val_t kAlign{format::kAlignment};
  return {static_cast<std::byte*>(::operator new(bytes + 1, kAlign)), [](std::byte* p) { ::operator delete(p, kAlign); }};
}

std::shared_ptr<std::byte> aligned_copy(std::span<const std::byte> bytes) {
  const std::shared_ptr<std::byte> owner = aligned_memory(bytes.size());
  if (!bytes.empty()) std::memcpy(owner.get(), bytes.data(), bytes.size());
  return owner;
}

}  // namespace

ir::Model read_gf(std::span<const std::byte> bytes) {
  const std::shared_ptr<std::byte> owner = aligned_copy(bytes);
  return read_program({owner.get(), bytes.size()}, owner);
}

std::vector<std::byte> onnx_to_gf(const std::string& path, const OnnxToGfOptions& options) {
  ir::Model model = convert_files({{path, import_options(options)}}, convert_options(options));
  return emit(model);
}

std::vector<std::byte> onnx_to_gf(std::span<const std::byte> onnx, const OnnxToGfOptions& options, std::vector<std::string>* notes) {
  const onnx::Model source = onnx::read_model(onnx::Bytes::view(onnx));
  ConvertReport report;
  ir::Model model = convert({{&source, nullptr, import_options(options)}}, convert_options(options), make_evaluator(default_tables()), &report);
  if (notes != nullptr) *notes = std::move(report.notes);
  return emit(model);
}

std::vector<std::byte> with_state(std::span<const std::byte> gf, std::span<const std::byte> saved) {
  const std::shared_ptr<std::byte> owner = aligned_copy(gf);
  const Program program = load_checked({owner.get(), gf.size()});
  ir::Model model = read_model(program, owner);
  ErrorDetail detail;
  const auto state_bytes = static_cast<size_t>(State::bytes_needed(program));
  const std::shared_ptr<std::byte> memory = aligned_memory(state_bytes);
  auto state = State::create(program, {memory.get(), state_bytes}, &detail);
  if (!state.ok()) throw Exception(state.error(), detail.text);
  if (const Error error = state->restore(saved, &detail); error != Error::Ok) throw Exception(error, detail.text);
  for (ir::StateVar& variable : model.states) {
    const std::span<std::byte> value = state->bytes(state->find(variable.name));
    variable.initial = ir::make_constant(variable.dtype, variable.dims, {value.begin(), value.end()});
  }
  return emit(model);
}

}  // namespace gf
