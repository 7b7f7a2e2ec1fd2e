#include "converter/onnx/reader_wire.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <protozero/exception.hpp>
#include <protozero/varint.hpp>

namespace gf::onnx::wire {
namespace {

const char* chars(std::span<const std::byte> data) { return reinterpret_cast<const char*>(data.data()); }

/// Little-endian load of a fixed field; the wire format is little-endian on every host.
template <class T>
T load(const std::byte* p) {
  T value;
  std::memcpy(&value, p, sizeof value);
  static_assert(std::endian::native == std::endian::little, "GhostFlow runs on little-endian hosts only");
  return value;
}

}  // namespace

bool count_varints(std::span<const std::byte> data, uint64_t& count) {
  // Every varint ends with the only byte of it whose top bit is clear.
  count = static_cast<uint64_t>(
      std::count_if(data.begin(), data.end(), [](std::byte b) { return (static_cast<uint8_t>(b) & 0x80U) == 0; }));
  if (!data.empty() && (static_cast<uint8_t>(data.back()) & 0x80U) != 0) return false;
  if (data.size() > count * 10) return false;
  if (data.size() == count) return true;
  size_t length = 0;
  for (const std::byte b : data) {
    if (++length > 10) return false;
    if ((static_cast<uint8_t>(b) & 0x80U) == 0) length = 0;
  }
  return true;
}

Message::Message(Context& context)
    : context_(context),
      position_(chars(context.file.span())),
      end_(position_ + context.file.size()),
      field_start_(position_),
      depth_(1) {}

Message::Message(const Message& parent, const char* name, int64_t index, std::span<const std::byte> data)
    : context_(parent.context_),
      path_{&parent.path_, name, index},
      position_(chars(data)),
      end_(position_ + data.size()),
      field_start_(position_),
      depth_(parent.depth_ + 1) {}

void Message::fail(Error code, const char* field_name, int64_t index, const std::string& what) const {
  fail_at(code, {&path_, field_name, index}, what);
}

void Message::fail_wire(const char* name, int64_t index, const std::string& what) const {
  const auto offset = field_start_ - chars(context_.file.span());
  fail(Error::BadFile, name, index, what + " (at byte " + std::to_string(offset) + " of the file)");
}

uint64_t Message::varint(const char* name) {
  try {
    return protozero::decode_varint(&position_, end_);
  } catch (const protozero::varint_too_long_exception&) {
    fail_wire(name, -1, "a number has more than 10 bytes; the file is damaged or not an ONNX model");
  } catch (const protozero::exception&) {
    fail_wire(name, -1, "the file ends inside a number; it is cut short or not an ONNX model");
  }
}

bool Message::next() {
  if (position_ == end_) return false;
  field_start_ = position_;
  const uint64_t tag = varint("");
  field_ = static_cast<uint32_t>(tag >> 3);
  type_ = static_cast<WireType>(tag & 7U);
  if (tag > 0xffffffffU || field_ == 0)
    fail_wire("", -1, "field number 0 or out of range; the file is damaged or not an ONNX model");
  if (type_ != WireType::Varint && type_ != WireType::Fixed64 && type_ != WireType::Bytes && type_ != WireType::Fixed32)
    fail_wire(
        "", -1,
        "wire type " + std::to_string(tag & 7U) + " (a group, or none); the file is damaged or not an ONNX model");
  return true;
}

void Message::skip() {
  switch (type_) {
    case WireType::Varint:
      varint("");
      break;
    case WireType::Fixed64:
      take(8, "", -1);
      break;
    case WireType::Fixed32:
      take(4, "", -1);
      break;
    case WireType::Bytes:
      take(varint(""), "", -1);
      break;
  }
}

void Message::expect(WireType type, const char* name, int64_t index) const {
  if (type_ != type)
    fail_wire(name, index,
              "wire type " + std::to_string(static_cast<int>(type_)) + " where " +
                  std::to_string(static_cast<int>(type)) + " is expected");
}

std::span<const std::byte> Message::take(uint64_t size, const char* name, int64_t index) {
  const auto left = static_cast<uint64_t>(end_ - position_);
  if (size > left)
    fail_wire(name, index,
              "needs " + std::to_string(size) + " bytes but only " + std::to_string(left) +
                  " are left; the file is cut short or damaged");
  const std::span<const std::byte> data(reinterpret_cast<const std::byte*>(position_), static_cast<size_t>(size));
  position_ += size;
  return data;
}

void Message::charge(uint64_t amount) {
  const uint64_t limit = context_.limits.max_structure_bytes;
  if (amount > limit - context_.used_bytes)
    fail(Error::LimitExceeded, "", -1,
         "the model's structure needs more than max_structure_bytes (" + std::to_string(limit) + ")");
  context_.used_bytes += amount;
}

int64_t Message::int64(const char* name) {
  expect(WireType::Varint, name);
  return static_cast<int64_t>(varint(name));
}

int32_t Message::int32(const char* name) { return static_cast<int32_t>(static_cast<uint32_t>(int64(name))); }

float Message::f32(const char* name) {
  expect(WireType::Fixed32, name);
  return load<float>(take(4, name, -1).data());
}

std::span<const std::byte> Message::bytes(const char* name, int64_t index) {
  expect(WireType::Bytes, name, index);
  return take(varint(name), name, index);
}

std::string Message::name(const char* name, int64_t index) {
  const std::span<const std::byte> data = bytes(name, index);
  const std::string_view value(chars(data), data.size());
  if (value.size() > context_.limits.max_name_bytes)
    fail(Error::LimitExceeded, name, index,
         "a name of " + std::to_string(value.size()) + " bytes; the limit is " +
             std::to_string(context_.limits.max_name_bytes));
  if (value.find('\0') != std::string_view::npos || !is_utf8(value))
    fail(Error::BadFile, name, index, "the name '" + printable(value) + "' is not UTF-8 text without NUL");
  charge(value.size());
  return std::string(value);
}

std::string Message::text(const char* name, int64_t index) {
  const std::span<const std::byte> data = bytes(name, index);
  if (data.size() > context_.limits.max_text_bytes)
    fail(Error::LimitExceeded, name, index,
         "a text of " + std::to_string(data.size()) + " bytes; the limit is " +
             std::to_string(context_.limits.max_text_bytes));
  charge(data.size());
  return data.empty() ? std::string() : std::string(chars(data), data.size());
}

Message Message::message(const char* name, int64_t index) {
  const std::span<const std::byte> data = bytes(name, index);
  if (depth_ >= context_.limits.max_message_depth)
    fail(Error::LimitExceeded, name, index,
         "messages are nested more than " + std::to_string(context_.limits.max_message_depth) + " deep");
  return Message(*this, name, index, data);
}

void Message::int64s(const char* name, std::vector<int64_t>& out) {
  if (type_ == WireType::Varint) {
    add(out) = int64(name);
    return;
  }
  const std::span<const std::byte> data = bytes(name);
  uint64_t count = 0;
  if (!count_varints(data, count)) fail_wire(name, -1, "the last number is cut off, or one has more than 10 bytes");
  charge(count * 2 * sizeof(int64_t));
  const char* p = chars(data);
  const char* end = p + data.size();
  while (p != end) out.push_back(static_cast<int64_t>(protozero::decode_varint(&p, end)));
}

void Message::floats(const char* name, std::vector<float>& out) {
  if (type_ == WireType::Fixed32) {
    add(out) = f32(name);
    return;
  }
  const std::span<const std::byte> data = bytes(name);
  if (data.size() % sizeof(float) != 0) fail_wire(name, -1, "packed floats must take a multiple of 4 bytes");
  charge(2 * data.size());
  for (size_t i = 0; i < data.size(); i += sizeof(float)) out.push_back(load<float>(data.data() + i));
}

std::span<const std::byte> Message::typed(const char* name, TypedData::Field kind, uint64_t& count) {
  using Field = TypedData::Field;
  const size_t width = kind == Field::Float ? 4 : kind == Field::Double ? 8 : 0;
  if (type_ == WireType::Bytes) {
    const std::span<const std::byte> data = bytes(name);
    if (width != 0 && data.size() % width != 0)
      fail_wire(name, -1, "packed numbers must take a multiple of " + std::to_string(width) + " bytes");
    if (width != 0) count = data.size() / width;
    if (width == 0 && !count_varints(data, count))
      fail_wire(name, -1, "the last number is cut off, or one has more than 10 bytes");
    return data;
  }
  // One unpacked number: its encoding equals that of a packed run of one.
  expect(width == 4 ? WireType::Fixed32 : width == 8 ? WireType::Fixed64 : WireType::Varint, name);
  const char* start = position_;
  skip();
  count = 1;
  return {reinterpret_cast<const std::byte*>(start), static_cast<size_t>(position_ - start)};
}

}  // namespace gf::onnx::wire
