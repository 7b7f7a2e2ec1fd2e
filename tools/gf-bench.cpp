// gf-bench: how long a model takes, where the time goes (per node, through the profile hook) and how much memory it
// needs.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "io/file.h"
#include "tools/common/inputs.h"
#include "tools/common/measure.h"
#include "tools/common/program_view.h"

using namespace gf;
using namespace gf::cli;

namespace {

struct Args {
  Common common;
  RunArgs run;
  std::string output_directory, trace;
  double min_time = 1;
  int warmup = 3;
  bool ops = false;
};

// --- profile

struct Event {
  int32_t node;
  int64_t begin_ns, end_ns;
};

// Room for events is made before the runs; what does not fit is counted, not stored.
struct Profile {
  std::vector<Event> events;
  std::vector<int64_t> node_ns;
  std::vector<int64_t> node_calls;
  int64_t lost = 0;
  int runs = 0;

  static uint64_t now() { return static_cast<uint64_t>(now_ns()); }
  static void after_node(void* context, int32_t node, uint64_t begin, uint64_t end) {
    Profile& p = *static_cast<Profile*>(context);
    p.node_ns[static_cast<size_t>(node)] += static_cast<int64_t>(end - begin);
    ++p.node_calls[static_cast<size_t>(node)];
    if (p.events.size() < p.events.capacity())
      p.events.push_back({node, static_cast<int64_t>(begin), static_cast<int64_t>(end)});
    else
      ++p.lost;
  }
};

Profile profile_runs(Session& session, int runs, bool keep_events) {
  Profile p;
  p.node_ns.assign(static_cast<size_t>(session.node_count()), 0);
  p.node_calls.assign(static_cast<size_t>(session.node_count()), 0);
  if (keep_events)
    p.events.reserve(std::min<size_t>(size_t{1} << 20,
                                      (static_cast<size_t>(session.node_count()) + 1) * static_cast<size_t>(runs) * 4));
  p.runs = runs;
  session.set_profile({&Profile::after_node, &Profile::now, &p});
  for (int i = 0; i < runs; ++i) static_cast<void>(run_ms(session));
  session.set_profile({});
  return p;
}

// --- rows of the ops table

struct OpRow {
  std::string node, op, kernel, refused;
  double ms = 0, calls = 0;
  uint64_t macs = 0;
  bool nested = false;
};

double gflops_of(double macs, double ms) { return ms > 0 ? 2 * macs / (ms * 1e6) : 0; }

std::vector<OpRow> op_rows(const Session& session, const std::vector<NodeInfo>& nodes, const Profile& p) {
  std::vector<OpRow> rows;
  for (size_t i = 0; i < p.node_ns.size(); ++i) {
    const NodeReport report = session.node(static_cast<int>(i));
    OpRow r;
    r.node = i < nodes.size() ? nodes[i].name : std::string(report.name);
    r.op = report.op;
    r.kernel = report.kernel;
    r.refused = report.refused;
    r.ms = static_cast<double>(p.node_ns[i]) * 1e-6 / p.runs;
    r.calls = static_cast<double>(p.node_calls[i]) / p.runs;
    r.macs = i < nodes.size() ? nodes[i].macs : 0;
    r.nested = i < nodes.size() && nodes[i].nested;
    rows.push_back(std::move(r));
  }
  return rows;
}

// Work done: once per node, nodes inside If and Loop as often as they ran.
double executed_macs(const std::vector<OpRow>& rows) {
  double sum = 0;
  for (const OpRow& r : rows) sum += static_cast<double>(r.macs) * (r.nested ? r.calls : 1);
  return sum;
}

Json ops_table(const std::vector<OpRow>& rows, bool known_shapes) {
  Json list = Json::array();
  for (const OpRow& r : rows) {
    Json row{{"node", r.node},    {"op", r.op},       {"kernel", r.kernel}, {"ms", r.ms},
             {"gflops", nullptr}, {"calls", r.calls}, {"macs", r.macs}};
    if (known_shapes) row["gflops"] = gflops_of(static_cast<double>(r.macs) * r.calls, r.ms);
    if (!r.refused.empty()) row["refused"] = r.refused;
    list.push_back(std::move(row));
  }
  return list;
}

void print_ops(std::vector<OpRow> rows, bool known_shapes, bool verbose) {
  std::stable_sort(rows.begin(), rows.end(), [](const OpRow& a, const OpRow& b) { return a.ms > b.ms; });
  double total = 0;
  size_t op_width = 2, kernel_width = 6;
  for (const OpRow& r : rows) {
    total += r.nested || r.op.empty() ? 0 : r.ms;
    op_width = std::max(op_width, r.op.size());
    kernel_width = std::max(kernel_width, r.kernel.size());
  }
  fmt::print("\n{:>9} {:>6} {:>6} {:>9}  {:<{}}  {:<{}}  node\n", "ms", "%", "sum %", "GFLOP/s", "op", op_width,
             "kernel", kernel_width);
  double sum = 0;
  for (const OpRow& r : rows) {
    sum += r.nested ? 0 : r.ms;
    const std::string speed = r.macs != 0 && known_shapes
                                  ? fmt::format("{:.1f}", gflops_of(static_cast<double>(r.macs) * r.calls, r.ms))
                                  : "";
    fmt::print("{:>9.4f} {:>6.1f} {:>6.1f} {:>9}  {:<{}}  {:<{}}  {}{}\n", r.ms, total > 0 ? 100 * r.ms / total : 0,
               total > 0 ? 100 * sum / total : 0, speed, r.op, op_width, r.kernel.empty() ? "(control flow)" : r.kernel,
               kernel_width, r.node, verbose && !r.refused.empty() ? "  [" + r.refused + "]" : "");
  }
}

// --- Chrome trace: https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU (Trace Event
// Format)

struct Span {
  const char* name;
  int64_t begin_ns, end_ns;
};

void write_trace(const std::string& path, const Args& a, const std::vector<Span>& spans, const Profile& p,
                 const std::vector<OpRow>& rows) {
  int64_t origin = spans.empty() ? 0 : spans.front().begin_ns;
  Json events = Json::array();
  events.push_back(
      {{"name", "process_name"}, {"ph", "M"}, {"pid", 1}, {"tid", 0}, {"args", {{"name", "gf-bench " + a.run.model}}}});
  events.push_back(
      {{"name", "thread_name"}, {"ph", "M"}, {"pid", 1}, {"tid", 1}, {"args", {{"name", "set-up and runs"}}}});
  events.push_back({{"name", "thread_name"},
                    {"ph", "M"},
                    {"pid", 1},
                    {"tid", 2},
                    {"args", {{"name", "nodes of '" + a.run.entry + "'"}}}});
  const auto us = [&](int64_t ns) { return static_cast<double>(ns - origin) * 1e-3; };
  for (const Span& s : spans)
    events.push_back({{"name", s.name},
                      {"cat", "phase"},
                      {"ph", "X"},
                      {"ts", us(s.begin_ns)},
                      {"dur", us(s.end_ns) - us(s.begin_ns)},
                      {"pid", 1},
                      {"tid", 1}});
  for (const Event& e : p.events) {
    const OpRow& r = rows[static_cast<size_t>(e.node)];
    Json args{{"op", r.op}, {"kernel", r.kernel}, {"index", e.node}};
    if (r.macs != 0) args["macs"] = r.macs;
    events.push_back({{"name", r.node},
                      {"cat", r.op},
                      {"ph", "X"},
                      {"ts", us(e.begin_ns)},
                      {"dur", us(e.end_ns) - us(e.begin_ns)},
                      {"pid", 1},
                      {"tid", 2},
                      {"args", args}});
  }
  io::write_file(path, Json{{"traceEvents", events},
                            {"displayTimeUnit", "ms"},
                            {"otherData",
                             {{"tool", "gf-bench " GF_VERSION},
                              {"model", a.run.model},
                              {"entry", a.run.entry},
                              {"runs", p.runs},
                              {"lost_events", p.lost}}}}
                           .dump(-1, ' ', false, Json::error_handler_t::replace));
}

// --- the measurement

// Floats are random, integers and bools one: an index of one is valid almost everywhere, a random one is not.
std::string default_spec(const PortInfo& port, uint64_t seed) {
  return dtype_is_float(port.dtype) ? fmt::format("random:{}", seed) : "ones";
}

// Returns whether all inputs have the shapes that the nodes' sizes are counted for (the bounds).
bool set_inputs(const Args& a, const Program& program, int entry, Session& session) {
  bool at_bounds = true;
  const auto rows = match_inputs(a.run, program, entry);
  for (size_t i = 0; i < rows.size(); ++i) {
    const PortInfo port = program.input(entry, static_cast<int>(i));
    const HostTensor t = load_tensor(rows[i].spec.empty() ? default_spec(port, a.common.seed) : rows[i].spec, port,
                                     a.run.image, &program);
    at_bounds = at_bounds && std::equal(t.shape.begin(), t.shape.end(), port.bounds);
    set_input(session, rows[i].name, t);
  }
  return at_bounds;
}

struct Timed {
  std::vector<double> times;
  uint64_t heap_calls = 0;
};

Timed measure(const Args& a, Session& session) {
  constexpr size_t kLeast = 5, kMost = 1'000'000;
  Timed t;
  t.times.reserve(kMost);
  for (int i = 0; i < a.warmup; ++i) static_cast<void>(run_ms(session));
  double total = 0;
  while ((total < a.min_time * 1e3 || t.times.size() < kLeast) && t.times.size() < kMost) {
    t.times.push_back(run_counted_ms(session, t.heap_calls));
    total += t.times.back();
    if (t.times.size() >= 2 && total > 20 * a.min_time * 1e3) break;  // very slow models: two runs tell enough
  }
  return t;
}

void print_text(const Args& a, const Json& j) {
  const Json& r = j["run_ms"];
  const Json& m = j["memory"];
  const auto bytes = [](const Json& v) { return bytes_text(v.get<uint64_t>()); };
  fmt::print("{}, entry '{}', {} thread{}, {}\n", j["model"].get<std::string>(), j["entry"].get<std::string>(),
             j["threads"].get<int>(), j["threads"].get<int>() == 1 ? "" : "s", j["isa"].get<std::string>());
  fmt::print("  run        {:.3f} ms median of {} ({:.3f} min, {:.3f} mean, {:.3f} p95, {:.3f} p99)\n",
             r["median"].get<double>(), r["count"].get<size_t>(), r["min"].get<double>(), r["mean"].get<double>(),
             r["p95"].get<double>(), r["p99"].get<double>());
  fmt::print(
      "  first run  {:.3f} ms, load {:.3f} ms, create {:.3f} ms{}\n", j["first_run_ms"].get<double>(),
      j["load_ms"].get<double>(), j["create_ms"].get<double>(),
      is_onnx_path(a.run.model) ? fmt::format(", conversion before it {:.0f} ms", j["convert_ms"].get<double>()) : "");
  fmt::print("  work       {:.4g} million multiply-accumulates{}\n", j["macs"].get<double>() * 1e-6,
             j["gflops"].is_null() ? "" : fmt::format(", {:.1f} GFLOP/s", j["gflops"].get<double>()));
  fmt::print(
      "  memory     file {}, packed weights {}, activations {} (live at most {}), scratch {}, state {}, set-up only "
      "{}\n",
      bytes(m["file_bytes"]), bytes(m["weights_bytes"]), bytes(m["activation_bytes"]), bytes(m["max_live_bytes"]),
      bytes(m["scratch_bytes"]), bytes(m["state_bytes"]), bytes(m["create_bytes"]));
  fmt::print("  process    {} before the model, {} at most\n", bytes(j["rss_before_bytes"]),
             bytes(j["peak_rss_bytes"]));
  fmt::print("  heap allocations in run: {}\n", j["heap_allocations_in_run"].is_null()
                                                    ? "not counted in this build"
                                                    : std::to_string(j["heap_allocations_in_run"].get<uint64_t>()));
}

int bench(Args& a) {
  const uint64_t rss_before = process_rss_bytes();
  const int64_t t0 = now_ns();
  Model model = open_for_run(a.run, model_options(a.common));
  const int64_t t1 = now_ns();
  const Program& program = model.program();
  const int entry = find_entry(program, a.run.entry);
  static_cast<void>(match_inputs(a.run, program, entry));
  Session& session = model.session(a.run.entry);
  const int64_t t2 = now_ns();
  const bool at_bounds = set_inputs(a, program, entry, session);
  const int64_t t3 = now_ns();
  const double first_ms = run_ms(session);
  const int64_t t4 = now_ns();
  const Timed timed = measure(a, session);
  const uint64_t peak = process_peak_rss_bytes();
  const Stats stats = statistics(timed.times);
  const int profiled = static_cast<int>(std::clamp(a.min_time * 1e3 / 4 / std::max(stats.median, 1e-3), 3.0, 50.0));
  const Profile p = profile_runs(session, profiled, !a.trace.empty());
  const std::vector<OpRow> rows = op_rows(session, list_nodes(program, entry), p);
  const double macs = executed_macs(rows);
  const MemoryNeeds needs = model.needs(a.run.entry);
  Json j{{"model", a.run.model},
         {"entry", a.run.entry},
         {"precision", "f32"},
         {"isa", isa_name(model.isa())},
         {"threads", model.threads()},
         {"load_ms", model.times().load_ms},
         {"create_ms", model.times().create_ms},
         {"first_run_ms", first_ms},
         {"run_ms", stats_json(stats)},
         {"heap_allocations_in_run", heap_json(timed.heap_calls)},
         {"rss_before_bytes", rss_before},
         {"peak_rss_bytes", peak},
         {"memory", memory_json(needs, program.bytes().size())},
         {"macs", macs},
         {"gflops", nullptr},
         {"ops", ops_table(rows, at_bounds)}};
  if (at_bounds) j["gflops"] = gflops_of(macs, stats.median);
  if (is_onnx_path(a.run.model))
    j["convert_ms"] = std::max(0.0, static_cast<double>(t1 - t0) * 1e-6 - model.times().load_ms);
  if (!a.trace.empty()) write_trace(a.trace, a, {{"load", t0, t1}, {"create", t1, t2}, {"first run", t3, t4}}, p, rows);
  if (!a.output_directory.empty()) {
    j["outputs"] = Json::array();
    for (int i = 0; i < session.output_count(); ++i) {
      const std::string name(program.output(entry, i).name);
      j["outputs"].push_back({{"name", name}, {"file", save_output(a.output_directory, name, get_output(session, i))}});
    }
  }
  if (a.common.json) {
    fmt::print("{}\n", j.dump(-1, ' ', false, Json::error_handler_t::replace));
    return kOk;
  }
  print_text(a, j);
  if (a.ops) print_ops(rows, at_bounds, a.common.verbose);
  return kOk;
}

}  // namespace

int main(int argc, char** argv) {
  Args a;
  return run_tool("gf-bench", "Measures a model: time per run, time per node, memory",
                  "  gf-bench model.gf --threads 2 --min-time 5\n"
                  "  gf-bench model.gf --input x=x.npy --ops --trace trace.json   # open trace.json in ui.perfetto.dev",
                  argc, argv, [&a](CLI::App& app) {
                    add_common(app, a.common, 1);
                    add_run_args(app, a.run);
                    app.add_option("--min-time", a.min_time, "Measure for at least this many seconds (and 5 runs)")
                        ->capture_default_str()
                        ->check(CLI::Range(0.0, 86400.0));
                    app.add_option("--warmup", a.warmup, "Runs before measuring, the first one not counted")
                        ->capture_default_str()
                        ->check(CLI::Range(0, 1000000));
                    app.add_flag("--ops", a.ops, "Table of nodes sorted by time");
                    app.add_option("--trace", a.trace, "Write a Chrome trace (JSON) of the profiled runs");
                    app.add_option("--output-dir", a.output_directory, "Write every output to DIR/<name>.npy");
                    return [&a]() -> int { return bench(a); };
                  });
}
