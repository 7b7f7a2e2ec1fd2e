// What is in a program, as JSON.
#pragma once

#include <vector>

#include "facade/inspect.h"
#include "tools/common/cli.h"

namespace gf::cli {

/// [{"op","dtypes","count"}], most frequent first.
Json ops_json(const std::vector<NodeInfo>& nodes);
/// {"name","dtype","shape"}: varying dimensions by name ("?" for other expressions), and then also "bounds". `entry`:
/// whose dimension names are meant, -1 for none (state).
Json port_json(const Program& program, int entry, const PortInfo& port);
/// [{"kind","required","bytes"}], in the file's order.
Json sections_json(const FileInfo& info);

}  // namespace gf::cli
