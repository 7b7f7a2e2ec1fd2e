// gf-run: one model, its inputs from files, its outputs for people (a table), for files (.npy) or for scripts (--json).
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "facade/inspect.h"
#include "tools/common/golden.h"
#include "tools/common/inputs.h"
#include "tools/common/measure.h"

using namespace gf;
using namespace gf::cli;

namespace {

struct Args {
  Common common;
  RunArgs run;
  std::string output_directory, stream;
  int top = 0;
  int64_t repeat = 1;
  bool verify_golden = false;
};

struct Result {
  std::vector<std::pair<std::string, HostTensor>> outputs;
  std::vector<double> times;
  uint64_t heap_calls = 0;
  int64_t windows = 0;
};

// [windows, ...] of one output.
class Stacked {
 public:
  void add(const HostTensor& t) {
    if (count_ == 0)
      first_ = t;
    else if (t.dtype != first_.dtype || t.shape != first_.shape)
      throw Exception(Error::ShapeMismatch,
                      fmt::format("an output is {} in one window and {} in another; they cannot be stacked",
                                  shape_text(first_.shape), shape_text(t.shape)));
    bytes_.insert(bytes_.end(), t.data.begin(), t.data.end());
    ++count_;
  }
  HostTensor get() const {
    HostTensor t;
    t.dtype = first_.dtype;
    t.shape = first_.shape;
    t.shape.insert(t.shape.begin(), count_);
    t.data = bytes_;
    return t;
  }

 private:
  HostTensor first_;
  std::vector<std::byte> bytes_;
  int64_t count_ = 0;
};

// Window `index` of `whole` along its last axis; past the end: zeros.
HostTensor window(const HostTensor& whole, const StreamSpec& s, int64_t index) {
  const int64_t length = whole.shape.back(), rows = length == 0 ? 0 : whole.count() / length;
  std::vector<int64_t> shape = whole.shape;
  shape.back() = s.samples;
  HostTensor t = HostTensor::zeros(whole.dtype, shape);
  const size_t element = dtype_bits(whole.dtype) / 8;
  const int64_t begin = index * s.hop, take = std::clamp<int64_t>(length - begin, 0, s.samples);
  for (int64_t r = 0; r < rows && take > 0; ++r)
    std::memcpy(t.data.data() + static_cast<size_t>(r * s.samples) * element,
                whole.data.data() + static_cast<size_t>(r * length + begin) * element,
                static_cast<size_t>(take) * element);
  return t;
}

std::vector<std::pair<std::string, HostTensor>> outputs_of(const Program& program, int entry, const Session& session) {
  std::vector<std::pair<std::string, HostTensor>> out;
  for (int i = 0; i < session.output_count(); ++i)
    out.emplace_back(std::string(program.output(entry, i).name), get_output(session, i));
  return out;
}

void set_inputs(const Args& a, const Program& program, int entry, Session& session) {
  const auto rows = match_inputs(a.run, program, entry);
  for (size_t i = 0; i < rows.size(); ++i) {
    if (a.run.stream && a.run.stream->name == rows[i].name) continue;
    if (rows[i].spec.empty())
      throw UsageError(fmt::format(
          "input '{}' is missing; inputs of '{}': {}. Give each with --input NAME=FILE (or zeros, ones, random:SEED)",
          rows[i].name, a.run.entry, ports_text(program, entry)));
    const PortInfo port = program.input(entry, static_cast<int>(i));
    set_input(session, rows[i].name, load_tensor(rows[i].spec, port, a.run.image, &program));
  }
}

Result run_plain(const Args& a, const Program& program, int entry, Session& session) {
  Result r;
  r.times.reserve(static_cast<size_t>(a.repeat));
  for (int64_t i = 0; i < a.repeat; ++i) r.times.push_back(run_counted_ms(session, r.heap_calls));
  r.outputs = outputs_of(program, entry, session);
  return r;
}

Result run_stream(const Args& a, const Program& program, int entry, Session& session) {
  const StreamSpec& s = *a.run.stream;
  const int index = session.find_input(s.name);
  if (index < 0)
    throw UsageError(fmt::format("--stream {}: there is no input '{}'; inputs of '{}': {}", a.stream, s.name,
                                 a.run.entry, ports_text(program, entry)));
  const PortInfo port = program.input(entry, index);
  const std::string spec = match_inputs(a.run, program, entry)[static_cast<size_t>(index)].spec;
  if (spec.empty() || is_generated(spec))
    throw UsageError(fmt::format("--stream {} needs --input {}=FILE", a.stream, s.name));
  const HostTensor whole = read_tensor_file(spec, a.run.image);
  if (whole.shape.empty() || dtype_bits(whole.dtype) % 8 != 0)
    throw Exception(Error::ShapeMismatch, fmt::format("'{}' has no axis to cut windows from", spec));
  const int64_t length = whole.shape.back();
  Result r;
  r.windows = length <= s.samples ? 1 : 1 + (length - s.samples + s.hop - 1) / s.hop;
  std::vector<Stacked> stacked(static_cast<size_t>(session.output_count()));
  for (int64_t w = 0; w < r.windows; ++w) {
    set_input(session, s.name, fit_tensor(window(whole, s, w), port, fmt::format("window {} of {}", w, spec)));
    r.times.push_back(run_counted_ms(session, r.heap_calls));
    for (int i = 0; i < session.output_count(); ++i) stacked[static_cast<size_t>(i)].add(get_output(session, i));
  }
  for (int i = 0; i < session.output_count(); ++i)
    r.outputs.emplace_back(std::string(program.output(entry, i).name), stacked[static_cast<size_t>(i)].get());
  return r;
}

struct Ranked {
  size_t row, index;
  double score, probability;
  std::string label;
};

// Rows of classes: the last axis that is not 1; everything before it is one row per example.
std::vector<Ranked> rank_classes(const HostTensor& t, const std::vector<std::string>& labels, int top) {
  const std::vector<double> values = t.as<double>();
  std::vector<int64_t> axes;
  for (int64_t d : t.shape)
    if (d != 1) axes.push_back(d);
  const size_t classes = axes.empty() ? 1 : static_cast<size_t>(axes.back());
  std::vector<Ranked> ranked;
  for (size_t row = 0; classes != 0 && row < values.size() / classes; ++row) {
    const double* v = values.data() + row * classes;
    double sum = 0, largest = v[0];
    bool is_distribution = true;
    for (size_t i = 0; i < classes; ++i) {
      sum += v[i];
      largest = std::max(largest, v[i]);
      is_distribution = is_distribution && v[i] >= -1e-6 && v[i] <= 1 + 1e-3;
    }
    is_distribution = is_distribution && std::abs(sum - 1) < 1e-2;
    double total = 0;
    for (size_t i = 0; i < classes; ++i) total += std::exp(v[i] - largest);
    std::vector<size_t> order(classes);
    std::iota(order.begin(), order.end(), size_t{0});
    const size_t keep = std::min(classes, static_cast<size_t>(top));
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(keep), order.end(),
                      [&](size_t x, size_t y) { return v[x] != v[y] ? v[x] > v[y] : x < y; });
    for (size_t k = 0; k < keep; ++k) {
      const size_t i = order[k];
      ranked.push_back({row, i, v[i], is_distribution ? v[i] : std::exp(v[i] - largest) / total,
                        labels.size() == classes ? labels[i] : ""});
    }
  }
  return ranked;
}

// The output that --top ranks: the first of floats whose classes match the labels, else the first of floats.
const HostTensor* top_output(const Result& r, size_t labels) {
  const HostTensor* first = nullptr;
  for (const auto& [name, t] : r.outputs) {
    if (!dtype_is_float(t.dtype) || t.count() == 0) continue;
    if (labels != 0 && t.count() % static_cast<int64_t>(labels) == 0) return &t;
    if (first == nullptr) first = &t;
  }
  return first;
}

void print_top(const std::vector<Ranked>& ranked) {
  const size_t rows = ranked.empty() ? 0 : ranked.back().row + 1;
  size_t width = 5, shown = 0;
  for (const Ranked& r : ranked) width = std::max(width, r.label.size());
  for (const Ranked& r : ranked) {
    if (r.row >= 16) break;
    if (shown == 0 || ranked[shown - 1].row != r.row) {
      if (rows > 1) fmt::print("row {}\n", r.row);
      fmt::print("  {:>5}  {:<{}}  probability\n", "class", "label", width);
    }
    fmt::print("  {:>5}  {:<{}}  {:>10.4f}%\n", r.index, r.label.empty() ? "-" : r.label, width, r.probability * 100);
    ++shown;
  }
  if (rows > 16) fmt::print("... and {} more rows (--json lists all)\n", rows - 16);
}

void print_tensor(const std::string& name, const HostTensor& t) {
  fmt::print("{} {} {}\n", name, dtype_name(t.dtype), shape_text(t.shape));
  if (t.count() == 0 || t.dtype == DType::C64 || t.dtype == DType::C128) return;
  const std::vector<double> v = t.as<double>();
  const auto [lo, hi] = std::minmax_element(v.begin(), v.end());
  const double mean = std::accumulate(v.begin(), v.end(), 0.0) / static_cast<double>(v.size());
  std::string some;
  for (size_t i = 0; i < std::min<size_t>(v.size(), 8); ++i) some += fmt::format(" {:.6g}", v[i]);
  fmt::print("  values{}{}\n  min {:.6g}  max {:.6g}  mean {:.6g}\n", some, v.size() > 8 ? " ..." : "", *lo, *hi, mean);
}

// Which kernel every node got, and why the best other one was not taken.
void print_kernels(const Session& session, const std::vector<NodeInfo>& nodes) {
  for (int i = 0; i < session.node_count(); ++i) {
    const NodeReport r = session.node(i);
    fmt::print(stderr, "  {:<20} {:<28} {}{}\n", r.op, r.kernel[0] != '\0' ? r.kernel : "(control flow)",
               nodes[static_cast<size_t>(i)].name,
               r.refused[0] != '\0' ? fmt::format("  [refused: {}]", r.refused) : "");
  }
}

int verify(Args& a) {
  Model model = open_for_run(a.run, model_options(a.common));
  const std::optional<Golden> golden = read_golden(model.program());
  if (!golden)
    throw Exception(Error::NotFound, fmt::format("'{}' holds no golden vectors; gf-convert --golden N stores some", a.run.model));
  Json runs = Json::array();
  const GoldenResult* first = nullptr;
  const std::vector<GoldenResult> results = verify_golden(model, *golden);
  for (const GoldenResult& r : results) {
    if (!r.comparison.equal && first == nullptr) first = &r;
    runs.push_back({{"entry", r.entry},
                    {"run", r.run},
                    {"equal", r.comparison.equal},
                    {"output", r.comparison.equal ? Json() : Json(r.output)},
                    {"detail", r.comparison.detail},
                    {"max_abs", r.comparison.max_abs},
                    {"max_rel", r.comparison.max_rel}});
  }
  if (a.common.json)
    fmt::print("{}\n", Json{{"golden", runs}, {"rtol", golden->rtol}, {"atol", golden->atol}, {"equal", first == nullptr}}.dump(
                           -1, ' ', false, Json::error_handler_t::replace));
  else if (first == nullptr)
    fmt::print("{} golden run{} as stored (within {} + {} x value)\n", results.size(), results.size() == 1 ? " is" : "s are", golden->atol, golden->rtol);
  if (first == nullptr) return kOk;
  fmt::print(stderr, "run {} of entry '{}': output '{}' differs from the golden one: {}\n", first->run, first->entry, first->output, first->comparison.detail);
  return kFailure;
}

int run(Args& a) {
  if (a.verify_golden) return verify(a);
  if (!a.stream.empty()) a.run.stream = parse_stream(a.stream);
  if (a.run.stream && a.repeat != 1) throw UsageError("--stream and --repeat do not go together");
  Model model = open_for_run(a.run, model_options(a.common));
  const Program& program = model.program();
  const int entry = find_entry(program, a.run.entry);
  static_cast<void>(match_inputs(a.run, program, entry));
  Session& session = model.session(a.run.entry);
  set_inputs(a, program, entry, session);
  if (a.common.verbose) print_kernels(session, list_nodes(program, entry));
  const Result r = a.run.stream ? run_stream(a, program, entry, session) : run_plain(a, program, entry, session);
  const Stats stats = statistics(r.times);
  const std::vector<std::string> labels = read_labels(program);
  std::vector<Ranked> ranked;
  if (a.top > 0) {
    const HostTensor* t = top_output(r, labels.size());
    if (t == nullptr) throw Exception(Error::TypeMismatch, "--top: the model has no output of floats to rank");
    ranked = rank_classes(*t, labels, a.top);
  }
  Json outputs = Json::array();
  for (const auto& [name, tensor] : r.outputs) {
    Json row{{"name", name}, {"dtype", dtype_name(tensor.dtype)}, {"shape", tensor.shape}, {"file", nullptr}};
    if (!a.output_directory.empty()) row["file"] = save_output(a.output_directory, name, tensor);
    outputs.push_back(row);
  }
  if (a.common.json) {
    Json top = Json::array();
    for (const Ranked& t : ranked)
      top.push_back(
          {{"row", t.row}, {"index", t.index}, {"label", t.label}, {"probability", t.probability}, {"score", t.score}});
    Json j{{"entry", a.run.entry},
           {"run_ms", stats.median},
           {"runs", stats.count},
           {"heap_allocations_in_run", heap_json(r.heap_calls)},
           {"outputs", outputs},
           {"top", top},
           {"memory", memory_json(model.needs(a.run.entry), program.bytes().size())},
           {"threads", model.threads()},
           {"isa", isa_name(model.isa())}};
    if (a.run.stream) j["windows"] = r.windows;
    fmt::print("{}\n", j.dump(-1, ' ', false, Json::error_handler_t::replace));
    return kOk;
  }
  if (a.top > 0)
    print_top(ranked);
  else if (a.output_directory.empty() || a.common.verbose)
    for (const auto& [name, tensor] : r.outputs) print_tensor(name, tensor);
  for (const Json& o : outputs)
    if (o["file"].is_string()) fmt::print("wrote {}\n", o["file"].get<std::string>());
  if (stats.count == 1)
    fmt::print("time {:.3f} ms", stats.median);
  else
    fmt::print("time {:.3f} ms (median of {}{}; {:.3f} to {:.3f})", stats.median, stats.count,
               a.run.stream ? " windows" : " runs", stats.min, *std::max_element(r.times.begin(), r.times.end()));
  const MemoryNeeds needs = model.needs(a.run.entry);
  fmt::print(", {} thread{}, {}\n", model.threads(), model.threads() == 1 ? "" : "s", isa_name(model.isa()));
  fmt::print("memory {} (packed weights {}, activations {}, scratch {}, state {}, session {}) beside the file of {}\n",
             bytes_text(resident_bytes(needs)), bytes_text(needs.weights_bytes), bytes_text(needs.activation_bytes),
             bytes_text(needs.scratch_bytes), bytes_text(needs.state_bytes), bytes_text(needs.session_bytes),
             bytes_text(program.bytes().size()));
  fmt::print("heap allocations in run: {}\n", heap_text(r.heap_calls));
  return kOk;
}

}  // namespace

int main(int argc, char** argv) {
  Args a;
  return run_tool(
      "gf-run", "Runs a model on inputs from files",
      "  gf-run digits.gf --input image=digit_7.png --top 3\n"
      "  gf-run model.gf --input x=x.npy --input mask=ones --output-dir out\n"
      "  gf-run vad.gf --input input=speech.wav --stream input=512 --output-dir out",
      argc, argv, [&a](CLI::App& app) {
        add_common(app, a.common, 0);
        add_run_args(app, a.run);
        app.add_option("--output-dir", a.output_directory, "Write every output to DIR/<name>.npy");
        app.add_option("--top", a.top, "Show the K most probable classes, with the model's labels")
            ->check(CLI::Range(1, 1000000));
        app.add_option("--repeat", a.repeat, "Run N times in a row, State carried over")
            ->capture_default_str()
            ->check(CLI::Range(int64_t{1}, int64_t{1000000000}));
        app.add_option(
            "--stream", a.stream,
            "name=SAMPLES[:HOP]: cut a long input into windows along its last axis, one run each, outputs stacked");
        app.add_flag("--verify-golden", a.verify_golden,
                     "Run the vectors that gf-convert --golden stored and compare; exit code 1 where one differs");
        return [&a]() -> int { return run(a); };
      });
}
