#include <cstring>

#include "runtime/exec/core.h"

namespace gf {
namespace {

uint64_t state_bytes(const Program& program, int index) {
  const PortInfo p = program.state(index);
  int64_t count = 0;
  uint64_t bytes = 0;
  return count_checked({p.bounds, static_cast<size_t>(p.rank)}, count) && bytes_checked(count, p.dtype, bytes) ? bytes : 0;
}

uint64_t slot_bytes(uint64_t bytes) { return (bytes + kTailBytes + kAlignment - 1) & ~uint64_t{kAlignment - 1}; }

}  // namespace

uint64_t State::bytes_needed(const Program& program) {
  uint64_t total = 0;
  for (int i = 0; i < program.state_count(); ++i)
    if (!add_checked(total, slot_bytes(state_bytes(program, i)), total)) return ~uint64_t{0};
  return total;
}

Result<State> State::create(const Program& program, std::span<std::byte> memory, ErrorDetail* detail) {
  const uint64_t needed = bytes_needed(program);
  if (memory.size() < needed)
    return GF_FAIL(detail, Error::BufferTooSmall, -1, "state memory has %zu bytes, %llu are needed", memory.size(), static_cast<unsigned long long>(needed));
  if (reinterpret_cast<uintptr_t>(memory.data()) % kAlignment != 0)
    return GF_FAIL(detail, Error::Misaligned, -1, "state memory must be aligned to %zu", kAlignment);
  State s;
  s.program_ = &program;
  s.memory_ = memory.data();
  s.reset();
  return s;
}

void State::reset() {
  for (int i = 0; i < count(); ++i) {
    const std::span<std::byte> target = bytes(i);
    const int32_t initial = program_->raw().states()->Get(static_cast<uint32_t>(i))->initial();
    if (target.empty()) continue;
    if (initial < 0) {
      std::memset(target.data(), 0, target.size());
      continue;
    }
    const fb::Constant& c = *program_->raw().constants()->Get(static_cast<uint32_t>(initial));
    const auto* source = static_cast<const std::byte*>(program_->constant_data(static_cast<uint32_t>(initial)));
    for (size_t at = 0; at < target.size(); at += static_cast<size_t>(c.bytes())) std::memcpy(target.data() + at, source, static_cast<size_t>(c.bytes()));
  }
}

int State::find(std::string_view name) const {
  for (int i = 0; i < count(); ++i)
    if (program_->state(i).name == name) return i;
  return -1;
}

std::span<std::byte> State::bytes(int index) const {
  uint64_t offset = 0;
  for (int i = 0; i < index; ++i) offset += slot_bytes(state_bytes(*program_, i));
  return {memory_ + offset, static_cast<size_t>(state_bytes(*program_, index))};
}

Error State::read(std::string_view name, void* destination, size_t size) const {
  const int i = find(name);
  if (i < 0) return Error::NotFound;
  if (bytes(i).size() != size) return Error::BufferTooSmall;
  if (size != 0) std::memcpy(destination, bytes(i).data(), size);
  return Error::Ok;
}

Error State::write(std::string_view name, const void* source, size_t size) {
  const int i = find(name);
  if (i < 0) return Error::NotFound;
  if (bytes(i).size() != size) return Error::BufferTooSmall;
  if (size != 0) std::memcpy(bytes(i).data(), source, size);
  return Error::Ok;
}

}  // namespace gf
