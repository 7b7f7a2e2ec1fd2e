// Second part of loading: the graph rules that verify_header does not know. Internal to runtime/load.
#pragma once

#include "runtime/load/limits.h"
#include "schema/format/model_generated.h"
#include "schema/op.h"

namespace gf {

/// Everything about `model` that can be wrong although its bytes are a valid FlatBuffer. `header_end` and `data_end` bound
/// where segments may lie.
Error validate_model(const fb::Model& model, uint64_t header_end, uint64_t data_end, const OpTable& ops,
                     const Limits& limits, ErrorDetail* detail);

}  // namespace gf
