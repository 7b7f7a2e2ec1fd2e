#include "tools/common/program_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace gf::cli {

Json ops_json(const std::vector<NodeInfo>& nodes) {
  std::map<std::pair<std::string, std::vector<DType>>, int> counts;
  std::map<std::string, bool> views;
  for (const NodeInfo& n : nodes) {
    ++counts[{n.op, n.dtypes}];
    views[n.op] = n.def != nullptr && (n.def->info.flags & kOpView) != 0;
  }
  std::vector<std::pair<std::pair<std::string, std::vector<DType>>, int>> rows(counts.begin(), counts.end());
  std::stable_sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  Json list = Json::array();
  for (const auto& [key, count] : rows) {
    Json types = Json::array();
    for (DType t : key.second) types.push_back(dtype_name(t));
    list.push_back({{"op", key.first}, {"dtypes", types}, {"count", count}, {"view", views[key.first]}});
  }
  return list;
}

Json port_json(const Program& program, int entry, const PortInfo& port) {
  Json shape = Json::array(), bounds = Json::array();
  for (int d = 0; d < port.rank; ++d) {
    bounds.push_back(port.bounds[d]);
    if (port.symbols[d] == -1)
      shape.push_back(port.bounds[d]);
    else if (port.symbols[d] >= 0 && entry >= 0)
      shape.push_back(std::string(program.symbol(entry, port.symbols[d]).name));
    else
      shape.push_back("?");
  }
  Json j{{"name", std::string(port.name)}, {"dtype", dtype_name(port.dtype)}, {"shape", shape}};
  if (!port.is_static()) j["bounds"] = bounds;
  return j;
}

Json sections_json(const FileInfo& info) {
  Json list = Json::array();
  for (const SectionInfo& s : info.sections)
    list.push_back({{"kind", s.kind}, {"required", s.required}, {"bytes", s.bytes}});
  return list;
}

}  // namespace gf::cli
