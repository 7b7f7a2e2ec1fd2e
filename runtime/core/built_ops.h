// Which ops a build has. Everything by default; a program that compiles the sources itself names the ops of its models (GF_OPS, the
// names as strings; ghostflow_add_runtime sets it), and what only others use vanishes from tables that ops share.
#pragma once

#include <string_view>

namespace gf {

constexpr bool built_op([[maybe_unused]] std::string_view op) {
#ifdef GF_OPS
  for (const std::string_view name : {GF_OPS})
    if (name == op) return true;
  return false;
#else
  return true;
#endif
}

/// One of them at least.
template <class... Names>
constexpr bool built_ops(Names... ops) {
  return (built_op(ops) || ...);
}

}  // namespace gf
