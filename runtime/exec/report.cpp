#include "runtime/exec/report.h"

#include "runtime/exec/core.h"

namespace gf {
namespace {

const NodeRecord* record(const SessionCore* core, int node) {
  if (core == nullptr || node < 0 || static_cast<size_t>(node) >= core->nodes.size()) return nullptr;
  return &core->nodes[static_cast<size_t>(node)];
}

}  // namespace

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

int SessionReport::input_count(const Session& session, int node) {
  const NodeRecord* n = record(session.core_, node);
  return n == nullptr ? 0 : n->in_count;
}
int SessionReport::output_count(const Session& session, int node) {
  const NodeRecord* n = record(session.core_, node);
  return n == nullptr ? 0 : n->out_count;
}
TensorReport SessionReport::report(const TensorRecord* t) {
  return t == nullptr ? TensorReport{} : TensorReport{&t->view, static_cast<format::TensorKind>(t->kind), t->index};
}
TensorReport SessionReport::input(const Session& session, int node, int k) {
  const NodeRecord* n = record(session.core_, node);
  return report(n == nullptr || k < 0 || k >= n->in_count ? nullptr : n->input(k));
}
TensorReport SessionReport::output(const Session& session, int node, int k) {
  const NodeRecord* n = record(session.core_, node);
  return report(n == nullptr || k < 0 || k >= n->out_count ? nullptr : n->output(k));
}
TensorReport SessionReport::entry_input(const Session& session, int k) {
  if (k < 0 || k >= session.input_count()) return {};
  return report(&session.core_->tensor(session.core_->graph(0).inputs()->Get(static_cast<uint32_t>(k))));
}
TensorReport SessionReport::entry_output(const Session& session, int k) {
  if (k < 0 || k >= session.output_count()) return {};
  return report(&session.core_->tensor(session.core_->graph(0).outputs()->Get(static_cast<uint32_t>(k))));
}
ProfileHook SessionReport::profile(const Session& session) {
  return session.core_ == nullptr ? ProfileHook{} : session.core_->options.profile;
}
const Program* SessionReport::program(const Session& session) { return session.core_ == nullptr ? nullptr : session.core_->program; }

}  // namespace gf
