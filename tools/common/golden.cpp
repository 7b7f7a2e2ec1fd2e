#include "tools/common/golden.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <set>

#include "facade/host_run.h"
#include "io/safetensors.h"

namespace gf::cli {
namespace {

constexpr char kKind[] = "golden";
constexpr size_t kMostRuns = 4096;

[[noreturn]] void bad(const std::string& what) { throw Exception(Error::BadFile, "golden section: " + what); }

std::string tensor_name(size_t run, const char* side, size_t index) { return fmt::format("{}/{}/{}", run, side, index); }

double parse_tolerance(const std::map<std::string, std::string>& metadata, const char* key) {
  const auto it = metadata.find(key);
  double v = -1;
  if (it != metadata.end()) {
    const char* end = it->second.data() + it->second.size();
    if (const auto r = std::from_chars(it->second.data(), end, v); r.ec != std::errc() || r.ptr != end) v = -1;
  }
  if (!std::isfinite(v) || v < 0) bad(fmt::format("'{}' is not a tolerance", key));
  return v;
}

// Tensors of one run and side, all of them, with the types and shapes of the ports.
std::vector<HostTensor> take(std::map<std::string, const io::SafeTensor*>& tensors, const Program& program, size_t run, int entry, bool inputs) {
  std::vector<HostTensor> out;
  const int count = inputs ? program.input_count(entry) : program.output_count(entry);
  for (int i = 0; i < count; ++i) {
    const std::string name = tensor_name(run, inputs ? "in" : "out", static_cast<size_t>(i));
    const auto it = tensors.find(name);
    if (it == tensors.end()) bad(fmt::format("there is no tensor '{}'", name));
    const PortInfo port = inputs ? program.input(entry, i) : program.output(entry, i);
    if (it->second->dtype != port.dtype)
      bad(fmt::format("'{}' is {}, and '{}' is {}", name, dtype_name(it->second->dtype), port.name, dtype_name(port.dtype)));
    out.push_back(it->second->to_array());
    tensors.erase(it);
  }
  return out;
}

// The port with sizes for this run in place of the bounds: a little above the lower ones.
PortInfo sized(const Program& program, int entry, PortInfo port, int run) {
  for (int d = 0; d < port.rank; ++d) {
    if (port.symbols[d] < 0) continue;
    const SymbolInfo s = program.symbol(entry, port.symbols[d]);
    port.bounds[d] = std::min(s.hi, std::max<int64_t>(s.lo, 1) + 1 + run);
    port.symbols[d] = -1;
  }
  return port;
}

std::vector<HostTensor> run_once(Session& session, const Program& program, int entry, const std::vector<HostTensor>& inputs) {
  for (size_t i = 0; i < inputs.size(); ++i) set_input(session, program.input(entry, static_cast<int>(i)).name, inputs[i]);
  ErrorDetail detail;
  if (const Error e = session.run(&detail); e != Error::Ok) throw Exception(e, detail.text);
  std::vector<HostTensor> out;
  for (int i = 0; i < session.output_count(); ++i) out.push_back(get_output(session, i));
  return out;
}

}  // namespace

std::vector<std::byte> encode_golden(const Golden& golden) {
  std::map<std::string, std::string> metadata{{"version", "1"}, {"rtol", fmt::format("{}", golden.rtol)}, {"atol", fmt::format("{}", golden.atol)}};
  std::vector<io::NamedArray> arrays;
  for (size_t r = 0; r < golden.runs.size(); ++r) {
    const GoldenRun& run = golden.runs[r];
    metadata[fmt::format("run.{}", r)] = run.entry;
    for (size_t i = 0; i < run.inputs.size(); ++i) arrays.push_back({tensor_name(r, "in", i), run.inputs[i]});
    for (size_t i = 0; i < run.outputs.size(); ++i) arrays.push_back({tensor_name(r, "out", i), run.outputs[i]});
  }
  return io::safetensors_bytes(arrays, metadata);
}

std::optional<Golden> read_golden(const Program& program) {
  if (program.section_count(kKind) == 0) return std::nullopt;
  const io::SafeTensors parsed = io::parse_safetensors(program.section(kKind), "golden section");
  const auto& metadata = parsed.metadata;
  if (const auto v = metadata.find("version"); v == metadata.end() || v->second != "1")
    throw Exception(Error::BadVersion, "golden section: of a version that this program does not know");
  Golden golden;
  golden.rtol = parse_tolerance(metadata, "rtol");
  golden.atol = parse_tolerance(metadata, "atol");
  std::map<std::string, const io::SafeTensor*> tensors;
  for (const io::SafeTensor& t : parsed.tensors) tensors[t.name] = &t;
  for (size_t r = 0;; ++r) {
    const auto it = metadata.find(fmt::format("run.{}", r));
    if (it == metadata.end()) break;
    if (r >= kMostRuns) throw Exception(Error::LimitExceeded, fmt::format("golden section: more than {} runs", kMostRuns));
    const int entry = program.find_entry(it->second);
    if (entry < 0) bad(fmt::format("run {} is of an entry that the file does not have", r));
    golden.runs.push_back({it->second, take(tensors, program, r, entry, true), take(tensors, program, r, entry, false)});
  }
  if (golden.runs.empty()) bad("it holds no run");
  if (!tensors.empty()) bad(fmt::format("tensor '{}' belongs to no run", tensors.begin()->first));
  return golden;
}

Golden make_golden(Model& model, int count, uint64_t seed, const std::vector<std::string>& given) {
  const Program& program = model.program();
  std::map<std::string, std::string> files;
  for (const std::string& text : given) files.insert(split_pair(text, "--golden-input"));
  std::set<std::string> unused;
  for (const auto& [name, file] : files) unused.insert(name);
  Golden golden;
  for (int e = 0; e < program.entry_count(); ++e) {
    const std::string entry(program.entry_name(e));
    Session& session = model.session(entry);
    if (model.state() != nullptr) model.state()->reset();
    for (int r = 0; r < count; ++r) {
      GoldenRun run{entry, {}, {}};
      for (int i = 0; i < program.input_count(e); ++i) {
        const PortInfo port = program.input(e, i);
        const auto it = files.find(std::string(port.name));
        if (it != files.end()) unused.erase(it->first);
        const std::string random = dtype_is_float(port.dtype) ? fmt::format("random:{}", seed + static_cast<uint64_t>(r * 31 + i)) : "ones";
        run.inputs.push_back(it != files.end() ? load_tensor(it->second, port, "", &program) : load_tensor(random, sized(program, e, port, r), "", &program));
      }
      try {
        run.outputs = run_once(session, program, e, run.inputs);
      } catch (const Exception& x) {
        throw Exception(x.code(), fmt::format("--golden: entry '{}' does not run on these inputs: {}; give better ones with --golden-input NAME=FILE", entry, x.what()));
      }
      golden.runs.push_back(std::move(run));
    }
  }
  if (!unused.empty()) throw UsageError(fmt::format("--golden-input: no entry has an input '{}'", *unused.begin()));
  return golden;
}

std::vector<GoldenResult> verify_golden(Model& model, const Golden& golden) {
  const Program& program = model.program();
  std::vector<GoldenResult> results;
  std::map<std::string, int> runs;
  std::string last;
  for (const GoldenRun& run : golden.runs) {
    const int entry = program.find_entry(run.entry);
    if (run.entry != last && model.state() != nullptr) model.state()->reset();
    last = run.entry;
    GoldenResult result{run.entry, "", runs[run.entry]++, {}};
    const std::vector<HostTensor> outputs = run_once(model.session(run.entry), program, entry, run.inputs);
    for (size_t i = 0; i < outputs.size() && result.comparison.equal; ++i) {
      const Comparison c = compare(outputs[i], run.outputs[i], golden.rtol, golden.atol);
      if (!c.equal) {
        result.output = std::string(program.output(entry, static_cast<int>(i)).name);
        result.comparison = c;
      } else {
        result.comparison.max_abs = std::max(result.comparison.max_abs, c.max_abs);
        result.comparison.max_rel = std::max(result.comparison.max_rel, c.max_rel);
      }
    }
    results.push_back(std::move(result));
  }
  return results;
}

}  // namespace gf::cli
