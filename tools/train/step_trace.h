// A Chrome trace of one step of a training: its nodes, and the transfers between processes beside them. Not owned: the model and the ranks.
// Thread rule: a FitListener; the transfers' thread reports to it as well.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "runtime/include/ghostflow/model.h"
#include "trainer/loop/callbacks.h"
#include "trainer/parallel/communicator.h"

namespace gf::cli {

class StepTrace final : public FitListener {
 public:
  /// `ranks` may be nullptr. Writes `path` after the third step of the run, or its last one.
  StepTrace(std::string path, Model& model, parallel::Communicator* ranks);
  ~StepTrace() override;

  void begin(const FitPlan& plan) override;
  void step(const StepReport& report) override;

 private:
  struct Event {
    int64_t number;  // of the node, or of the transfer
    uint64_t begin_ns, end_ns;
  };
  void record(bool on);
  void write();
  static void after_node(void* self, int32_t node, uint64_t begin_ns, uint64_t end_ns);

  std::string path_;
  Session& session_;
  parallel::Communicator* ranks_;
  int64_t traced_ = 0;  // the step
  std::vector<Event> nodes_;
  std::mutex mutex_;
  std::vector<Event> transfers_;
};

}  // namespace gf::cli
