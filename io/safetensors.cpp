// safetensors reader and writer; JSON by nlohmann-json.
#include "io/safetensors.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string_view>

#include "runtime/core/exception.h"
#include "runtime/core/shape.h"

namespace gf::io {
namespace {

using Json = nlohmann::json;
constexpr std::string_view kMetadata = "__metadata__";
constexpr size_t kLengthBytes = 8;

struct TypeName {
  DType dtype;
  const char* name;
};
constexpr std::array kTypes = {
    TypeName{DType::F64, "F64"},
    TypeName{DType::F32, "F32"},
    TypeName{DType::F16, "F16"},
    TypeName{DType::BF16, "BF16"},
    TypeName{DType::I64, "I64"},
    TypeName{DType::I32, "I32"},
    TypeName{DType::I16, "I16"},
    TypeName{DType::I8, "I8"},
    TypeName{DType::U64, "U64"},
    TypeName{DType::U32, "U32"},
    TypeName{DType::U16, "U16"},
    TypeName{DType::U8, "U8"},
    TypeName{DType::Bool, "BOOL"},
    TypeName{DType::C64, "C64"},
    TypeName{DType::F8E4M3FN, "F8_E4M3"},
    TypeName{DType::F8E5M2, "F8_E5M2"},
    TypeName{DType::F4E2M1, "F4"},
    TypeName{DType::F8E8M0, "F8_E8M0"},
    TypeName{DType::F8E4M3FNUZ, "F8_E4M3FNUZ"},
    TypeName{DType::F8E5M2FNUZ, "F8_E5M2FNUZ"},
};

class HeaderReader {
 public:
  HeaderReader(const std::string& where, const Limits& limits) : where_(where), limits_(limits) {}

  [[noreturn]] void bad(const std::string& what) const {
    throw Exception(Error::BadFile, where_ + ": safetensors header " + what);
  }

  // Repeated keys and deep nesting are refused in a pass of their own: the finished tree would hide the one, and take memory out of
  // proportion for the other. (The library's callback while it builds the tree costs the square of the number of entries.)
  Json parse(std::string_view text) const {
    KeyCheck check(*this);
    (void)Json::sax_parse(text.begin(), text.end(), &check);
    return Json::parse(text.begin(), text.end());
  }

  SafeTensor tensor(const std::string& name, const Json& entry, ByteSpan buffer) const {
    const std::string label = "entry '" + printable(name) + "' ";
    if (!entry.is_object() || entry.size() != 3 || !entry.contains("dtype") || !entry.contains("shape") ||
        !entry.contains("data_offsets"))
      bad(label + "must have exactly dtype, shape and data_offsets");
    SafeTensor out{name, type(label, entry["dtype"]), {}, {}};
    const Json& shape = entry["shape"];
    if (!shape.is_array()) bad(label + "has no list as shape");
    if (shape.size() > static_cast<size_t>(kMaxRank))
      throw Exception(Error::LimitExceeded,
                      where_ + ": safetensors " + label + "has " + std::to_string(shape.size()) + " dimensions");
    for (const Json& dim : shape) out.shape.push_back(static_cast<int64_t>(integer(label, dim)));
    const Json& offsets = entry["data_offsets"];
    if (!offsets.is_array() || offsets.size() != 2) bad(label + "needs two data_offsets");
    const uint64_t begin = integer(label, offsets[0]), end = integer(label, offsets[1]);
    if (begin > end || end > buffer.size()) bad(label + "has data_offsets outside the file; is it truncated?");
    const uint64_t wanted = byte_size(out.dtype, out.shape, where_ + ": safetensors " + label);
    if (wanted != end - begin || (dtype_is_sub_byte(out.dtype) && element_count(out.shape, where_) % 2 != 0))
      bad(label + "of shape " + shape_text(out.shape) + " needs " + std::to_string(wanted) + " bytes, not " +
          std::to_string(end - begin));
    out.data = buffer.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
    return out;
  }

 private:
  class KeyCheck : public nlohmann::json_sax<Json> {
   public:
    explicit KeyCheck(const HeaderReader& reader) : reader_(reader) {}
    bool null() override { return true; }
    bool boolean(bool) override { return true; }
    bool number_integer(number_integer_t) override { return true; }
    bool number_unsigned(number_unsigned_t) override { return true; }
    bool number_float(number_float_t, const string_t&) override { return true; }
    bool string(string_t&) override { return true; }
    bool binary(binary_t&) override { return true; }
    bool start_object(size_t) override { return open(); }
    bool start_array(size_t) override { return open(); }
    bool end_object() override { return close(); }
    bool end_array() override { return close(); }
    bool key(string_t& name) override {
      if (!keys_.back().insert(name).second) reader_.bad("repeats the key '" + printable(name) + "'");
      if (keys_.back().size() > reader_.limits_.max_entries) reader_.bad("has too many entries");
      return true;
    }
    bool parse_error(size_t, const std::string&, const Json::exception& e) override {
      reader_.bad(std::string("is not valid JSON: ") + printable(e.what()));
    }

   private:
    bool open() {
      constexpr size_t kDeepest = 3;
      if (keys_.size() >= kDeepest) reader_.bad("is nested too deeply");
      keys_.emplace_back();
      return true;
    }
    bool close() {
      keys_.pop_back();
      return true;
    }

    const HeaderReader& reader_;
    std::vector<std::set<std::string>> keys_;
  };

  DType type(const std::string& label, const Json& value) const {
    if (!value.is_string()) bad(label + "has no dtype name");
    const auto name = value.get<std::string>();
    for (const TypeName& t : kTypes)
      if (name == t.name) return t.dtype;
    throw Exception(Error::Unsupported,
                    where_ + ": safetensors " + label + "has dtype '" + printable(name) + "', which is not supported");
  }
  uint64_t integer(const std::string& label, const Json& value) const {
    if (!value.is_number_unsigned()) bad(label + "has a size that is not a non-negative integer");
    const auto number = value.get<uint64_t>();
    if (number > static_cast<uint64_t>(INT64_MAX)) bad(label + "has a size beyond 2^63");
    return number;
  }

  const std::string& where_;
  const Limits& limits_;
};

}  // namespace

SafeTensors parse_safetensors(ByteSpan bytes, const std::string& where, const Limits& limits) {
  HeaderReader reader(where, limits);
  if (bytes.size() < kLengthBytes + 2) throw Exception(Error::BadFile, where + ": too short for a safetensors file");
  uint64_t header_bytes = 0;
  for (size_t i = kLengthBytes; i-- > 0;) header_bytes = header_bytes << 8 | std::to_integer<uint64_t>(bytes[i]);
  if (header_bytes > bytes.size() - kLengthBytes)
    throw Exception(Error::BadFile, where + ": safetensors header of " + std::to_string(header_bytes) +
                                        " bytes goes beyond the end of the file; another format, or truncated");
  if (header_bytes > limits.max_header_bytes)
    throw Exception(Error::LimitExceeded, where + ": safetensors header of " + std::to_string(header_bytes) + " bytes");
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + kLengthBytes,
                              static_cast<size_t>(header_bytes));
  if (!text.starts_with('{')) reader.bad("does not open with '{'");
  const Json header = reader.parse(text);
  const ByteSpan buffer = bytes.subspan(kLengthBytes + static_cast<size_t>(header_bytes));
  SafeTensors out;
  for (const auto& [name, entry] : header.items()) {
    if (name != kMetadata) {
      out.tensors.push_back(reader.tensor(name, entry, buffer));
      continue;
    }
    if (!entry.is_object()) reader.bad("has metadata that is not an object");
    for (const auto& [key, value] : entry.items()) {
      if (!value.is_string()) reader.bad("has metadata '" + printable(key) + "' that is not text");
      out.metadata[key] = value.get<std::string>();
    }
  }
  const auto where_it_is = [](const SafeTensor& t) { return std::pair(t.data.data(), t.data.data() + t.data.size()); };
  std::sort(out.tensors.begin(), out.tensors.end(),
            [&](const SafeTensor& a, const SafeTensor& b) { return where_it_is(a) < where_it_is(b); });
  const std::byte* next = buffer.data();
  for (const SafeTensor& t : out.tensors) {
    if (t.data.data() != next) reader.bad("leaves a hole before, or overlaps with, '" + printable(t.name) + "'");
    next += t.data.size();
  }
  if (next != buffer.data() + buffer.size()) reader.bad("does not cover the whole file");
  return out;
}

std::vector<NamedArray> read_safetensors(const std::string& path, std::map<std::string, std::string>* metadata,
                                         const Limits& limits) {
  const Bytes bytes = read_file(path, limits);
  SafeTensors parsed = parse_safetensors(bytes, printable(path), limits);
  if (metadata != nullptr) *metadata = std::move(parsed.metadata);
  std::vector<NamedArray> out;
  for (const SafeTensor& t : parsed.tensors) out.push_back({t.name, t.to_array()});
  return out;
}

namespace {

const char* type_name(const SafeTensor& t) {
  const auto type = std::find_if(kTypes.begin(), kTypes.end(), [&t](const TypeName& k) { return k.dtype == t.dtype; });
  const bool half_byte = dtype_is_sub_byte(t.dtype) && element_count(t.shape, "safetensors") % 2 != 0;
  if (type == kTypes.end() || half_byte)
    throw Exception(Error::Unsupported, "safetensors: '" + printable(t.name) + "' of type " + dtype_name(t.dtype) +
                                            " cannot be stored; convert it first");
  return type->name;
}

// Hands the file's pieces to `sink` in order.
template <class Sink>
void emit_safetensors(const std::vector<NamedArray>& arrays, const std::map<std::string, std::string>& metadata,
                      Sink sink) {
  std::vector<SafeTensor> tensors;
  for (const NamedArray& a : arrays) tensors.push_back({a.name, a.array.dtype, a.array.shape, a.array.data});
  const SafeTensorsHead head = safetensors_head(tensors, metadata);
  sink(std::as_bytes(std::span(head.bytes)));
  for (const size_t i : head.order) sink(tensors[i].data);
}

}  // namespace

SafeTensorsHead safetensors_head(const std::vector<SafeTensor>& tensors, const std::map<std::string, std::string>& metadata,
                                 size_t alignment) {
  SafeTensorsHead out;
  for (size_t i = 0; i < tensors.size(); ++i) out.order.push_back(i);
  std::sort(out.order.begin(), out.order.end(), [&](size_t a, size_t b) {
    const auto key = [&](const SafeTensor& t) { return std::pair(t.data.size() % alignment != 0, -static_cast<int>(dtype_bits(t.dtype))); };
    const SafeTensor &x = tensors[a], &y = tensors[b];
    return key(x) != key(y) ? key(x) < key(y) : x.name < y.name;
  });
  Json header = Json::object();
  if (!metadata.empty()) header[std::string(kMetadata)] = metadata;
  uint64_t at = 0;
  for (const size_t i : out.order) {
    const SafeTensor& t = tensors[i];
    const char* type = type_name(t);
    if (t.name.empty() || t.name == kMetadata || header.contains(t.name))
      throw Exception(Error::InvalidArgument,
                      "safetensors: empty, repeated or reserved name '" + printable(t.name) + "'");
    const uint64_t size = t.data.size();
    if (size != byte_size(t.dtype, t.shape, "safetensors"))
      throw Exception(Error::ShapeMismatch, "safetensors: '" + printable(t.name) + "' has data of the wrong size");
    header[t.name] = {{"dtype", type}, {"shape", t.shape}, {"data_offsets", {at, at + size}}};
    at += size;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const Json::exception&) {
    throw Exception(Error::InvalidArgument, "safetensors: a name or a metadata text is not valid UTF-8");
  }
  text.append((alignment - (kLengthBytes + text.size()) % alignment) % alignment, ' ');
  const auto length = static_cast<uint64_t>(text.size());
  for (size_t i = 0; i < kLengthBytes; ++i) out.bytes.push_back(static_cast<char>(length >> (8 * i) & 0xffU));
  out.bytes += text;
  return out;
}

Bytes safetensors_bytes(const std::vector<NamedArray>& arrays, const std::map<std::string, std::string>& metadata) {
  Bytes out;
  emit_safetensors(arrays, metadata, [&out](ByteSpan piece) { out.insert(out.end(), piece.begin(), piece.end()); });
  return out;
}

void write_safetensors(const std::string& path, const std::vector<NamedArray>& arrays,
                       const std::map<std::string, std::string>& metadata) {
  std::optional<AtomicFileWriter> writer;  // opened when the header is known to be right: a refusal touches no file
  emit_safetensors(arrays, metadata, [&](ByteSpan piece) {
    if (!writer) writer.emplace(path);
    writer->write(piece);
  });
  writer->commit();
}

}  // namespace gf::io
