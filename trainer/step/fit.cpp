#include "trainer/step/fit.h"

#include <algorithm>
#include <memory>
#include <new>

#include "graph/emit/emit.h"
#include "graph/ir/copy.h"
#include "graph/passes/rewrite.h"
#include "runtime/core/exception.h"
#include "runtime/include/ghostflow/session.h"
#include "runtime/include/ghostflow/tables.h"

namespace gf {
namespace {

struct AlignedDelete {
  void operator()(std::byte* p) const { ::operator delete(p, std::align_val_t{kAlignment}); }
};
using Memory = std::unique_ptr<std::byte, AlignedDelete>;
Memory aligned(uint64_t bytes) { return Memory(static_cast<std::byte*>(::operator new(static_cast<size_t>(bytes), std::align_val_t{kAlignment}))); }

void check(Error error, const ErrorDetail& detail) {
  if (error != Error::Ok) throw Exception(error, std::string("fit_memory: ") + detail.text);
}

// Of a session of `entry` on one thread. First values of State do not matter to it: they are left out, which makes the file small.
uint64_t bytes_of(const ir::Model& model, const std::string& entry) {
  ir::Model measured = ir::copy(model);
  for (ir::StateVar& s : measured.states) s.initial = nullptr;
  const std::vector<std::byte> bytes = emit(measured);
  const Memory file = aligned(bytes.size());
  std::copy(bytes.begin(), bytes.end(), file.get());
  const Tables tables = default_tables(false);
  SessionOptions options;
  options.isa = machine_isa();
  ErrorDetail detail;
  const auto program = Program::load({file.get(), bytes.size()}, tables.ops, {}, &detail);
  if (!program.ok()) check(program.error(), detail);
  const uint64_t work_size = work_bytes(*program, tables);
  const Memory work = aligned(work_size);
  MemoryNeeds needs;
  check(memory_needs(*program, entry, tables, options, {work.get(), static_cast<size_t>(work_size)}, needs, &detail), detail);
  return needs.activation_bytes + needs.scratch_bytes;
}

struct Work {
  int nodes = 0;
  uint64_t macs = 0;
};
Work work_of(const ir::Model& model, const std::string& name) {
  Work w;
  const ir::Entry& entry = *model.find(name);
  for (const auto& n : entry.body.nodes) {
    ++w.nodes;
    w.macs += macs_of(entry, *n);
  }
  return w;
}

}  // namespace

FitReport fit_memory(ir::Model& model, const std::string& entry, uint64_t bytes, const PassOptions& options) {
  if (model.find(entry) == nullptr) throw Exception(Error::NotFound, "fit_memory: there is no entry '" + entry + "'");
  FitReport report;
  ir::Model plain = ir::copy(model);
  PassOptions own = options;
  own.memory_budget = 0;
  run_passes(plain, own);
  report.bytes = report.bytes_before = bytes_of(plain, entry);
  const Work work = work_of(plain, entry);
  report.macs = work.macs;
  if (report.bytes <= bytes) {
    model = std::move(plain);
    return report;
  }
  // The pass counts live bytes of results; a plan has kernels' scratch, inputs and gaps beside them. So it aims lower, step by step.
  uint64_t least = report.bytes;
  constexpr int kSteps = 12;
  for (int step = 0; step < kSteps; ++step) {
    own.memory_budget = std::max<uint64_t>(1, bytes - bytes * static_cast<uint64_t>(step) / kSteps);
    ir::Model tried = ir::copy(model);
    run_passes(tried, own);
    const uint64_t now = bytes_of(tried, entry);
    least = std::min(least, now);
    if (now > bytes) continue;
    const Work again = work_of(tried, entry);
    report.bytes = now;
    report.nodes_again = again.nodes - work.nodes;
    report.macs_again = again.macs - work.macs;
    model = std::move(tried);
    return report;
  }
  throw Exception(Error::LimitExceeded, "fit_memory: entry '" + entry + "' takes " + std::to_string(report.bytes_before) + " bytes, and " +
                                            std::to_string(least) + " with everything computed again that may be; the budget is " + std::to_string(bytes) +
                                            ". A smaller batch takes less");
}

}  // namespace gf
