#include "trainer/parallel/shards.h"

#include <cstring>
#include <map>
#include <nlohmann/json.hpp>

#include "trainer/step/train_step.h"

namespace gf::parallel {
namespace {

using nlohmann::json;

struct Member {
  std::string name;
  std::vector<int64_t> dims;
  int64_t count = 1;
};
std::vector<Member> members_of(const PartDescription& part, const Program& program) {
  std::vector<Member> members;
  for (const std::string& name : part.parameters) {
    for (int i = 0; i < program.state_count(); ++i) {
      const PortInfo p = program.state(i);
      if (p.name != name) continue;
      Member m{name, {p.bounds, p.bounds + p.rank}, 1};
      for (const int64_t d : m.dims) m.count *= d;
      members.push_back(std::move(m));
    }
  }
  if (members.size() != part.parameters.size()) throw Exception(Error::BadFile, "the metadata of a step over ranks names parameters that the model has not");
  return members;
}

// Part and slot that State of this name holds; nullptr: it is everybody's.
const PartDescription* part_named(const StepDescription& step, const std::string& state, const PartDescription::Slot** slot) {
  for (const PartDescription& p : step.parts)
    for (const PartDescription::Slot& s : p.slots)
      if (state == slot_state(p.name, s.name.c_str())) {
        *slot = &s;
        return &p;
      }
  return nullptr;
}

StepDescription needed_description(const Program& program) {
  auto step = step_description(program);
  if (!step) throw Exception(Error::InvalidArgument, "the model's train_step talks to no other rank: make it with TrainStepOptions::parallel");
  return std::move(*step);
}

// One slot of one parameter among those of its part: where it lies in the vector of all parts.
io::SafeTensor slot_tensor(const Member& m, const PartDescription::Slot& slot, DType type, std::span<const std::byte> bytes) {
  return {slot_state(m.name, slot.name.c_str()), type, slot.number ? std::vector<int64_t>{} : m.dims, bytes};
}

}  // namespace

std::optional<StepDescription> step_description(const Program& program) {
  const std::string_view text = program.metadata(kMetadata);
  if (text.empty()) return std::nullopt;
  try {
    const json j = json::parse(text);
    StepDescription step;
    step.ranks = j.at("ranks").get<int>();
    for (const json& p : j.at("parts")) {
      PartDescription part{p.at("name").get<std::string>(), p.at("count").get<int64_t>(), p.at("parameters").get<std::vector<std::string>>(), {}};
      for (const json& s : p.at("slots")) part.slots.push_back({s.at("name").get<std::string>(), s.at("number").get<bool>()});
      step.parts.push_back(std::move(part));
    }
    return step;
  } catch (const json::exception& e) {
    throw Exception(Error::BadFile, std::string("metadata '") + kMetadata + "' of the model: " + e.what());
  }
}

Snapshot whole_snapshot(Communicator& communicator, const Program& program, const State& state, int64_t step) {
  const StepDescription description = needed_description(program);
  Snapshot own = snapshot_of(program, state, step);
  if (description.parts.empty()) return own;
  Snapshot whole;
  whole.step = own.step;
  whole.graph = own.graph;
  for (const io::SafeTensor& t : own.tensors) {
    const PartDescription::Slot* slot = nullptr;
    const PartDescription* part = part_named(description, t.name, &slot);
    if (part == nullptr) {
      whole.tensors.push_back(t);
      continue;
    }
    std::span<const std::byte> all = t.data;
    if (!slot->number) {
      const auto ranks = static_cast<size_t>(communicator.size());
      const auto bytes = std::make_shared<std::vector<std::byte>>(t.data.size() * ranks);
      std::memcpy(bytes->data() + t.data.size() * static_cast<size_t>(communicator.rank()), t.data.data(), t.data.size());
      communicator.wait(communicator.all_gather(bytes->data(), static_cast<int64_t>(t.data.size())));
      all = *bytes;
      whole.kept.push_back(bytes);
    }
    size_t at = 0;
    for (const Member& m : members_of(*part, program)) {
      const size_t size = slot->number ? all.size() : static_cast<size_t>(m.count * dtype_bits(t.dtype) / 8);
      whole.tensors.push_back(slot_tensor(m, *slot, t.dtype, all.subspan(at, size)));
      if (!slot->number) at += size;
    }
  }
  return whole;
}

Restored restore_part(const Checkpoint& checkpoint, const Communicator& communicator, const Program& program, State& state) {
  const StepDescription description = needed_description(program);
  if (description.parts.empty()) return restore(checkpoint, program, state);
  std::map<std::string, const io::SafeTensor*> left;
  for (const io::SafeTensor& t : checkpoint.tensors) left.emplace(t.name, &t);
  Checkpoint part;
  part.step = checkpoint.step;
  part.graph = checkpoint.graph;
  part.counters = checkpoint.counters;
  std::string missing;
  for (const io::SafeTensor& own : snapshot_of(program, state, 0).tensors) {
    const PartDescription::Slot* slot = nullptr;
    const PartDescription* p = part_named(description, own.name, &slot);
    if (p == nullptr) continue;
    const auto flat = std::make_shared<std::vector<std::byte>>(slot->number ? own.data.size() : own.data.size() * static_cast<size_t>(communicator.size()));
    size_t at = 0;
    for (const Member& m : members_of(*p, program)) {
      const io::SafeTensor want = slot_tensor(m, *slot, own.dtype, {});
      const auto found = left.find(want.name);
      if (found == left.end() || found->second->dtype != want.dtype || found->second->shape != want.shape) {
        missing += (missing.empty() ? "" : ", ") + want.name + " " + dtype_name(want.dtype) + " " + io::shape_text(want.shape);
        continue;
      }
      std::memcpy(flat->data() + at, found->second->data.data(), found->second->data.size());
      if (!slot->number) at += found->second->data.size();
      left.erase(found);
    }
    const std::span<const std::byte> all = *flat;
    part.tensors.push_back({own.name, own.dtype, own.shape, slot->number ? all : all.subspan(own.data.size() * static_cast<size_t>(communicator.rank()), own.data.size())});
    part.kept.push_back(flat);
  }
  if (!missing.empty()) throw Exception(Error::NotFound, "the checkpoint of step " + std::to_string(checkpoint.step) + " does not fit: it lacks " + missing);
  for (const auto& [name, t] : left) part.tensors.push_back(*t);
  return restore(part, program, state);
}

std::optional<LoadedCheckpoint> broadcast(Communicator& communicator, std::optional<LoadedCheckpoint> loaded) {
  io::Bytes bytes;
  if (communicator.rank() == 0 && loaded) bytes = checkpoint_bytes(loaded->checkpoint);
  int64_t size = static_cast<int64_t>(bytes.size());
  communicator.wait(communicator.broadcast(&size, sizeof size, 0));
  if (size == 0) return std::nullopt;
  bytes.resize(static_cast<size_t>(size));
  communicator.wait(communicator.broadcast(bytes.data(), size, 0));
  if (communicator.rank() == 0) return loaded;
  return LoadedCheckpoint{parse_checkpoint(std::move(bytes), "the checkpoint from rank 0"), "the checkpoint from rank 0", {}};
}

}  // namespace gf::parallel
