// Writes a .gf file again with other optional parts, without a way through the graph.
#pragma once

#include <vector>

#include "graph/emit/emit.h"
#include "runtime/load/program.h"

namespace gf {

/// `sections` replace those of their kinds, other sections stay, and a signature is never taken over, since it cannot hold for
/// other bytes. Entries, constants, State and metadata keep their bytes; what emit wrote comes out as if emit had been given
/// these sections. Throws gf::Exception: BadVersion (written by a later minor version, whose additions would be lost), BadFile
/// (sections that lie on one another), and as emit.
void rewrite(const Program& program, const std::vector<EmitSection>& sections, const EmitSigner& signer, const ByteSink& sink);

}  // namespace gf
