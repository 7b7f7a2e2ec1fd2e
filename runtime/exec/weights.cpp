// Packing constants: which packs all entries ask for, their place, and the packing itself.
#include <algorithm>
#include <cstring>

#include "runtime/core/half.h"
#include "runtime/exec/core.h"

namespace gf {

namespace {

struct PackEntry {
  uint32_t constant = 0;
  uint32_t entry = 0;      // entry and node that pack it
  uint32_t node = 0;
  int32_t slot = -1;       // -1: dense form of a splat or of 16-bit floats
  uint64_t key = 0;
  uint64_t bytes = 0;
  uint64_t offset = 0;     // from the start of the weights memory
};

template <class V>
uint32_t size_of(const V* v) { return v != nullptr ? v->size() : 0; }

bool precedes(const PackEntry& e, uint32_t constant, uint64_t key, uint64_t bytes) {
  if (e.constant != constant) return e.constant < constant;
  return e.key != key ? e.key < key : e.bytes < bytes;
}

constexpr uint64_t kWeightsMagic = 0x5753444757464700ULL;

}  // namespace

// What stands at the start of the weights memory. The mark is written last by create, so memory that was given to something
// else since, or never finished, is told apart.
struct WeightsHeader {
  uint64_t magic = 0;
  size_t count = 0;
  PackEntry entries[1];    // `count` of them, sorted by precedes()
};

namespace {

// Most packs that the nodes of a program can ask for.
uint64_t most_packs(const Program& program) {
  uint64_t n = 0;
  for (const fb::Entry* e : *program.raw().entries())
    for (const fb::Graph* g : *e->graphs())
      for (uint32_t i = 0; i < size_of(g->nodes()); ++i) n += kMaxPacks + size_of(g->nodes()->Get(i)->inputs());
  return n;
}

struct PackList {
  std::span<PackEntry> entries;
  size_t count = 0;
  uint64_t create_bytes = 0;

  // Equal requests are merged by merge(), so that a long list costs no more than its sorting: by hand, since the standard
  // library's heap takes three times the code.
  void add(const PackEntry& e) {
    if (count < entries.size()) entries[count++] = e;
  }
  void merge() {
    size_t start = count / 2, end = count;
    while (end > 1) {
      if (start > 0) --start;  // first a heap is made, then its largest element taken again and again
      else std::swap(entries[0], entries[--end]);
      sink(start, end);
    }
    size_t kept = 0;
    for (size_t i = 0; i < count; ++i)
      if (kept == 0 || different(entries[kept - 1], entries[i])) entries[kept++] = entries[i];
    count = kept;
  }

 private:
  // Entry `at` of a heap of `end` entries, all others in order, goes down to its place.
  void sink(size_t at, size_t end) {
    for (size_t child; (child = 2 * at + 1) < end; at = child) {
      if (child + 1 < end && before(entries[child], entries[child + 1])) ++child;
      if (!before(entries[at], entries[child])) return;
      std::swap(entries[at], entries[child]);
    }
  }
  static bool different(const PackEntry& a, const PackEntry& b) {
    return a.constant != b.constant || a.key != b.key || a.bytes != b.bytes;
  }
  // by what is asked for, then by who asks: the first one packs
  static bool before(const PackEntry& a, const PackEntry& b) {
    if (different(a, b)) return precedes(a, b.constant, b.key, b.bytes);
    if (a.entry != b.entry) return a.entry < b.entry;
    return a.node != b.node ? a.node < b.node : a.slot < b.slot;
  }
};

void collect_node(SessionCore& core, uint32_t entry, uint32_t index, PackList& list) {
  const NodeRecord& n = core.nodes[index];
  uint32_t packed_inputs = 0;
  for (int p = 0; p < n.plan.pack_count; ++p) {
    const PackRequest& r = n.plan.packs[p];
    if (r.input < 0 || r.input >= n.in_count) continue;
    const TensorRecord* t = n.input(r.input);
    if (t == nullptr || t->kind != format::kConstant) continue;
    packed_inputs |= 1U << r.input;
    list.add({t->index, entry, index, p, r.key, r.bytes, 0});
    if (t->view.data == nullptr) list.create_bytes = std::max(list.create_bytes, t->capacity);
  }
  for (int32_t k = 0; k < n.in_count; ++k) {
    const TensorRecord* t = n.input(k);
    if (t == nullptr || t->kind != format::kConstant || t->view.data != nullptr || t->capacity == 0) continue;
    if (k < 32 && ((packed_inputs >> k) & 1U) != 0) continue;
    list.add({t->index, entry, index, -1, kDenseKey, t->capacity, 0});
  }
}

Error place(PackList& list, uint64_t& total, ErrorDetail* detail) {
  uint64_t at = 0;
  if (!align_checked(sizeof(WeightsHeader) + list.count * sizeof(PackEntry), kAlignment, at)) return Error::LimitExceeded;
  for (size_t i = 0; i < list.count; ++i) {
    PackEntry& e = list.entries[i];
    e.offset = at;
    uint64_t padded = 0;
    if (!add_checked<uint64_t>(e.bytes, kTailBytes, padded) || !align_checked(padded, kAlignment, padded) || !add_checked(at, padded, at))
      return GF_FAIL(detail, Error::LimitExceeded, -1, "packed weights are too large");
  }
  total = at;
  return Error::Ok;
}

template <class Half>
void widen(const void* source, uint64_t count, void* destination) {
  const auto* from = static_cast<const Half*>(source);
  auto* to = static_cast<float*>(destination);
  for (uint64_t i = 0; i < count; ++i) to[i] = to_f32(from[i]);
}

// Stored bytes of a constant: where the file is in memory, or behind the `used` bytes of the reader's window.
Error find_stored(const SessionCore& core, uint32_t constant, uint64_t& used, const std::byte*& data, ErrorDetail* detail) {
  data = static_cast<const std::byte*>(core.program->constant_data(constant));
  const ConstantReader& reader = core.options.reader;
  return reader.constant == nullptr ? Error::Ok : reader.constant(reader, *core.program, constant, used, data, detail);
}

// The dense form, `bytes` long, of a constant that is stored shorter.
Error expand_constant(const SessionCore& core, uint32_t constant, uint64_t& used, uint64_t bytes, void* destination, ErrorDetail* detail) {
  const std::byte* stored = nullptr;
  GF_TRY(find_stored(core, constant, used, stored, detail));
  const fb::Constant& c = *core.program->raw().constants()->Get(constant);
  const auto type = static_cast<DType>(c.stored());
  if (type == DType::F16) {
    widen<F16>(stored, bytes / sizeof(float), destination);
  } else if (type == DType::BF16) {
    widen<BF16>(stored, bytes / sizeof(float), destination);
  } else {
    auto* out = static_cast<std::byte*>(destination);
    const uint64_t size = c.bytes();
    for (uint64_t i = 0; i < bytes; i += size) std::memcpy(out + i, stored, static_cast<size_t>(size));
  }
  return Error::Ok;
}

// Runs one entry's requests of the list.
Error pack_entry(SessionCore& core, uint32_t entry, std::span<const PackEntry> list, std::byte* memory,
                 std::span<std::byte> create_memory, ErrorDetail* detail) {
  for (const PackEntry& e : list) {
    if (e.entry != entry) continue;
    NodeRecord& n = core.nodes[e.node];
    uint64_t used = 0;
    if (e.slot < 0) {
      GF_TRY(expand_constant(core, e.constant, used, e.bytes, memory + e.offset, detail));
      continue;
    }
    NodeView view = node_view(core, n);
    const PackRequest& r = n.plan.packs[e.slot];
    for (int32_t k = 0; k < n.in_count; ++k) {
      TensorInfo& info = core.info_in[static_cast<size_t>(k)];
      if (!info.present || !info.is_constant) continue;
      const TensorRecord& t = *n.input(k);
      if (info.constant_data != nullptr) {
        const std::byte* stored = nullptr;
        GF_TRY(find_stored(core, t.index, used, stored, detail));
        info.constant_data = stored;
      } else if (k == r.input) {  // one that is stored shorter gets its dense form for the moment
        GF_TRY(expand_constant(core, t.index, used, t.capacity, create_memory.data(), detail));
        info.constant_data = create_memory.data();
      }
    }
    if (const Error err = r.pack(view, memory + e.offset); err != Error::Ok)
      return blame(core, e.node, GF_FAIL(detail, err, static_cast<int32_t>(e.node), "packing weights failed"), detail);
    const PackedHook& hook = core.options.packed;
    if (hook.packed != nullptr) hook.packed(hook.context, {static_cast<const std::byte*>(core.program->constant_data(e.constant)), static_cast<size_t>(core.program->raw().constants()->Get(e.constant)->bytes())});
  }
  return Error::Ok;
}

Error collect(const Program& program, const Tables& tables, const SessionOptions& options, std::span<std::byte> work, PackList& list,
              uint64_t& total, ErrorDetail* detail) {
  Bump memory(work);
  list.entries = memory.array<PackEntry>(most_packs(program));
  if (!memory.ok()) return GF_FAIL(detail, Error::BufferTooSmall, -1, "work memory has %zu bytes; see work_bytes()", work.size());
  const Bump after_list = memory;
  for (int e = 0; e < program.entry_count(); ++e) {
    memory = after_list;
    SessionCore* core = nullptr;
    Bump records = memory;
    GF_TRY(plan_only(program, e, tables, options, records, core, detail));
    for (uint32_t i = 0; i < core->nodes.size(); ++i) collect_node(*core, static_cast<uint32_t>(e), i, list);
  }
  list.merge();
  return place(list, total, detail);
}

}  // namespace

uint64_t work_bytes(const Program& program, const Tables& tables) {
  uint64_t most = 0;
  for (int e = 0; e < program.entry_count(); ++e) {
    Bump counter;
    carve_session(program, e, tables, counter);
    most = std::max(most, counter.used());
  }
  Bump list;
  list.array<PackEntry>(most_packs(program));
  uint64_t start = 0, total = 0;
  return align_checked(list.used(), kAlignment, start) && add_checked(start, most, total) ? total : ~uint64_t{0};
}

Error weights_needs(const Program& program, const Tables& tables, const SessionOptions& options, std::span<std::byte> work,
                    MemoryNeeds& needs, ErrorDetail* detail) {
  PackList list;
  GF_TRY(collect(program, tables, options, work, list, needs.weights_bytes, detail));
  needs.create_bytes = list.create_bytes;
  return Error::Ok;
}

Result<Weights> Weights::create(const Program& program, const Tables& tables, const SessionOptions& options,
                                std::span<std::byte> memory, std::span<std::byte> create_memory, std::span<std::byte> work,
                                ErrorDetail* detail) {
  PackList list;
  uint64_t total = 0;
  if (const Error e = collect(program, tables, options, work, list, total, detail); e != Error::Ok) return e;
  if (const Error e = check_memory(memory, total, "weights", detail); e != Error::Ok) return e;
  if (const Error e = check_memory(create_memory, list.create_bytes, "create", detail); e != Error::Ok) return e;
  auto* header = new (memory.data()) WeightsHeader();
  header->count = list.count;
  if (list.count != 0) std::memcpy(static_cast<void*>(header->entries), list.entries.data(), list.count * sizeof(PackEntry));
  const std::span<const PackEntry> entries(header->entries, list.count);
  Bump after_list(work);
  after_list.array<PackEntry>(most_packs(program));
  for (int e = 0; e < program.entry_count(); ++e) {
    Bump records = after_list;
    SessionCore* core = nullptr;
    if (const Error err = plan_only(program, e, tables, options, records, core, detail); err != Error::Ok) return err;
    if (const Error err = pack_entry(*core, static_cast<uint32_t>(e), entries, memory.data(), create_memory, detail); err != Error::Ok) return err;
  }
  header->magic = kWeightsMagic;
  Weights w;
  w.header_ = header;
  return w;
}

Result<Weights> Weights::at(std::span<const std::byte> memory) {
  Weights w;
  if (memory.size() < sizeof(WeightsHeader) || reinterpret_cast<uintptr_t>(memory.data()) % kAlignment != 0) return Error::InvalidArgument;
  w.header_ = reinterpret_cast<const WeightsHeader*>(memory.data());
  if (!w.valid()) return Error::InvalidArgument;
  return w;
}

bool Weights::valid() const { return header_ != nullptr && header_->magic == kWeightsMagic; }

const void* Weights::find(uint32_t constant, uint64_t key, uint64_t bytes) const {
  if (!valid()) return nullptr;
  const PackEntry* end = header_->entries + header_->count;
  const PackEntry* e = std::partition_point(static_cast<const PackEntry*>(header_->entries), end, [&](const PackEntry& p) { return precedes(p, constant, key, bytes); });
  if (e == end || e->constant != constant || e->key != key || e->bytes != bytes) return nullptr;
  return reinterpret_cast<const std::byte*>(header_) + e->offset;
}

}  // namespace gf
