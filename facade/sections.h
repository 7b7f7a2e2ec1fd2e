// Golden vectors and signatures of a file that exists: the optional parts of a .gf, changed without its graph.
#pragma once

#include <string>
#include <vector>

#include "graph/emit/rewrite.h"

namespace gf {

/// Writes the file of `program` with `sections` in place of those of their kinds, and signed when `signer` has functions
/// (graph/emit/rewrite.h, and what it throws). Returns what was dropped or replaced, as sentences for people.
std::vector<std::string> change_sections(const Program& program, const std::vector<EmitSection>& sections,
                                         const EmitSigner& signer, const ByteSink& sink);

}  // namespace gf
