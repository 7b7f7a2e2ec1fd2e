#include "tools/common/trace.h"

#include <fmt/format.h>

#include <algorithm>

#include "io/file.h"

namespace gf::cli {
namespace {

Json parse(const std::string& path) {
  const io::Bytes bytes = io::read_file(path);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  Json j = Json::parse(text, nullptr, false);
  if (!j.is_object() || !j.contains("traceEvents") || !j["traceEvents"].is_array() || !j.contains("otherData") ||
      !j["otherData"].is_object())
    throw Exception(Error::BadFile, fmt::format("'{}' is not a trace; make one with gf-bench --trace FILE.json", path));
  return j;
}

double number(const Json& object, const char* key) {
  return object.contains(key) && object[key].is_number() ? object[key].get<double>() : -1;
}

}  // namespace

Trace read_trace(const std::string& path, const Program& program) {
  const Json j = parse(path);
  Trace trace;
  const Json& about = j["otherData"];
  trace.entry = about.contains("entry") && about["entry"].is_string() ? about["entry"].get<std::string>() : "";
  trace.runs = static_cast<int64_t>(std::clamp(number(about, "runs"), -1.0, 1e9));
  const int entry = program.find_entry(trace.entry);
  if (trace.runs < 1)
    throw Exception(Error::BadFile, fmt::format("'{}' does not say how many runs it holds; make it anew with gf-bench --trace", path));
  if (number(about, "lost_events") > 0)
    throw Exception(Error::BadFile, fmt::format("'{}' lacks {} events that did not fit, so its times are not whole; measure with a smaller --min-time", path, about["lost_events"].dump()));
  const auto other_model = [&](const std::string& why) -> Exception {
    return {Error::BadFile, fmt::format("'{}' is a trace of another model: {}; make one with gf-bench of this file", path, why)};
  };
  if (entry < 0) throw other_model(fmt::format("there is no entry '{}'", trace.entry));
  const std::vector<NodeInfo> nodes = list_nodes(program, entry);
  trace.nodes.resize(nodes.size());
  for (const Json& e : j["traceEvents"]) {
    if (!e.is_object() || !e.contains("args") || !e["args"].is_object() || !e["args"].contains("index")) continue;
    const double index = number(e["args"], "index"), duration = number(e, "dur");
    if (index < 0 || index >= static_cast<double>(nodes.size()))
      throw other_model(fmt::format("it has a node {} and entry '{}' has {} nodes", index, trace.entry, nodes.size()));
    const auto i = static_cast<size_t>(index);
    const std::string op = e["args"].contains("op") && e["args"]["op"].is_string() ? e["args"]["op"].get<std::string>() : "";
    if (op != nodes[i].op) throw other_model(fmt::format("node {} is '{}' there and '{}' here", i, op, nodes[i].op));
    trace.nodes[i].ms += std::max(0.0, duration) * 1e-3;
    trace.nodes[i].calls += 1;
  }
  for (NodeTime& t : trace.nodes) {
    t.ms /= static_cast<double>(trace.runs);
    t.calls /= static_cast<double>(trace.runs);
  }
  return trace;
}

}  // namespace gf::cli
