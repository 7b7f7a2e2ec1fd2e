// Helpers of the ONNX container tests: protobuf messages built by hand (independent of our writer), where the test data
// is, and error expectations.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "converter/onnx/reader.h"
#include "runtime/core/exception.h"
#include "tests/support/paths.h"

namespace gf::onnx::test {

/// One protobuf message, field by field.
class Wire {
 public:
  std::string bytes;

  Wire& raw_varint(uint64_t v) {
    for (; v >= 0x80; v >>= 7) bytes += static_cast<char>((v & 0x7f) | 0x80);
    bytes += static_cast<char>(v);
    return *this;
  }
  Wire& tag(uint32_t field, unsigned type) { return raw_varint((uint64_t{field} << 3) | type); }
  Wire& i(uint32_t field, int64_t v) { return tag(field, 0).raw_varint(static_cast<uint64_t>(v)); }
  Wire& f(uint32_t field, float v) { return tag(field, 5).append(&v, sizeof v); }
  Wire& d(uint32_t field, double v) { return tag(field, 1).append(&v, sizeof v); }
  Wire& s(uint32_t field, std::string_view v) {
    tag(field, 2).raw_varint(v.size());
    bytes += v;
    return *this;
  }
  Wire& m(uint32_t field, const Wire& message) { return s(field, message.bytes); }
  Wire& append(const void* data, size_t size) {
    bytes.append(static_cast<const char*>(data), size);
    return *this;
  }
};

inline Bytes to_bytes(std::string_view text) {
  const auto* p = reinterpret_cast<const std::byte*>(text.data());
  return Bytes::take({p, p + text.size()});
}

inline std::string from_hex(std::string_view hex) {
  std::string out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2)
    out += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  return out;
}

/// A model around an encoded GraphProto: IR version 8, opset 13.
inline Wire model_of(const Wire& graph) { return Wire().i(1, 8).m(7, graph).m(8, Wire().s(1, "").i(2, 13)); }

template <class Call>
void expect_error(Error code, std::string_view part, Call call, std::string_view what = {}) {
  try {
    call();
    ADD_FAILURE() << what << ": no error; expected " << error_name(code);
  } catch (const Exception& e) {
    EXPECT_EQ(e.code(), code) << what << ": " << error_name(e.code()) << ": " << e.what();
    EXPECT_NE(std::string_view(e.what()).find(part), std::string_view::npos)
        << what << ": '" << part << "' is not in: " << e.what();
    for (const char c : std::string_view(e.what()))
      EXPECT_TRUE(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) << "control byte in a message: " << e.what();
  }
}

/// The project's shared test data (GF_TEST_DATA, or ../shared/data beside the sources); empty when absent.
inline std::filesystem::path test_data() {
  std::error_code code;
  if (const char* given = std::getenv("GF_TEST_DATA")) return std::filesystem::exists(given, code) ? given : "";
  const std::filesystem::path source = std::filesystem::path(gf::test::kSourceDir);
  const std::filesystem::path standard = source / "../shared/data";
  return std::filesystem::exists(standard / "onnx-backend", code) ? standard : std::filesystem::path();
}

#define GF_REQUIRE_TEST_DATA(variable)                                  \
  const std::filesystem::path variable = ::gf::onnx::test::test_data(); \
  if ((variable).empty()) GTEST_SKIP() << "test data is absent: set GF_TEST_DATA to its directory"

/// All files below the ONNX parts of the test data with this extension, sorted.
inline std::vector<std::filesystem::path> data_files(const std::filesystem::path& data, std::string_view extension) {
  std::vector<std::filesystem::path> out;
  for (const char* part : {"onnx-backend", "models"}) {
    std::error_code code;
    if (!std::filesystem::exists(data / part, code)) continue;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(data / part))
      if (entry.path().extension() == extension) out.push_back(entry.path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

/// A directory that is removed with everything in it at the end of the test.
class TempDir {
 public:
  TempDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "gf_onnx_XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() {
    std::error_code code;
    std::filesystem::remove_all(path_, code);
  }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path write(std::string_view name, std::string_view content) const {
    std::ofstream(path_ / name, std::ios::binary) << content;
    return path_ / name;
  }

 private:
  std::filesystem::path path_;
};

}  // namespace gf::onnx::test
