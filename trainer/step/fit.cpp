#include "trainer/step/fit.h"

#include <algorithm>

#include "graph/emit/emit.h"
#include "graph/ir/copy.h"
#include "graph/passes/rewrite.h"
#include "runtime/include/ghostflow/model.h"

namespace gf {
namespace {

uint64_t bytes_of(ir::Model& model, const std::string& entry) {
  ModelOptions options;
  options.threads = 1;
  options.xnnpack = false;
  const MemoryNeeds needs = Model::from_bytes(emit(model), options).needs(entry);
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
