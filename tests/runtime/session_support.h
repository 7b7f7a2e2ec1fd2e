// What tests of sessions share: files of the golden nets and of graphs built here, and a Session over caller memory of
// exactly the promised sizes (each block a heap block of its own, so a sanitizer sees every byte past it).
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "converter/onnx/reader.h"
#include "converter/onnx/tensor_data.h"
#include "facade/convert.h"
#include "facade/host_run.h"
#include "graph/emit/emit.h"
#include "graph/ir/builder.h"
#include "runtime/platform/thread_pool.h"
#include "tests/support/block.h"
#include "tests/support/random_tensor.h"
#include "tests/support/test_data.h"
#if GF_SIMD
#include "ops/cpu/simd/isa_dispatch.h"
#endif

namespace gf::test {

inline Isa machine_isa() {
#if GF_SIMD
  return simd::best_isa();
#else
  return Isa::Portable;
#endif
}

/// A thread pool with memory of its own.
class Threads {
 public:
  explicit Threads(int threads) : memory_(ThreadPool::bytes_needed(threads)) {
    auto made = ThreadPool::create(memory_.span(), threads);
    if (!made.ok()) throw Exception(made.error(), "no thread pool");
    pool_ = *made;
  }
  ~Threads() { ThreadPool::destroy(pool_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;
  ParallelFor parallel() const { return {&ThreadPool::run, pool_, pool_->threads()}; }

 private:
  Block memory_;
  ThreadPool* pool_ = nullptr;
};

/// A file loaded, with weights and state: what sessions share.
struct Loaded {
  Tables tables;
  SessionOptions options;
  Block file;
  std::optional<Program> program;
  Block weights_memory, state_memory;
  std::optional<Weights> weights;
  std::optional<State> state;

  static SessionOptions with(ParallelFor parallel = {}, uint64_t pool_bytes = 0) {
    SessionOptions o;
    o.isa = machine_isa();
    o.parallel = parallel;
    o.pool_bytes = pool_bytes;
    return o;
  }

  explicit Loaded(std::span<const std::byte> bytes, const SessionOptions& session_options = with(), const Tables& table = default_tables(),
                  LoadOptions load = {})
      : tables(table), options(session_options), file(Block::copy(bytes)) {
    ErrorDetail detail;
    load.verify_data = true;
    auto loaded = Program::load(file.span(), tables.ops, load, &detail);
    if (!loaded.ok()) throw Exception(loaded.error(), detail.text);
    program = *loaded;
    const Block work(work_bytes(*program, tables));
    MemoryNeeds needs;
    check(memory_needs(*program, program->entry_name(0), tables, options, work.span(), needs, &detail), detail);
    weights_memory = Block(needs.weights_bytes);
    const Block create_memory(needs.create_bytes);
    auto packed = Weights::create(*program, tables, options, weights_memory.span(), create_memory.span(), work.span(), &detail);
    if (!packed.ok()) throw Exception(packed.error(), detail.text);
    weights = *packed;
    if (program->state_count() > 0) {
      state_memory = Block(needs.state_bytes);
      auto made = State::create(*program, state_memory.span(), &detail);
      if (!made.ok()) throw Exception(made.error(), detail.text);
      state = *made;
    }
  }
  static void check(Error e, const ErrorDetail& detail) {
    if (e != Error::Ok) throw Exception(e, detail.text);
  }
};

/// One session with memory of its own over a Loaded.
struct Running {
  MemoryNeeds needs;
  Block session_memory, activations, scratch, pool;
  Session session;

  explicit Running(Loaded& l, std::string_view entry = "", std::optional<SessionOptions> options = {}) {
    const SessionOptions o = options.value_or(l.options);
    if (entry.empty()) entry = l.program->entry_name(0);
    ErrorDetail detail;
    const Block work(work_bytes(*l.program, l.tables));
    Loaded::check(memory_needs(*l.program, entry, l.tables, o, work.span(), needs, &detail), detail);
    session_memory = Block(needs.session_bytes);
    activations = Block(needs.activation_bytes);
    scratch = Block(needs.scratch_bytes);
    pool = Block(needs.pool_bytes);
    auto made = Session::create(*l.program, entry, *l.weights, l.state ? &*l.state : nullptr, l.tables, o,
                                {session_memory.span(), activations.span(), scratch.span(), pool.span()}, &detail);
    if (!made.ok()) throw Exception(made.error(), detail.text);
    session = std::move(*made);
  }
};

using Named = std::vector<std::pair<std::string, HostTensor>>;

inline std::vector<HostTensor> run(Session& s, const Named& inputs) {
  for (const auto& [name, tensor] : inputs)
    if (s.find_input(name) >= 0) set_input(s, name, tensor);
  ErrorDetail detail;
  Loaded::check(s.run(&detail), detail);
  std::vector<HostTensor> out;
  for (int i = 0; i < s.output_count(); ++i) out.push_back(get_output(s, i));
  return out;
}

// --- models

/// Emits a graph that `build` makes in the only entry "main" of a model.
inline std::vector<std::byte> emit_graph(const std::function<void(ir::Model&, ir::Entry&)>& build) {
  ir::Model model;
  model.producer = "test";
  model.entries.push_back(std::make_unique<ir::Entry>());
  build(model, *model.entries[0]);
  ir::check(model);
  return emit(model, {.node_names = true});
}

inline DimShape shape_of(std::initializer_list<Dim> dims) {
  DimShape s;
  for (const Dim& d : dims) s.push(d);
  return s;
}

/// A golden net: model.onnx and its sets, in the ONNX backend-test layout.
struct TestNet {
  std::string path;
  std::vector<Named> inputs;                       ///< per set
  std::vector<std::vector<HostTensor>> expected;   ///< per set, in the order of the model's outputs
  std::vector<std::string> output_names;
};

/// One ONNX TensorProto file.
inline HostTensor load_pb(const std::string& path) {
  const onnx::Tensor t = onnx::read_tensor(onnx::read_file_bytes(path, uint64_t{1} << 30));
  const onnx::Bytes bytes = onnx::tensor_bytes(t);
  return HostTensor::from_bytes(onnx::to_dtype(t.data_type), t.dims, bytes.span());
}

inline TestNet read_net(const std::filesystem::path& folder) {
  TestNet net;
  net.path = (folder / "model.onnx").string();
  const onnx::Model model = onnx::read_model_file(net.path);
  for (const auto& o : model.graph.output) net.output_names.push_back(o.name);
  for (int k = 0; std::filesystem::exists(folder / ("test_data_set_" + std::to_string(k))); ++k) {
    const auto set = folder / ("test_data_set_" + std::to_string(k));
    Named inputs;
    std::vector<HostTensor> expected;
    for (size_t i = 0; i < model.graph.input.size(); ++i) {
      const auto file = set / ("input_" + std::to_string(i) + ".pb");
      if (std::filesystem::exists(file)) inputs.emplace_back(model.graph.input[i].name, load_pb(file.string()));
    }
    for (size_t i = 0; i < model.graph.output.size(); ++i)
      expected.push_back(load_pb((set / ("output_" + std::to_string(i) + ".pb")).string()));
    net.inputs.push_back(std::move(inputs));
    net.expected.push_back(std::move(expected));
  }
  return net;
}

inline std::vector<std::string> golden_names() {
  std::vector<std::string> names;
  for (const auto& e : std::filesystem::directory_iterator(source_path("tests/golden")))
    if (e.is_directory()) names.push_back(e.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

/// Converts with the shapes of set 0, or with `import`.
inline std::vector<std::byte> convert_net(const TestNet& net, std::optional<onnx::ImportOptions> import = {},
                                          const ConvertOptions& options = {}) {
  if (!import) {
    import.emplace();
    for (const auto& [name, tensor] : net.inputs.at(0)) import->shapes[name] = tensor.shape;
  }
  ir::Model model = convert_files({{net.path, *import}}, options);
  return emit(model, {.node_names = true});
}

/// The golden UNet for images of any size up to 47 x 51. It halves them four times and joins what it doubles with what it
/// kept, so only multiples of 16 are legal: of these upper bounds neither is.
inline std::vector<std::byte> convert_open_unet() {
  onnx::ImportOptions import;
  import.dims = {{"N", {1, 2}}, {"H", {1, 47}}, {"W", {1, 51}}};
  return convert_net(read_net(source_path("tests/golden/unet")), import);
}
inline HostTensor unet_input(int64_t batch, int64_t height, int64_t width) {
  HostTensor t = HostTensor::zeros(DType::F32, {batch, 3, height, width});
  fill_random<float>(t.view<float>(), static_cast<uint64_t>(batch * 10000 + height * 100 + width));
  return t;
}

inline std::vector<std::byte> convert_digits(int64_t lo, int64_t hi) {
  onnx::ImportOptions import;
  import.dims["N"] = {lo, hi};
  ir::Model model = convert_files({{source_path("examples/digits/digits.onnx").string(), import}}, {});
  return emit(model, {.node_names = true});
}

inline HostTensor digits_input(int64_t batch, uint64_t seed = 1) {
  HostTensor t = HostTensor::zeros(DType::F32, {batch, 1, 28, 28});
  uint64_t x = seed;
  for (float& v : t.view<float>()) {
    x = x * 6364136223846793005U + 1442695040888963407U;
    v = static_cast<float>(x >> 40) * 0x1p-24F;
  }
  return t;
}

}  // namespace gf::test
