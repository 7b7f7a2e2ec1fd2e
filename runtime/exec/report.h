// What create decided about memory and order, for tools that draw it. An object file of its own: a program that does not
// ask does not link it. Thread rule: as Session.
#pragma once

#include <cstdint>
#include <span>

#include "runtime/exec/session.h"
#include "runtime/plan/arena_plan.h"

namespace gf {

/// Steps of a node in execution order: equal for a plain node, around its sub-graphs for If and Loop.
struct NodeSteps {
  int32_t begin = 0, end = 0;
};

class SessionReport {
 public:
  /// Buffers of the activation arena, any order: offset, bytes (tail and padding included), first and last step; `id` is the
  /// index of a tensor of the entry. Valid as long as the session.
  static std::span<const PlanItem> buffers(const Session& session);
  /// Tensor whose buffer `tensor` uses (itself, or what it views or overwrites); -1 when it does not lie in the arena.
  static int32_t buffer_of(const Session& session, int32_t tensor);
  static NodeSteps steps(const Session& session, int node);
};

}  // namespace gf
