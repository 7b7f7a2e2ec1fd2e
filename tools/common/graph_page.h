// The page of gf-info --html: what a model is, as JSON, in a page that needs nothing else. Whatever comes from the model is
// data: it stands in one JSON block in which '<' is escaped, and the page's script only ever shows it as text.
#pragma once

#include <string>

#include "tools/common/program_view.h"
#include "tools/common/trace.h"

namespace gf::cli {

/// Graph, memory plan, kernels and times of an entry. `trace` may be null. An entry that cannot become a session here has
/// "memory": null and the reason in "memory_error".
Json graph_json(Model& model, int entry, const Trace* trace);
/// The page. `model`: what gf-info --json says, with "graph" in each entry.
std::string graph_page(const Json& model, const std::string& title);

}  // namespace gf::cli
