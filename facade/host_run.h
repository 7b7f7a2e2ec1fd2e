// Models on host tensors, for tools and tests: copies in, copies out, everything by name. Throws gf::Exception.
// For speed write into Model::input() and call Model::run().
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "facade/evaluate.h"
#include "runtime/include/ghostflow/model.h"

namespace gf {

/// Copies `tensor` into input `name` of a session: checks type, sets the shape.
void set_input(Session& session, std::string_view name, const HostTensor& tensor);
/// Copies output i out of a session.
HostTensor get_output(const Session& session, int i);

/// Runs `entry` with inputs by name (missing inputs keep what they had) and returns all outputs by name.
std::vector<std::pair<std::string, HostTensor>> run_named(Model& model, const std::vector<std::pair<std::string, HostTensor>>& inputs,
                                                          std::string_view entry = "main");

}  // namespace gf
