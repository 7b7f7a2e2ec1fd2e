// Which activations a build computes: all, unless an app that compiles the sources names few (GF_ACTIVATIONS, a bit per value of
// Activation; ghostflow_add_runtime sets it). What is left out takes its part of the mathematics library along.
#pragma once

#include "runtime/kernel/kernel.h"
#include "schema/epilogue.h"

namespace gf::cpu {

#ifdef GF_ACTIVATIONS
inline constexpr uint32_t kBuiltActivations = GF_ACTIVATIONS | 1U << static_cast<int>(Activation::None);
#else
inline constexpr uint32_t kBuiltActivations = ~uint32_t{0};
#endif

constexpr bool built_activation(int value) { return (kBuiltActivations >> value & 1) != 0; }

inline constexpr const char* kActivationLeftOut = "its activation was left out of this build: add it to ACTIVATIONS of ghostflow_add_runtime";

/// The prepare of an op with an epilogue, and the first step of a kernel's own.
template <class Attrs>
Error prepare_epilogue(const NodeView& node, KernelPlan& plan) {
  if constexpr (kBuiltActivations == ~uint32_t{0}) return Error::Ok;
  else if (built_activation(static_cast<int>(node.attributes<Attrs>().activation))) return Error::Ok;
  else return plan.refuse(kActivationLeftOut);
}

}  // namespace gf::cpu
