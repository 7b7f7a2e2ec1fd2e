// Protobuf wire format for the ONNX reader: one Message is a cursor over the fields of one encoded message.
// Varints are decoded by protozero; its pbf_reader is not used because it cuts lengths to 32 bits, so that a 4 GiB
// field, or a hostile length of 2^32 + 5, would silently be read as a short one.
// Internal to converter/onnx. A Message points into bytes that must outlive it; one thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "converter/onnx/model.h"
#include "converter/onnx/model_check.h"

namespace gf::onnx::wire {

/// What one read shares: the bytes, the limits, and what has been used of them.
struct Context {
  Bytes file;
  ReadLimits limits;
  uint64_t used_bytes = 0;
  uint64_t nodes = 0;
  uint64_t tensors = 0;
  int graph_depth = 0;  ///< graphs around what is read just now; a function counts as one
};

class Message {
 public:
  /// The outermost message: all of context.file.
  explicit Message(Context& context);

  /// Steps to the next field; false at the end. The value must then be read or skipped.
  bool next();
  uint32_t field() const { return field_; }
  void skip();

  // Each of these reads the current field; `name` is its name in onnx.proto, for messages. Wrong wire types throw.
  int64_t int64(const char* name);
  int32_t int32(const char* name);  ///< cut to 32 bits, as protobuf does
  float f32(const char* name);
  std::span<const std::byte> bytes(const char* name, int64_t index = -1);
  std::string name(const char* name, int64_t index = -1);  ///< an identifier: short, UTF-8, no NUL
  std::string text(const char* name, int64_t index = -1);  ///< any bytes up to limits.max_text_bytes
  Message message(const char* name, int64_t index = -1);
  void int64s(const char* name, std::vector<int64_t>& out);  ///< packed or not
  void floats(const char* name, std::vector<float>& out);    ///< packed or not
  /// One chunk of a tensor's typed field, packed or a single number; `count` = numbers in it.
  std::span<const std::byte> typed(const char* name, TypedData::Field kind, uint64_t& count);

  /// One more element of a list, paid for from limits.max_structure_bytes.
  template <class T>
  T& add(std::vector<T>& list) {
    charge(2 * sizeof(T));  // a growing vector holds the old and the new array for a moment
    return list.emplace_back();
  }
  void charge(uint64_t amount);
  int depth() const { return depth_; }
  Context& context() { return context_; }
  const FieldPath& path() const { return path_; }
  [[noreturn]] void fail(Error code, const char* field_name, int64_t index, const std::string& what) const;

 private:
  enum class WireType : uint8_t { Varint = 0, Fixed64 = 1, Bytes = 2, Fixed32 = 5 };

  Message(const Message& parent, const char* name, int64_t index, std::span<const std::byte> data);
  void expect(WireType type, const char* name, int64_t index = -1) const;
  uint64_t varint(const char* name);
  std::span<const std::byte> take(uint64_t size, const char* name, int64_t index);
  [[noreturn]] void fail_wire(const char* name, int64_t index, const std::string& what) const;

  Context& context_;
  FieldPath path_;
  const char* position_;
  const char* end_;
  const char* field_start_;
  int depth_;
  uint32_t field_ = 0;
  WireType type_ = WireType::Varint;
};

/// Numbers in a run of varints; false when the last one is cut off or one is longer than 10 bytes.
bool count_varints(std::span<const std::byte> data, uint64_t& count);

}  // namespace gf::onnx::wire
