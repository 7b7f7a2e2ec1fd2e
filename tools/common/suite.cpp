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

#include "converter/onnx/reader.h"
#include "tools/common/compare.h"

namespace gf::cli {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

std::vector<fs::path> data_sets(const fs::path& folder) {
  std::vector<fs::path> sets;
  for (const auto& e : fs::directory_iterator(folder))
    if (e.is_directory() && e.path().filename().string().starts_with("test_data_set_")) sets.push_back(e.path());
  std::sort(sets.begin(), sets.end(), [](const fs::path& a, const fs::path& b) { return a.string().size() != b.string().size() ? a.string().size() < b.string().size() : a < b; });
  return sets;
}

bool is_tensor(const onnx::ValueInfo& v) { return v.type && v.type->kind == onnx::Type::Kind::Tensor; }

struct CaseSet {
  std::vector<std::pair<std::string, HostTensor>> inputs;
  onnx::ImportOptions import;
};

CaseSet load_inputs(const onnx::Model& model, const fs::path& set) {
  CaseSet c;
  for (size_t i = 0; i < model.graph.input.size(); ++i) {
    const onnx::ValueInfo& info = model.graph.input[i];
    const fs::path file = set / fmt::format("input_{}.pb", i);
    if (!fs::exists(file)) continue;
    if (!is_tensor(info)) throw Exception(Error::Unsupported, fmt::format("input '{}' is a sequence, optional or map", info.name));
    HostTensor t = load_pb(file.string());
    c.import.shapes[info.name] = t.shape;
    c.inputs.emplace_back(info.name, std::move(t));
  }
  return c;
}

bool has_random(const ir::Entry& entry) {
  const auto& nodes = entry.body.nodes;
  return std::any_of(nodes.begin(), nodes.end(), [](const auto& n) { return (n->def->info.flags & kOpRandom) != 0; });
}

// One case, in the child: the JSON row.
Json run_case(const fs::path& folder, const std::string& name, const SuiteOptions& o) {
  Json row{{"name", name}, {"status", "passed"}, {"set", ""}, {"detail", ""}, {"max_abs", 0.0}, {"max_rel", 0.0}};
  try {
    const std::string path = (folder / "model.onnx").string();
    const onnx::Model onnx_model = onnx::read_model_file(path);
    std::vector<fs::path> sets = data_sets(folder);
    if (sets.empty()) throw Exception(Error::NotFound, "there is no test_data_set_* folder");
    std::map<std::map<std::string, std::vector<int64_t>>, Model> compiled;
    bool random = false;
    for (const fs::path& set : sets) {
      row["set"] = set.filename().string();
      CaseSet c = load_inputs(onnx_model, set);
      auto it = compiled.find(c.import.shapes);
      if (it == compiled.end()) {
        ConvertOptions convert_options;
        convert_options.optimize = o.optimize;
        ir::Model ir = convert_files({{path, c.import}}, convert_options);
        random = random || has_random(*ir.entries[0]);
        it = compiled.emplace(c.import.shapes, Model::from_bytes(emit(ir, {true}), o.model)).first;
      }
      const auto outputs = it->second.run(c.inputs);
      for (size_t i = 0; i < outputs.size(); ++i) {
        const fs::path file = set / fmt::format("output_{}.pb", i);
        if (!fs::exists(file)) continue;
        const HostTensor expected = load_pb(file.string());
        // random operators: only type and shape can be judged
        const HostTensor& actual = outputs[i].second;
        if (random && actual.dtype == expected.dtype && actual.shape == expected.shape) {
          row["detail"] = "random: types and shapes only";
          continue;
        }
        const Comparison r = compare(actual, expected, o.rtol, o.atol);
        row["max_abs"] = std::max(row["max_abs"].get<double>(), r.max_abs);
        row["max_rel"] = std::max(row["max_rel"].get<double>(), r.max_rel);
        if (r.equal) continue;
        row["status"] = "failed";
        row["detail"] = fmt::format("output '{}': {}", outputs[i].first, r.detail);
        return row;
      }
    }
    row["set"] = "";
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

Running start_case(const fs::path& folder, const std::string& name, const SuiteOptions& o) {
  int ends[2];
  if (pipe(ends) != 0) throw Exception(Error::IoError, "pipe failed");
  std::fflush(nullptr);
  const pid_t pid = fork();
  if (pid < 0) throw Exception(Error::IoError, "fork failed");
  if (pid == 0) {
    close(ends[0]);
    const rlimit no_core{0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    const std::string text = run_case(folder, name, o).dump(-1, ' ', false, Json::error_handler_t::replace);
    size_t at = 0;
    while (at < text.size()) {
      const ssize_t n = write(ends[1], text.data() + at, text.size() - at);
      if (n <= 0) _exit(3);
      at += static_cast<size_t>(n);
    }
    _exit(0);
  }
  close(ends[1]);
  return {pid, ends[0], name, {}, Clock::now()};
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

std::vector<std::pair<fs::path, std::string>> find_cases(const SuiteOptions& o) {
  if (!fs::is_directory(o.directory)) throw Exception(Error::NotFound, fmt::format("'{}' is not a folder", o.directory));
  std::vector<std::pair<fs::path, std::string>> cases;
  for (const auto& e : fs::recursive_directory_iterator(o.directory)) {
    if (e.path().filename() != "model.onnx") continue;
    std::string name = fs::relative(e.path().parent_path(), o.directory).generic_string();
    if (name == ".") name = fs::absolute(o.directory).lexically_normal().filename().string();
    if (fnmatch(o.filter.c_str(), name.c_str(), 0) == 0) cases.emplace_back(e.path().parent_path(), name);
  }
  std::sort(cases.begin(), cases.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
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
      running.push_back(start_case(cases[next].first, cases[next].second, o));
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
  Json result{{"passed", 0}, {"failed", 0}, {"unsupported", 0}, {"crashed", 0}, {"timed_out", 0}, {"cases", Json::array()}};
  for (auto& [name, row] : rows) {
    const std::string status = row["status"];
    result[status] = result[status].get<int>() + 1;
    result["cases"].push_back(std::move(row));
  }
  return result;
}

}  // namespace gf::cli
