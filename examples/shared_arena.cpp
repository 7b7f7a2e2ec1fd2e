// Two models that never run at once share one block for activations and scratch: the memory of the larger one serves both.
// This is the strict interface: every byte belongs to the caller, and create fails rather than ask for more.
#include <algorithm>
#include <cstdio>
#include <optional>

#include "examples/block.h"
#include "runtime/include/ghostflow/model.h"

namespace {

/// A file with its weights and one session; activations and scratch come from outside.
struct Network {
  gf::Model file;  // holds the mapping and the verified view; its own sessions are not used
  gf::MemoryNeeds needs;
  Block weights_memory, state_memory, session_memory;
  std::optional<gf::Weights> weights;
  std::optional<gf::State> state;
  gf::Session session;
};

template <class T>
T take(gf::Result<T> result, const gf::ErrorDetail& detail) {
  if (!result.ok()) throw gf::Exception(result.error(), detail.text);
  return std::move(*result);
}

const gf::SessionOptions kOptions;

/// Everything but the shared block.
Network open(const char* path, const gf::Tables& tables) {
  Network n{gf::Model::load(path), {}, {}, {}, {}, {}, {}, {}};
  const gf::Program& program = n.file.program();
  gf::ErrorDetail detail;
  const Block work(gf::work_bytes(program, tables));
  if (const gf::Error e = gf::memory_needs(program, "main", tables, kOptions, work.bytes(), n.needs, &detail); e != gf::Error::Ok)
    throw gf::Exception(e, detail.text);
  n.weights_memory = Block(n.needs.weights_bytes);
  n.state_memory = Block(n.needs.state_bytes);
  n.session_memory = Block(n.needs.session_bytes);
  const Block create(n.needs.create_bytes);
  n.weights = take(gf::Weights::create(program, tables, kOptions, n.weights_memory.bytes(), create.bytes(), work.bytes(), &detail), detail);
  if (program.state_count() > 0) n.state = take(gf::State::create(program, n.state_memory.bytes(), &detail), detail);
  return n;
}

void start(Network& n, const gf::Tables& tables, std::span<std::byte> shared) {
  gf::ErrorDetail detail;
  const auto activations = shared.first(static_cast<size_t>(n.needs.activation_bytes));
  const auto scratch = shared.subspan(activations.size(), static_cast<size_t>(n.needs.scratch_bytes));
  n.session = take(gf::Session::create(n.file.program(), "main", *n.weights, n.state ? &*n.state : nullptr, tables, kOptions,
                                       {n.session_memory.bytes(), activations, scratch, {}}, &detail), detail);
}

/// Sum of the first output for inputs of `value`.
double run(Network& n, float value) {
  for (int i = 0; i < n.session.input_count(); ++i) {
    const gf::TensorView in = n.session.input(i);
    if (in.dtype != gf::DType::F32) throw gf::Exception(gf::Error::TypeMismatch, "the example wants models of float32 inputs");
    std::fill_n(in.as<float>(), in.count(), value);
  }
  gf::ErrorDetail detail;
  if (const gf::Error e = n.session.run(&detail); e != gf::Error::Ok) throw gf::Exception(e, detail.text);
  const gf::TensorView out = n.session.output(0);
  double sum = 0;
  for (int64_t i = 0; i < out.count(); ++i) sum += static_cast<double>(out.as<const float>()[i]) * static_cast<double>(i + 1);
  return sum;
}

int share(const char* first, const char* second) {
  const gf::Tables tables = gf::default_tables();
  Network a = open(first, tables), b = open(second, tables);
  const auto bytes = [](const Network& n) { return n.needs.activation_bytes + n.needs.scratch_bytes; };  // both are whole blocks
  const Block shared(std::max(bytes(a), bytes(b)));
  start(a, tables, shared.bytes());
  start(b, tables, shared.bytes());
  const double alone_a = run(a, 0.5F), alone_b = run(b, 0.5F);
  for (int turn = 0; turn < 3; ++turn)
    if (run(a, 0.5F) != alone_a || run(b, 0.5F) != alone_b) {
      std::fputs("an answer changed after the other model had run\n", stderr);
      return 1;
    }
  std::printf("%llu and %llu bytes, shared: %llu\n", static_cast<unsigned long long>(bytes(a)),
              static_cast<unsigned long long>(bytes(b)), static_cast<unsigned long long>(shared.bytes().size()));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: shared_arena A.gf B.gf\n", stderr);
    return 2;
  }
  try {
    return share(argv[1], argv[2]);
  } catch (const gf::Exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
