// What of a file is read when: before and after its constants are packed. Alone in its file: few programs ask.
#include <algorithm>

#include "runtime/exec/core.h"

namespace gf {
namespace {

template <class V>
uint32_t size_of(const V* v) { return v != nullptr ? v->size() : 0; }

struct Extent {
  const Program& program;
  uint64_t end = 0;
  static uint64_t offset(const Program& program, uint32_t constant) {
    return static_cast<uint64_t>(static_cast<const std::byte*>(program.constant_data(constant)) - program.bytes().data());
  }
  void add(uint32_t constant) {
    end = std::max(end, offset(program, constant) + program.raw().constants()->Get(constant)->bytes());
  }
};

// Constants that nodes read where they are: not packed by the node, and not widened into the weights by create.
void add_read_by_nodes(SessionCore& core, Extent& extent) {
  for (const NodeRecord& n : core.nodes) {
    uint32_t packed = 0;
    for (int p = 0; p < n.plan.pack_count; ++p)
      if (n.plan.packs[p].input >= 0) packed |= 1U << n.plan.packs[p].input;
    for (int32_t k = 0; k < n.in_count; ++k) {
      const TensorRecord* t = n.input(k);
      if (t == nullptr || t->kind != format::kConstant || t->view.data == nullptr || t->capacity == 0) continue;
      if (k >= 32 || ((packed >> k) & 1U) == 0) extent.add(t->index);
    }
  }
}

// Bytes of the window that a constant takes.
uint64_t in_window(uint64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

// Bytes of constants that Weights::create reads for a node.
uint64_t read_for(const SessionCore& core, const NodeRecord& n) {
  uint64_t bytes = 0;
  bool packs = n.plan.pack_count > 0;
  for (int32_t k = 0; k < n.in_count; ++k) {
    const TensorRecord* t = n.input(k);
    if (t == nullptr || t->kind != format::kConstant) continue;
    packs = packs || t->view.data == nullptr;
    bytes += in_window(core.program->raw().constants()->Get(t->index)->bytes());
  }
  return packs ? bytes : 0;
}

// Constants that leave a graph as they are.
void add_outputs(const fb::Entry& entry, Extent& extent) {
  for (const fb::Graph* g : *entry.graphs())
    for (uint32_t i = 0; i < size_of(g->outputs()); ++i) {
      const int32_t tensor = g->outputs()->Get(i);
      if (tensor < 0) continue;
      const fb::Tensor& t = *entry.tensors()->Get(static_cast<uint32_t>(tensor));
      if (t.kind() == format::kConstant) extent.add(t.index());
    }
}

// In front of all constants stands the header, which is always read.
uint64_t header_end(const Program& program) {
  uint64_t end = program.bytes().size();
  for (uint32_t i = 0; i < size_of(program.raw().segments()); ++i) end = std::min(end, program.raw().segments()->Get(i)->offset());
  return end;
}

}  // namespace

Error packed_tail(const Program& program, const Tables& tables, const SessionOptions& options, std::span<std::byte> work,
                  PackedTail& tail, ErrorDetail* detail) {
  Extent extent{program, header_end(program)};
  tail.window = 0;
  for (int e = 0; e < program.entry_count(); ++e) {
    Bump memory(work);
    SessionCore* core = nullptr;
    GF_TRY(plan_only(program, e, tables, options, memory, core, detail));
    add_read_by_nodes(*core, extent);
    for (const NodeRecord& n : core->nodes) tail.window = std::max(tail.window, read_for(*core, n));
    add_outputs(*program.raw().entries()->Get(static_cast<uint32_t>(e)), extent);
  }
  for (uint32_t i = 0; i < size_of(program.raw().states()); ++i)
    if (const int32_t initial = program.raw().states()->Get(i)->initial(); initial >= 0) extent.add(static_cast<uint32_t>(initial));
  tail.begin = std::min<uint64_t>(extent.end, program.bytes().size());
  return Error::Ok;
}

bool read_small_constants(const Program& program, const ConstantReader& reader, std::byte* file, uint64_t limit) {
  for (uint32_t i = 0; i < size_of(program.raw().constants()); ++i) {
    const uint64_t offset = Extent::offset(program, i), bytes = program.raw().constants()->Get(i)->bytes();
    if (bytes <= limit && !reader.read(reader.context, offset, bytes, file + offset)) return false;
  }
  return true;
}

Error read_constant(const ConstantReader& reader, const Program& program, uint32_t index, uint64_t& used, const std::byte*& data,
                    ErrorDetail* detail) {
  const uint64_t bytes = program.raw().constants()->Get(index)->bytes(), room = reader.window.size();
  if (used > room || bytes > room - used)
    return GF_FAIL(detail, Error::BufferTooSmall, -1, "the window for constants has %zu bytes; see packed_tail()", reader.window.size());
  std::byte* to = reader.window.data() + used;
  if (!reader.read(reader.context, Extent::offset(program, index), bytes, to))
    return GF_FAIL(detail, Error::IoError, -1, "constant %u could not be read", index);
  data = to;
  used += in_window(bytes);
  return Error::Ok;
}

}  // namespace gf
