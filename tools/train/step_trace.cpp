#include "tools/train/step_trace.h"

#include <algorithm>

#include "io/file.h"
#include "tools/common/cli.h"

namespace gf::cli {

StepTrace::StepTrace(std::string path, Model& model, parallel::Communicator* ranks) : path_(std::move(path)), session_(model.session("train_step")), ranks_(ranks) {}
StepTrace::~StepTrace() { record(false); }

void StepTrace::after_node(void* self, int32_t node, uint64_t begin_ns, uint64_t end_ns) { static_cast<StepTrace*>(self)->nodes_.push_back({node, begin_ns, end_ns}); }

void StepTrace::record(bool on) {
  session_.set_profile(on ? ProfileHook{after_node, parallel::now_ns, this} : ProfileHook{});
  if (ranks_ == nullptr) return;
  if (!on) return ranks_->observe(nullptr);
  ranks_->observe([this](parallel::Ticket ticket, uint64_t begin_ns, uint64_t end_ns) {
    const std::lock_guard lock(mutex_);
    transfers_.push_back({ticket, begin_ns, end_ns});
  });
}

void StepTrace::begin(const FitPlan& plan) {
  traced_ = std::min(plan.first_step + 3, plan.last_step);
  if (traced_ == plan.first_step + 1) record(true);
}
void StepTrace::step(const StepReport& report) {
  if (report.step == traced_ - 1) record(true);
  if (report.step != traced_) return;
  record(false);
  write();
}

// Trace Event Format: https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
void StepTrace::write() {
  const uint64_t origin = nodes_.empty() ? 0 : nodes_.front().begin_ns;
  Json events = Json::array();
  const auto name = [&](int track, const char* what) { events.push_back({{"name", "thread_name"}, {"ph", "M"}, {"pid", 1}, {"tid", track}, {"args", {{"name", what}}}}); };
  const auto add = [&](int track, const std::string& what, const std::string& kind, const Event& e, Json args) {
    const auto us = [&](uint64_t ns) { return (static_cast<double>(ns) - static_cast<double>(origin)) * 1e-3; };
    events.push_back({{"name", what}, {"cat", kind}, {"ph", "X"}, {"ts", us(e.begin_ns)}, {"dur", us(e.end_ns) - us(e.begin_ns)}, {"pid", 1}, {"tid", track}, {"args", std::move(args)}});
  };
  name(1, "nodes of 'train_step'");
  for (const Event& e : nodes_) {
    const NodeReport n = session_.node(static_cast<int>(e.number));
    add(1, std::string(n.name), n.op, e, {{"op", n.op}, {"kernel", n.kernel}, {"index", e.number}});
  }
  const std::lock_guard lock(mutex_);
  if (!transfers_.empty()) name(2, "transfers between ranks");
  for (const Event& e : transfers_) add(2, "transfer", "transfer", e, {{"ticket", e.number}});
  io::write_file(path_, Json{{"traceEvents", events}, {"displayTimeUnit", "ms"}, {"otherData", {{"tool", "gf-train " GF_VERSION}, {"entry", "train_step"}, {"step", traced_}}}}.dump(-1, ' ', false, Json::error_handler_t::replace));
}

}  // namespace gf::cli
