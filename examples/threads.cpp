// A server's way: weights are loaded and packed once, and every thread has a session of its own over them. A session costs
// activations only, and threads never wait for one another.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "examples/block.h"
#include "runtime/include/ghostflow/model.h"

namespace {

/// What all threads read.
struct Shared {
  const gf::Program& program;
  gf::Tables tables;
  gf::SessionOptions options;
  gf::MemoryNeeds needs;
  gf::Weights weights;
};

/// Fills the input with numbers that depend on `request`, runs, and returns the first output.
std::vector<float> answer(gf::Session& session, int request) {
  const gf::TensorView in = session.input(0);
  for (int64_t i = 0; i < in.count(); ++i) in.as<float>()[i] = static_cast<float>((i * 7 + request * 13) % 101) / 101.0F;
  gf::ErrorDetail detail;
  if (const gf::Error e = session.run(&detail); e != gf::Error::Ok) throw gf::Exception(e, detail.text);
  const gf::TensorView out = session.output(0);
  return {out.as<const float>(), out.as<const float>() + out.count()};
}

/// One thread's life: a session, then requests until there are none.
void serve(const Shared& shared, std::atomic<int>& next, std::vector<std::vector<float>>& answers) {
  const Block session(shared.needs.session_bytes), activations(shared.needs.activation_bytes), scratch(shared.needs.scratch_bytes);
  gf::ErrorDetail detail;
  auto made = gf::Session::create(shared.program, "main", shared.weights, nullptr, shared.tables, shared.options,
                                  {session.bytes(), activations.bytes(), scratch.bytes(), {}}, &detail);
  if (!made.ok()) throw gf::Exception(made.error(), detail.text);
  for (int request = next++; request < static_cast<int>(answers.size()); request = next++)
    answers[static_cast<size_t>(request)] = answer(*made, request);
}

int run(const char* path, int threads, int requests) {
  const gf::Model file = gf::Model::load(path);
  const gf::Program& program = file.program();
  const gf::Tables tables = gf::default_tables();
  gf::SessionOptions options;
  options.isa = file.isa();
  gf::MemoryNeeds needs;
  gf::ErrorDetail detail;
  const Block work(gf::work_bytes(program, tables));
  if (const gf::Error e = gf::memory_needs(program, "main", tables, options, work.bytes(), needs, &detail); e != gf::Error::Ok)
    throw gf::Exception(e, detail.text);
  const Block packed(needs.weights_bytes), create(needs.create_bytes);
  auto weights = gf::Weights::create(program, tables, options, packed.bytes(), create.bytes(), work.bytes(), &detail);
  if (!weights.ok()) throw gf::Exception(weights.error(), detail.text);
  const Shared shared{program, tables, options, needs, *weights};

  const auto all = [&](int count) {
    std::atomic<int> next{0};
    std::vector<std::vector<float>> answers(static_cast<size_t>(requests));
    std::vector<std::thread> workers;
    for (int i = 0; i < count; ++i) workers.emplace_back([&] { serve(shared, next, answers); });
    for (std::thread& worker : workers) worker.join();
    return answers;
  };
  if (all(threads) != all(1)) {
    std::fputs("answers depend on the number of threads\n", stderr);
    return 1;
  }
  std::printf("%d requests on %d threads, the same answers as on one; %llu bytes of weights once, %llu per thread\n", requests, threads,
              static_cast<unsigned long long>(needs.weights_bytes),
              static_cast<unsigned long long>(needs.session_bytes + needs.activation_bytes + needs.scratch_bytes));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fputs("usage: threads MODEL.gf THREADS REQUESTS\n", stderr);
    return 2;
  }
  try {
    return run(argv[1], std::atoi(argv[2]), std::atoi(argv[3]));
  } catch (const gf::Exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
