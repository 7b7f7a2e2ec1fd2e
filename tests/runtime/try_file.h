// Bytes as a .gf: load, create, run. For files that may be broken in any way: the answer is an error or Ok, memory is
// exactly what was promised, and limits keep the time short. Used by hostile_gf_test.cpp and the fuzzers.
#pragma once

#include <algorithm>
#include <optional>
#include <string>

#include "facade/evaluate.h"
#include "runtime/core/checked.h"
#include "runtime/exec/session.h"
#include "tests/support/block.h"

namespace gf::test {

struct TryOptions {
  LoadOptions load;
  Isa isa = Isa::Portable;
  /// 0: one run on zeros at the upper bounds. Else the seed of the inputs, and a second run with smaller shapes.
  uint64_t seed = 0;
  uint64_t planned_bytes = 64 << 20;  ///< Limits::planned_bytes: how long a run may take follows from it
};

/// Fills the inputs of a session: zeros, or a mixture of small whole numbers and any bits that repeats every 64 kB (a draw per
/// element of a large input would take most of a fuzzer's time).
inline void fill_inputs(Session& session, uint64_t seed) {
  for (int i = 0; i < session.input_count(); ++i) {
    const TensorView v = session.input(i);
    uint64_t size = 0;
    if (v.data == nullptr || !bytes_checked(v.count(), v.dtype, size)) continue;
    const auto bytes = static_cast<size_t>(size);
    std::memset(v.data, 0, bytes);
    if (seed == 0) continue;
    const size_t step = std::max<size_t>(1, dtype_bits(v.dtype) / 8);
    constexpr size_t kPeriod = 64 << 10;
    auto* const first = static_cast<std::byte*>(v.data);
    for (size_t at = 0; at + step <= std::min(bytes, kPeriod); at += step) {
      seed = seed * 6364136223846793005U + 1442695040888963407U;
      const uint64_t any = seed >> 8, small = (seed >> 40) % 5;
      std::memcpy(first + at, (seed >> 62) == 0 ? &any : &small, std::min<size_t>(step, 8));
    }
    for (size_t at = kPeriod; at < bytes; at += kPeriod) std::memcpy(first + at, first, std::min(kPeriod, bytes - at));
  }
}

/// Smaller shapes for what may change its shape; an input that refuses keeps its own.
inline void shrink_inputs(Session& session, const Program& program, uint64_t seed) {
  for (int i = 0; i < session.input_count(); ++i) {
    const PortInfo port = program.input(0, i);
    if (port.is_static()) continue;
    int64_t dims[kMaxRank] = {};
    for (int d = 0; d < port.rank; ++d)
      dims[d] = port.symbols[d] == -1 || port.bounds[d] == 0 ? port.bounds[d] : port.bounds[d] - static_cast<int64_t>(seed % static_cast<uint64_t>(port.bounds[d]));
    static_cast<void>(session.set_input_shape(i, {dims, static_cast<size_t>(port.rank)}));
  }
}

/// Load, create and run; Ok when all went well. `text` receives the sentence of an error, `created` whether it came to a run.
inline Error try_file(std::span<const std::byte> bytes, TryOptions options, std::string* text = nullptr, bool* created = nullptr) {
  ErrorDetail detail;
  const Tables tables = default_tables(false);
  const Block file = Block::copy(bytes);
  const auto done = [&](Error e) {
    if (text != nullptr) *text = detail.text;
    return e;
  };
  options.load.limits.planned_bytes = options.planned_bytes;
  options.load.limits.loop_trips = 1000;
  auto program = Program::load(file.span(), tables.ops, options.load, &detail);
  if (!program.ok()) return done(program.error());
  SessionOptions o;
  o.isa = options.isa;
  o.pool_bytes = 1 << 20;
  MemoryNeeds needs;
  const Block work(work_bytes(*program, tables));
  if (const Error e = memory_needs(*program, program->entry_name(0), tables, o, work.span(), needs, &detail); e != Error::Ok) return done(e);
  if (needs.weights_bytes + needs.activation_bytes + needs.scratch_bytes + needs.state_bytes > (uint64_t{256} << 20)) return done(Error::LimitExceeded);
  const Block weights_memory(needs.weights_bytes), create_memory(needs.create_bytes), state_memory(needs.state_bytes);
  auto weights = Weights::create(*program, tables, o, weights_memory.span(), create_memory.span(), work.span(), &detail);
  if (!weights.ok()) return done(weights.error());
  std::optional<State> state;
  if (program->state_count() > 0) {
    auto made = State::create(*program, state_memory.span(), &detail);
    if (!made.ok()) return done(made.error());
    state = *made;
  }
  const Block session_memory(needs.session_bytes), activations(needs.activation_bytes), scratch(needs.scratch_bytes), pool(needs.pool_bytes);
  auto session = Session::create(*program, program->entry_name(0), *weights, state ? &*state : nullptr, tables, o,
                                 {session_memory.span(), activations.span(), scratch.span(), pool.span()}, &detail);
  if (!session.ok()) return done(session.error());
  if (created != nullptr) *created = true;
  fill_inputs(*session, options.seed);
  const Error first = session->run(&detail);
  if (options.seed == 0) return done(first);
  shrink_inputs(*session, *program, options.seed);
  fill_inputs(*session, options.seed + 1);
  return done(session->run(&detail));
}

}  // namespace gf::test
