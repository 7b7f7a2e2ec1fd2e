// libFuzzer target: any header in a well-sealed .gf gives an error, or a session that runs and answers. The input is the
// FlatBuffers part; length, padding and seal are made here, so that the fuzzer need not guess checksums.
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "facade/evaluate.h"
#include "runtime/exec/session.h"
#include "tests/runtime/gf_file_spec.h"

namespace {

struct Free {
  void operator()(void* p) const { std::free(p); }
};
struct Memory {
  explicit Memory(uint64_t bytes) : raw(std::aligned_alloc(64, (bytes + 64) & ~uint64_t{63})), span(static_cast<std::byte*>(raw.get()), bytes) {}
  std::unique_ptr<void, Free> raw;
  std::span<std::byte> span;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace gf;
  if (size < 12 || size > (1U << 20)) return 0;
  std::vector<uint8_t> header(size + 4);
  const auto length = static_cast<uint32_t>(size);
  std::memcpy(header.data(), &length, 4);
  std::memcpy(header.data() + 4, data, size);
  const std::vector<std::byte> constants(256, std::byte{1});
  const auto bytes = test::container(header, constants, test::align64(header.size()));
  const Memory file(bytes.size());
  std::memcpy(file.span.data(), bytes.data(), bytes.size());
  const Tables tables = default_tables(false);
  LoadOptions load;
  load.limits.planned_bytes = 16 << 20;
  load.limits.loop_trips = 100;
  const auto program = Program::load(file.span, tables.ops, load);
  if (!program.ok()) return 0;
  SessionOptions o;
  o.pool_bytes = 1 << 16;
  const Memory work(work_bytes(*program, tables));
  MemoryNeeds n;
  if (memory_needs(*program, program->entry_name(0), tables, o, work.span, n) != Error::Ok) return 0;
  if (n.weights_bytes + n.activation_bytes + n.scratch_bytes + n.state_bytes + n.create_bytes > (64U << 20)) return 0;
  const Memory weights_memory(n.weights_bytes), create(n.create_bytes), state_memory(n.state_bytes), session_memory(n.session_bytes);
  const Memory activations(n.activation_bytes), scratch(n.scratch_bytes), pool(n.pool_bytes);
  std::memset(activations.span.data(), 0, activations.span.size());
  const auto weights = Weights::create(*program, tables, o, weights_memory.span, create.span, work.span);
  auto state = State::create(*program, state_memory.span);
  if (!weights.ok() || !state.ok()) return 0;
  auto session = Session::create(*program, program->entry_name(0), *weights, &*state, tables, o,
                                 {session_memory.span, activations.span, scratch.span, pool.span});
  if (session.ok()) static_cast<void>(session->run());
  return 0;
}
