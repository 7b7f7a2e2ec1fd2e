#include "runtime/exec/report.h"

#include "runtime/exec/core.h"

namespace gf {

std::span<const PlanItem> SessionReport::buffers(const Session& session) {
  if (session.core_ == nullptr) return {};
  size_t count = 0;  // unused places at the end have no bytes; every buffer has at least its tail
  while (count < session.core_->plan_items.size() && session.core_->plan_items[count].bytes != 0) ++count;
  return session.core_->plan_items.first(count);
}

int32_t SessionReport::buffer_of(const Session& session, int32_t tensor) {
  if (session.core_ == nullptr || tensor < 0 || static_cast<size_t>(tensor) >= session.core_->tensors.size()) return -1;
  const TensorRecord& t = session.core_->tensor(tensor);
  return t.planned ? t.root : -1;
}

NodeSteps SessionReport::steps(const Session& session, int node) {
  if (node < 0 || node >= session.node_count()) return {};
  const NodeRecord& n = session.core_->nodes[static_cast<size_t>(node)];
  return {n.begin, n.end};
}

}  // namespace gf
