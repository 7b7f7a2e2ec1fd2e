// Put before every source of a build without error texts (-include; NO_ERROR_TEXTS of ghostflow_add_runtime): errors keep
// their code and node, and the program loses the sentences and the code that fills them in.
#pragma once

#include "runtime/core/error.h"

namespace gf {

inline Error report_code(ErrorDetail* detail, Error code, int32_t node) {
  if (detail != nullptr) {
    detail->error = code;
    detail->node = node;
    detail->text[0] = '\0';
  }
  return code;
}

}  // namespace gf

#define GF_NO_ERROR_TEXTS
#undef GF_FAIL
// The call that never happens keeps the arguments checked and used.
#define GF_FAIL(detail, code, node, ...) \
  (false ? ::gf::report_error((detail), (code), (node), __VA_ARGS__) : ::gf::report_code((detail), (code), (node)))
