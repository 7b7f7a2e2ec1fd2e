#include "tools/common/suite.h"

#include <fmt/format.h>
#include <fnmatch.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <map>

#include "converter/include/ghostflow/converter.h"
#include "tools/common/compare.h"
#include "tools/common/inputs.h"

namespace gf::cli {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

// A model with what it is fed and what it must give.
struct Case {
  fs::path model;
  std::string name;
  bool light = false;  ///< NAME.onnx beside NAME_output_i.pb, fed with the official runner's ramp
};

std::vector<fs::path> data_sets(const fs::path& folder) {
  std::vector<fs::path> sets;
  for (const auto& e : fs::directory_iterator(folder))
    if (e.is_directory() && e.path().filename().string().starts_with("test_data_set_")) sets.push_back(e.path());
  std::sort(sets.begin(), sets.end(), [](const fs::path& a, const fs::path& b) {
    return a.string().size() != b.string().size() ? a.string().size() < b.string().size() : a < b;
  });
  return sets;
}

bool is_tensor(const onnx::ValueInfo& v) { return v.type && v.type->kind == onnx::Type::Kind::Tensor; }

struct CaseSet {
  std::string name;
  std::vector<std::pair<std::string, HostTensor>> inputs;
  onnx::ImportOptions import;
  std::vector<fs::path> expected;  ///< file of output i; it may be missing
};

CaseSet load_set(const onnx::Model& model, const fs::path& folder) {
  CaseSet c;
  c.name = folder.filename().string();
  for (size_t i = 0; i < model.graph.input.size(); ++i) {
    const onnx::ValueInfo& info = model.graph.input[i];
    const fs::path file = folder / fmt::format("input_{}.pb", i);
    if (!fs::exists(file)) continue;
    if (!is_tensor(info))
      throw Exception(Error::Unsupported, fmt::format("input '{}' is a sequence, optional or map", info.name));
    HostTensor t = load_pb(file.string());
    c.import.shapes[info.name] = t.shape;
    c.inputs.emplace_back(info.name, std::move(t));
  }
  for (size_t i = 0; i < model.graph.output.size(); ++i) c.expected.push_back(folder / fmt::format("output_{}.pb", i));
  return c;
}

// onnx's runner feeds these models element i of n as i / n, computed in double precision, with 1 for open dimensions.
CaseSet ramp_set(const onnx::Model& model, const fs::path& path) {
  CaseSet c;
  for (const onnx::ValueInfo* info : graph_inputs(model)) {
    if (!is_tensor(*info) || !info->type->shape || info->type->elem_type != onnx::TensorType::Float)
      throw Exception(Error::Unsupported, fmt::format("input '{}' is not a float tensor of known rank", info->name));
    std::vector<int64_t> shape;
    for (const onnx::Dimension& d : *info->type->shape)
      shape.push_back(d.kind == onnx::Dimension::Kind::Value ? d.value : 1);
    HostTensor t = HostTensor::zeros(DType::F32, shape);
    const auto values = t.view<float>();
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = static_cast<float>(static_cast<double>(i) / static_cast<double>(values.size()));
    c.import.shapes[info->name] = shape;
    c.inputs.emplace_back(info->name, std::move(t));
  }
  for (size_t i = 0; i < model.graph.output.size(); ++i)
    c.expected.push_back(path.parent_path() / fmt::format("{}_output_{}.pb", path.stem().string(), i));
  return c;
}

bool has_random(const ir::Entry& entry) {
  const auto& nodes = entry.body.nodes;
  return std::any_of(nodes.begin(), nodes.end(), [](const auto& n) { return (n->def->info.flags & kOpRandom) != 0; });
}

// Runs one set; true when all outputs are right, else `row` says what is wrong.
bool run_set(Model& model, const CaseSet& c, bool random, const SuiteOptions& o, Json& row) {
  const auto outputs = run_named(model, c.inputs);
  for (size_t i = 0; i < outputs.size() && i < c.expected.size(); ++i) {
    if (!fs::exists(c.expected[i])) continue;
    const HostTensor expected = load_pb(c.expected[i].string());
    const HostTensor& actual = outputs[i].second;
    if (random && actual.dtype == expected.dtype && actual.shape == expected.shape) {
      row["detail"] = "random operator: only types and shapes can be judged";
      continue;
    }
    const Comparison r = compare(actual, expected, o.rtol, o.atol);
    row["max_abs"] = std::max(row["max_abs"].get<double>(), r.max_abs);
    row["max_rel"] = std::max(row["max_rel"].get<double>(), r.max_rel);
    if (r.equal) continue;
    row["status"] = "failed";
    row["detail"] = fmt::format("output '{}': {}", outputs[i].first, r.detail);
    return false;
  }
  return true;
}

// What comes back when the graph is written as .gf, read, written as ONNX and imported again.
ir::Model there_and_back(ir::Model& model, const ConvertOptions& options) {
  ir::Model read = read_gf(emit(model));
  const onnx::Model again = onnx::read_model(onnx::Bytes::take(export_onnx(read, {})));
  ConvertSource source;
  source.model = &again;
  return convert({source}, options, make_evaluator(default_tables(false)));
}

void run_sets(const Case& test, const SuiteOptions& o, Json& row) {
  const onnx::Model onnx_model = onnx::read_model_file(test.model.string());
  std::vector<CaseSet> sets;
  if (test.light)
    sets.push_back(ramp_set(onnx_model, test.model));
  else
    for (const fs::path& folder : data_sets(test.model.parent_path())) sets.push_back(load_set(onnx_model, folder));
  if (sets.empty()) throw Exception(Error::NotFound, "there is no test_data_set_* folder");
  std::map<std::map<std::string, std::vector<int64_t>>, Model> compiled;
  bool random = false;
  for (const CaseSet& c : sets) {
    row["set"] = c.name;
    auto it = compiled.find(c.import.shapes);
    if (it == compiled.end()) {
      ConvertOptions convert_options;
      convert_options.optimize = o.optimize;
      ir::Model ir = convert_files({{test.model.string(), c.import}}, convert_options);
      if (o.round_trip) ir = there_and_back(ir, convert_options);
      random = random || has_random(*ir.entries[0]);
      it = compiled.emplace(c.import.shapes, Model::from_bytes(emit(ir, {true}), o.model)).first;
    }
    if (!run_set(it->second, c, random, o, row)) return;
  }
  row["set"] = "";
}

// One case, in the child: the JSON row.
Json run_case(const Case& test, const SuiteOptions& o) {
  Json row{{"name", test.name}, {"status", "passed"}, {"set", ""}, {"detail", ""}, {"max_abs", 0.0}, {"max_rel", 0.0}};
  try {
    run_sets(test, o, row);
  } catch (const Exception& e) {
    row["status"] = e.code() == Error::Unsupported ? "unsupported" : "failed";
    row["detail"] = e.what();
  } catch (const std::exception& e) {
    row["status"] = "failed";
    row["detail"] = e.what();
  }
  return row;
}

struct Running {
  pid_t pid = -1;
  int pipe = -1;
  std::string name;
  std::string text;
  Clock::time_point began;
};

Running start_case(const Case& test, const SuiteOptions& o) {
  int ends[2];
  if (pipe(ends) != 0) throw Exception(Error::IoError, "pipe failed");
  std::fflush(nullptr);
  const pid_t pid = fork();
  if (pid < 0) throw Exception(Error::IoError, "fork failed");
  if (pid == 0) {
    close(ends[0]);
    const rlimit no_core{0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    const std::string text = run_case(test, o).dump(-1, ' ', false, Json::error_handler_t::replace);
    size_t at = 0;
    while (at < text.size()) {
      const ssize_t n = write(ends[1], text.data() + at, text.size() - at);
      if (n <= 0) _exit(3);
      at += static_cast<size_t>(n);
    }
    _exit(0);
  }
  close(ends[1]);
  return {pid, ends[0], test.name, {}, Clock::now()};
}

// Reads what has come; true when the child has closed its end.
bool drain(Running& r) {
  char buffer[65536];
  const ssize_t n = read(r.pipe, buffer, sizeof buffer);
  if (n > 0) r.text.append(buffer, static_cast<size_t>(n));
  return n <= 0;
}

Json finish_case(Running& r, bool timed_out) {
  if (timed_out) kill(r.pid, SIGKILL);
  close(r.pipe);
  int status = 0;
  waitpid(r.pid, &status, 0);
  Json row{{"name", r.name}, {"status", "crashed"}, {"set", ""}, {"detail", ""}, {"max_abs", 0.0}, {"max_rel", 0.0}};
  if (timed_out) {
    row["status"] = "timed_out";
    return row;
  }
  if (WIFSIGNALED(status)) {
    row["detail"] = fmt::format("signal {}", WTERMSIG(status));
    return row;
  }
  const Json parsed = Json::parse(r.text, nullptr, false);
  if (parsed.is_discarded() || WEXITSTATUS(status) != 0) {
    row["detail"] = fmt::format("exit status {}", WEXITSTATUS(status));
    return row;
  }
  return parsed;
}

std::vector<Case> find_cases(const SuiteOptions& o) {
  if (!fs::is_directory(o.directory))
    throw Exception(Error::NotFound, fmt::format("'{}' is not a folder", o.directory));
  std::vector<Case> cases;
  for (const auto& e : fs::recursive_directory_iterator(o.directory)) {
    if (e.path().extension() != ".onnx") continue;
    const std::string stem = e.path().stem().string();
    const bool light = fs::exists(e.path().parent_path() / (stem + "_output_0.pb"));
    if (!light && e.path().filename() != "model.onnx") continue;
    const fs::path named = light ? e.path().parent_path() / stem : e.path().parent_path();
    std::string name = fs::relative(named, o.directory).generic_string();
    if (name == ".") name = fs::absolute(o.directory).lexically_normal().filename().string();
    if (fnmatch(o.filter.c_str(), name.c_str(), 0) == 0) cases.push_back({e.path(), name, light});
  }
  if (cases.empty())
    throw Exception(
        Error::NotFound,
        fmt::format(
            "'{}' has no case that matches '{}' (folders with model.onnx, or NAME.onnx beside NAME_output_0.pb)",
            o.directory, o.filter));
  std::sort(cases.begin(), cases.end(), [](const Case& a, const Case& b) { return a.name < b.name; });
  return cases;
}

}  // namespace

Json run_suite(const SuiteOptions& o, bool progress) {
  const auto cases = find_cases(o);
  std::map<std::string, Json> rows;
  std::vector<Running> running;
  size_t next = 0;
  while (next < cases.size() || !running.empty()) {
    while (next < cases.size() && running.size() < static_cast<size_t>(std::max(1, o.jobs))) {
      running.push_back(start_case(cases[next], o));
      ++next;
    }
    std::vector<pollfd> fds;
    for (const Running& r : running) fds.push_back({r.pipe, POLLIN, 0});
    poll(fds.data(), fds.size(), 100);
    for (size_t i = running.size(); i-- > 0;) {
      const bool late = std::chrono::duration<double>(Clock::now() - running[i].began).count() > o.timeout_seconds;
      const bool closed = (fds[i].revents & (POLLIN | POLLHUP)) != 0 && drain(running[i]);
      if (!closed && !late) continue;
      rows[running[i].name] = finish_case(running[i], !closed);
      running.erase(running.begin() + static_cast<std::ptrdiff_t>(i));
    }
    if (progress) fmt::print(stderr, "\r{}/{} ", rows.size(), cases.size());
  }
  if (progress) fmt::print(stderr, "\r{:20}\r", "");
  Json result{{"passed", 0},  {"failed", 0},    {"unsupported", 0},
              {"crashed", 0}, {"timed_out", 0}, {"cases", Json::array()}};
  for (auto& [name, row] : rows) {
    const std::string status = row["status"];
    result[status] = result[status].get<int>() + 1;
    result["cases"].push_back(std::move(row));
  }
  return result;
}

}  // namespace gf::cli
