#include "trainer/checkpoint/state.h"

#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>

#include "runtime/core/crc32c.h"
#include "runtime/core/exception.h"
#include "schema/format/format.h"
#include "trainer/step/train_step.h"
#include "trainer/tensor/match.h"
#include "trainer/tensor/recording.h"

namespace gf {

using checkpoint::Texts;

namespace {

constexpr const char* kSeedKey = "random.seed";
constexpr const char* kDrawsKey = "random.draws";

std::string rule_key(size_t group) { return "optimizer.rule." + std::to_string(group); }

std::string hash_text(uint32_t crc) {
  char text[16];
  std::snprintf(text, sizeof text, "%08x", static_cast<unsigned>(crc));
  return text;
}

std::vector<TensorSpec> specs_of(const Snapshot& s) {
  std::vector<TensorSpec> specs;
  for (const io::SafeTensor& t : s.tensors) specs.push_back({t.name, t.dtype, t.shape});
  return specs;
}

std::string what(const Checkpoint& c) { return "the checkpoint of step " + std::to_string(c.step) + " does not fit"; }

// Counters of a train step are float64 scalars; what else has the name is somebody's tensor.
void check_counter(const Checkpoint& c, const io::SafeTensor& t) {
  const bool rate = t.name.starts_with("optimizer.lr.");
  if (!rate && t.name != kStepState && t.name != kAveragedState && t.name != kSkippedState && t.name != kAddedState) return;
  if (t.dtype != DType::F64 || !t.shape.empty()) return;
  double value = 0;
  std::memcpy(&value, t.data.data(), sizeof value);
  const bool fits = rate ? value >= 0 && std::isfinite(value) : value >= 0 && value <= 0x1p53 && value == std::floor(value);
  if (!fits)
    throw Exception(Error::BadData, what(c) + ": '" + t.name + "' is " + std::to_string(value) + (rate ? ", no learning rate" : ", no count"));
}
void check_counters(const Checkpoint& c) {
  for (const io::SafeTensor& t : c.tensors) check_counter(c, t);
}

// --- the lazy way

struct NamedParts {
  NamedTensors module, optimizer, lbfgs, averages;
  NamedTensors all() const {
    NamedTensors together = module;
    together.insert(together.end(), optimizer.begin(), optimizer.end());
    together.insert(together.end(), lbfgs.begin(), lbfgs.end());
    together.insert(together.end(), averages.begin(), averages.end());
    return together;
  }
};

NamedParts parts_of(const LazyTraining& t) {
  NamedParts parts;
  if (t.module == nullptr) throw Exception(Error::InvalidArgument, "a checkpoint of a training needs its module");
  if (t.optimizer != nullptr && t.lbfgs != nullptr) throw Exception(Error::InvalidArgument, "a checkpoint has the state of one optimizer: a Trainable or LBFGS");
  parts.module = t.module->full_state();
  if (t.optimizer != nullptr) parts.optimizer = t.optimizer->state_dict(t.module->named_parameters());
  if (t.lbfgs != nullptr) parts.lbfgs = t.lbfgs->state_dict(t.module->named_parameters());
  if (t.averages == nullptr) return parts;
  std::map<const lazy::Variable*, std::string> name_of;
  for (const auto& [name, p] : parts.module) name_of.emplace(&p.variable(), name);
  for (size_t i = 0; i < t.averages->weights().size(); ++i) {
    const auto it = name_of.find(&t.averages->weights()[i].variable());
    if (it == name_of.end()) throw Exception(Error::NotFound, "averaged weight " + std::to_string(i) + " is no tensor of the module");
    parts.averages.emplace_back(slot_state(it->second, kAverageSlot), t.averages->averages()[i]);
  }
  parts.averages.emplace_back(kAveragedState, Tensor::scalar(static_cast<double>(t.averages->updates()), DType::F64));
  return parts;
}

size_t group_count(const LazyTraining& t) { return t.optimizer != nullptr ? t.optimizer->group_count() : t.lbfgs != nullptr ? 1 : 0; }
const char* rule_name(const LazyTraining& t, size_t group) { return t.optimizer != nullptr ? t.optimizer->rule(group).name() : "LBFGS"; }

// Tensors of these names out of the checkpoint.
NamedTensors taken(const std::map<std::string, const io::SafeTensor*>& from, const NamedTensors& names) {
  NamedTensors out;
  for (const auto& [name, own] : names) out.emplace_back(name, Tensor::from_array(from.at(name)->to_array()));
  return out;
}

}  // namespace

std::string graph_hash(const Program& program) {
  const std::span<const std::byte> file = program.bytes();
  format::Seal seal;
  std::memcpy(&seal, file.data() + file.size() - sizeof seal, sizeof seal);
  return hash_text(seal.header_crc32c);
}
std::string graph_hash(const NamedTensors& tensors) {
  uint32_t crc = 0;
  for (const TensorSpec& t : specs_of(tensors)) {
    const std::string line = t.name + " " + dtype_name(t.dtype) + " " + io::shape_text(t.shape) + "\n";
    crc = crc32c(line.data(), line.size(), crc);
  }
  return hash_text(crc);
}

Snapshot snapshot_of(const Program& program, const State& state, int64_t step) {
  Snapshot s;
  s.step = step;
  s.graph = graph_hash(program);
  for (int i = 0; i < state.count(); ++i) {
    const PortInfo p = program.state(i);
    s.tensors.push_back({std::string(p.name), p.dtype, {p.bounds, p.bounds + p.rank}, state.bytes(i)});
  }
  return s;
}

Restored restore(const Checkpoint& checkpoint, const Program& program, State& state) {
  const Snapshot own = snapshot_of(program, state, 0);
  differences(specs_of(own), specs_of(checkpoint), "the program").refuse(what(checkpoint));
  check_counters(checkpoint);
  for (const io::SafeTensor& t : checkpoint.tensors)
    if (!t.data.empty()) std::memcpy(state.bytes(state.find(t.name)).data(), t.data.data(), t.data.size());
  return {.same_graph = checkpoint.graph == own.graph};
}

Snapshot snapshot_of(const LazyTraining& training, int64_t step) {
  const NamedTensors all = parts_of(training).all();
  std::vector<lazy::ContentPtr> contents;
  for (const auto& [name, t] : all) contents.push_back(t.variable().content);
  lazy::materialise(contents);  // before the first view is taken: running moves values
  Snapshot s;
  s.step = step;
  s.graph = graph_hash(training.module->full_state());
  for (const auto& [name, t] : all) {
    const lazy::ContentPtr& content = t.variable().content;
    s.tensors.push_back({name, t.dtype(), t.shape(), lazy::bytes_of(content)});
    s.kept.push_back(content);
  }
  for (size_t g = 0; g < group_count(training); ++g) s.counters[rule_key(g)] = rule_name(training, g);
  if (training.generator != nullptr) {
    checkpoint::put_whole(s.counters, kSeedKey, training.generator->seed());
    checkpoint::put_whole(s.counters, kDrawsKey, training.generator->draws());
  }
  return s;
}

Restored restore(const Checkpoint& checkpoint, const LazyTraining& training) {
  NamedParts parts = parts_of(training);
  parts.lbfgs.clear();  // as many pairs as the checkpoint has, not as there are
  const std::vector<TensorSpec> there = specs_of(checkpoint);
  std::vector<TensorSpec> wanted = gf::specs_of(parts.all()), of_lbfgs;
  if (training.lbfgs != nullptr) of_lbfgs = training.lbfgs->wanted(there, training.module->named_parameters());
  wanted.insert(wanted.end(), of_lbfgs.begin(), of_lbfgs.end());
  Differences d = differences(wanted, there, "the training");
  for (size_t g = 0; g < group_count(training); ++g) {
    const auto it = checkpoint.counters.find(rule_key(g));
    if (const char* mine = rule_name(training, g); it != checkpoint.counters.end() && it->second != mine)
      d.others.push_back("group " + std::to_string(g) + " was trained by " + io::printable(it->second) + ", the optimizer is " + mine);
  }
  d.refuse(what(checkpoint));
  check_counters(checkpoint);
  Generator generator(0);
  if (training.generator != nullptr) generator = Generator(checkpoint::whole_of(checkpoint.counters, kSeedKey), checkpoint::whole_of(checkpoint.counters, kDrawsKey));
  std::map<std::string, const io::SafeTensor*> by_name;
  for (const io::SafeTensor& t : checkpoint.tensors) by_name.emplace(t.name, &t);
  if (training.lbfgs != nullptr) {  // throws where its numbers cannot be, and then has changed nothing
    NamedTensors state;
    for (const TensorSpec& t : of_lbfgs) state.emplace_back(t.name, Tensor::from_array(by_name.at(t.name)->to_array()));
    training.lbfgs->load_state_dict(state, training.module->named_parameters());
  }
  // everything fits from here on
  if (training.optimizer != nullptr) training.optimizer->load_state_dict(taken(by_name, parts.optimizer), training.module->named_parameters());
  if (training.averages != nullptr) {
    std::vector<io::Array> averages;
    for (size_t i = 0; i + 1 < parts.averages.size(); ++i) averages.push_back(by_name.at(parts.averages[i].first)->to_array());
    training.averages->restore(averages, static_cast<int64_t>(by_name.at(kAveragedState)->to_array().as<double>()[0]));
  }
  for (auto [name, t] : parts.module) t.assign(by_name.at(name)->to_array());
  if (training.generator != nullptr) *training.generator = generator;
  return {.same_graph = checkpoint.graph == graph_hash(parts.module)};
}

namespace checkpoint {
namespace {

const std::string& text_of(const Texts& from, const std::string& key) {
  const auto it = from.find(key);
  if (it == from.end()) throw Exception(Error::NotFound, "the checkpoint has no counter '" + io::printable(key) + "'");
  return it->second;
}
[[noreturn]] void refuse(const std::string& key, const std::string& text, const char* wanted) {
  throw Exception(Error::BadData, "counter '" + io::printable(key) + "' of the checkpoint is '" + io::printable(text) + "', " + wanted);
}

}  // namespace

void put_whole(Texts& to, const std::string& key, uint64_t value) { to[key] = std::to_string(value); }
uint64_t whole_of(const Texts& from, const std::string& key) {
  const std::string& text = text_of(from, key);
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) refuse(key, text, "no whole number from 0 on");
  return value;
}

void put_numbers(Texts& to, const std::string& key, std::span<const double> values) {
  std::string text;
  for (const double v : values) {
    char digits[32];
    const auto [end, error] = std::to_chars(digits, digits + sizeof digits, v);  // the shortest that reads back the same
    text.append(text.empty() ? "" : " ").append(digits, end);
  }
  to[key] = text;
}
std::vector<double> numbers_of(const Texts& from, const std::string& key) {
  const std::string& text = text_of(from, key);
  std::vector<double> values;
  const char *at = text.data(), *const end = at + text.size();
  while (at != end) {
    double value = 0;
    const auto [next, error] = std::from_chars(at, end, value);
    if (error != std::errc() || (next != end && (*next != ' ' || next + 1 == end))) refuse(key, text, "no list of numbers");
    values.push_back(value);
    at = next == end ? end : next + 1;
  }
  return values;
}

void put_schedule(Texts& to, const std::string& name, const optim::ScheduleState& state) {
  for (const auto& [entry, values] : state) put_numbers(to, name + "." + entry, values);
}
optim::ScheduleState schedule_of(const Texts& from, const std::string& name) {
  optim::ScheduleState state;
  for (auto it = from.lower_bound(name + "."); it != from.end() && it->first.starts_with(name + "."); ++it)
    state[it->first.substr(name.size() + 1)] = numbers_of(from, it->first);
  if (state.empty()) throw Exception(Error::NotFound, "the checkpoint has no counters of the schedule '" + io::printable(name) + "'");
  return state;
}

}  // namespace checkpoint

}  // namespace gf
