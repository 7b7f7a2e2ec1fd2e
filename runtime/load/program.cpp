#include "runtime/load/program.h"

#include <cstring>

#include "runtime/core/crc32c.h"
#include "runtime/load/validate.h"
#include "runtime/load/verify.h"
#include "schema/format/format.h"

namespace gf {
namespace {

std::string_view view(const flatbuffers::String* s) {
  return s != nullptr ? std::string_view(s->c_str(), s->size()) : std::string_view();
}

Error check_container(std::span<const std::byte> bytes, const LoadOptions& options, uint32_t& header_bytes,
                      ErrorDetail* detail) {
  const uint64_t size = bytes.size();
  if (reinterpret_cast<uintptr_t>(bytes.data()) % format::kAlignment != 0)
    return GF_FAIL(detail, Error::Misaligned, -1, "file bytes must be aligned to %zu", format::kAlignment);
  if (size > options.limits.file_bytes)
    return GF_FAIL(detail, Error::LimitExceeded, -1, "file has %llu bytes, limit is %llu", static_cast<unsigned long long>(size),
                   static_cast<unsigned long long>(options.limits.file_bytes));
  if (size < 16 || std::memcmp(bytes.data() + 8, fb::ModelIdentifier(), 4) != 0)
    return GF_FAIL(detail, Error::BadFile, -1, "not a .gf file (no GFM1 mark); convert models with gf-convert");
  format::Seal seal;
  if (size < 16 + sizeof seal) return GF_FAIL(detail, Error::BadFile, -1, "file is truncated");
  std::memcpy(&seal, bytes.data() + size - sizeof seal, sizeof seal);
  if (std::memcmp(seal.magic, format::kSealMagic, sizeof seal.magic) != 0)
    return GF_FAIL(detail, Error::BadFile, -1, "file is truncated or has bytes appended (no seal at its end)");
  if (crc32c(&seal, offsetof(format::Seal, seal_crc32c)) != seal.seal_crc32c || seal.reserved != 0)
    return GF_FAIL(detail, Error::BadChecksum, -1, "the seal at the end of the file is damaged");
  if (seal.file_bytes != size)
    return GF_FAIL(detail, Error::BadFile, -1, "file has %llu bytes, its seal says %llu", static_cast<unsigned long long>(size),
                   static_cast<unsigned long long>(seal.file_bytes));
  std::memcpy(&header_bytes, bytes.data(), 4);
  if (header_bytes < 12 || header_bytes > size - sizeof seal - format::kPrefixBytes || header_bytes >= (1U << 31))
    return GF_FAIL(detail, Error::BadFile, -1, "the header's length is outside the file");
  if (crc32c(bytes.data(), size_t{header_bytes} + format::kPrefixBytes) != seal.header_crc32c)
    return GF_FAIL(detail, Error::BadChecksum, -1, "the header does not match its checksum: the file is damaged");
  if (options.verify_data && crc32c(bytes.data(), bytes.size() - sizeof seal) != seal.crc32c)
    return GF_FAIL(detail, Error::BadChecksum, -1, "the data does not match its checksum: the file is damaged");
  return Error::Ok;
}

PortInfo tensor_port(const fb::Tensor& t, std::string_view name) {
  PortInfo p;
  p.name = name;
  p.dtype = static_cast<DType>(t.dtype());
  p.rank = t.dims() != nullptr ? static_cast<int>(t.dims()->size()) : 0;
  for (int d = 0; d < p.rank; ++d) {
    p.bounds[d] = t.dims()->Get(static_cast<uint32_t>(d))->bound();
    p.symbols[d] = t.dims()->Get(static_cast<uint32_t>(d))->symbol();
  }
  return p;
}

const fb::Entry& entry_at(const fb::Model& m, int i) { return *m.entries()->Get(static_cast<uint32_t>(i)); }

// A freed block has its first bytes overwritten by most allocators.
uint32_t stamp(std::span<const std::byte> bytes) { return crc32c(bytes.data(), bytes.size() < 64 ? bytes.size() : 64); }

}  // namespace

bool Program::intact() const { return stamp(bytes_) == stamp_; }

Result<Program> Program::load(std::span<const std::byte> bytes, const OpTable& ops, const LoadOptions& options,
                              ErrorDetail* detail) {
  uint32_t header_bytes = 0;
  if (const Error e = check_container(bytes, options, header_bytes, detail); e != Error::Ok) return e;
  const uint64_t prefixed = header_bytes + format::kPrefixBytes;
  if (!verify_header(bytes.first(static_cast<size_t>(prefixed)), options.limits.tables))
    return GF_FAIL(detail, Error::BadFile, -1, "the header is not valid FlatBuffers data");
  Program program;
  program.bytes_ = bytes;
  program.model_ = fb::GetSizePrefixedModel(bytes.data());
  program.ops_ = ops;
  program.limits_ = options.limits;
  program.stamp_ = stamp(bytes);
  if (program.model_->version_major() == 0 || program.model_->version_major() > format::kVersionMajor)
    return GF_FAIL(detail, Error::BadVersion, -1, "file has format version %u.%u, this library reads up to %u.x; update it or convert the model again",
                   program.model_->version_major(), program.model_->version_minor(), format::kVersionMajor);
  if (const Error e = validate_model(*program.model_, prefixed, bytes.size() - format::kSealBytes, ops, options.limits, detail);
      e != Error::Ok)
    return e;
  return program;
}

int Program::entry_count() const { return static_cast<int>(model_->entries()->size()); }
std::string_view Program::entry_name(int e) const { return view(entry_at(*model_, e).name()); }
int Program::find_entry(std::string_view name) const {
  for (int i = 0; i < entry_count(); ++i)
    if (entry_name(i) == name) return i;
  return -1;
}

int Program::input_count(int e) const { return static_cast<int>(entry_at(*model_, e).graphs()->Get(0)->inputs()->size()); }
int Program::output_count(int e) const { return static_cast<int>(entry_at(*model_, e).graphs()->Get(0)->outputs()->size()); }

PortInfo Program::input(int e, int index) const {
  const fb::Entry& entry = entry_at(*model_, e);
  const auto id = entry.graphs()->Get(0)->inputs()->Get(static_cast<uint32_t>(index));
  const fb::Tensor& t = *entry.tensors()->Get(static_cast<uint32_t>(id));
  return tensor_port(t, view(t.name()));
}

PortInfo Program::output(int e, int index) const {
  const fb::Entry& entry = entry_at(*model_, e);
  const auto id = entry.graphs()->Get(0)->outputs()->Get(static_cast<uint32_t>(index));
  return tensor_port(*entry.tensors()->Get(static_cast<uint32_t>(id)), view(entry.output_names()->Get(static_cast<uint32_t>(index))));
}

int Program::symbol_count(int e) const {
  const auto* s = entry_at(*model_, e).symbols();
  return s != nullptr ? static_cast<int>(s->size()) : 0;
}
SymbolInfo Program::symbol(int e, int index) const {
  const fb::Symbol& s = *entry_at(*model_, e).symbols()->Get(static_cast<uint32_t>(index));
  return {view(s.name()), s.lo(), s.hi()};
}

int Program::state_count() const { return model_->states() != nullptr ? static_cast<int>(model_->states()->size()) : 0; }
PortInfo Program::state(int index) const {
  const fb::State& s = *model_->states()->Get(static_cast<uint32_t>(index));
  PortInfo p;
  p.name = view(s.name());
  p.dtype = static_cast<DType>(s.dtype());
  p.rank = s.dims() != nullptr ? static_cast<int>(s.dims()->size()) : 0;
  for (int d = 0; d < p.rank; ++d) {
    p.bounds[d] = s.dims()->Get(static_cast<uint32_t>(d));
    p.symbols[d] = format::kDimConstant;
  }
  return p;
}

uint64_t Program::constant_bytes() const {
  uint64_t total = 0;
  if (model_->constants() != nullptr)
    for (const fb::Constant* c : *model_->constants()) total += c->bytes();
  return total;
}

std::string_view Program::metadata(std::string_view key) const {
  if (model_->metadata() != nullptr)
    for (const fb::KeyValue* kv : *model_->metadata())
      if (view(kv->key()) == key) return view(kv->value());
  return {};
}
std::string_view Program::producer() const { return view(model_->producer()); }

int Program::section_count(std::string_view kind) const {
  int count = 0;
  if (model_->sections() != nullptr)
    for (const fb::Section* s : *model_->sections()) count += view(s->kind()) == kind ? 1 : 0;
  return count;
}
std::span<const std::byte> Program::section(std::string_view kind) const {
  if (model_->sections() != nullptr)
    for (const fb::Section* s : *model_->sections())
      if (view(s->kind()) == kind) {
        const fb::Segment& segment = *model_->segments()->Get(s->segment());
        return bytes_.subspan(static_cast<size_t>(segment.offset()), static_cast<size_t>(segment.bytes()));
      }
  return {};
}

const void* Program::constant_data(uint32_t index) const {
  const fb::Constant& c = *model_->constants()->Get(index);
  return bytes_.data() + model_->segments()->Get(c.segment())->offset() + c.offset();
}

const OpDef* resolve_op(const OpTable& ops, uint16_t id, std::string_view name) {
  return id >= kFirstCustomOpId ? ops.find(name) : ops.find(id);
}

AttrValue attr_value(const fb::Attr& attr) {
  AttrValue v;
  v.type = static_cast<AttrType>(attr.type());
  v.i = attr.i();
  v.f = attr.f();
  v.s = view(attr.s());
  if (attr.ints() != nullptr) v.ints = {attr.ints()->data(), attr.ints()->size()};
  if (attr.floats() != nullptr) v.floats = {attr.floats()->data(), attr.floats()->size()};
  return v;
}

Error decode_attrs(const fb::Node& node, const OpDef& def, void* attrs, ErrorDetail* detail, int32_t index) {
  def.construct(attrs);
  if (node.attrs() == nullptr) return Error::Ok;
  for (const fb::Attr* a : *node.attrs()) {
    for (const AttrField& f : def.fields) {
      if (f.number != a->number()) continue;
      GF_TRY(store_attr(f, attr_value(*a), attrs, detail, index));
    }
  }
  return Error::Ok;
}

}  // namespace gf
