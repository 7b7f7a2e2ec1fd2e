// The mode of a module, put back at the end of a scope: `gf::nn::KeepMode mode(net); net.eval(); ...`. The module is the caller's.
#pragma once

#include "trainer/nn/module.h"

namespace gf::nn {

class KeepMode {
 public:
  explicit KeepMode(Module& net) : net_(net), training_(net.is_training()) {}
  ~KeepMode() { net_.train(training_); }
  KeepMode(const KeepMode&) = delete;
  KeepMode& operator=(const KeepMode&) = delete;

 private:
  Module& net_;
  bool training_;
};

}  // namespace gf::nn
