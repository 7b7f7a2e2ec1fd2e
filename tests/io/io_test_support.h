// What the io tests share: golden pieces made by other software, expectations of typed errors, a temporary folder.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "io/file.h"
#include "runtime/core/exception.h"
#include "tests/support/paths.h"

namespace gf::io::test {

/// One piece of tests/io/data/golden.bin.gz (format: see make_golden.py beside it).
inline const Bytes& golden(const std::string& name) {
  static const std::map<std::string, Bytes> pieces = [] {
    const std::filesystem::path folder = std::filesystem::path(gf::test::kSourceDir) / "tests/io/data";
    const Bytes all = read_file_or_gzip((folder / "golden.bin.gz").string());
    const std::string_view text(reinterpret_cast<const char*>(all.data()), all.size());
    const size_t head = text.find("\n\n") + 2;
    std::map<std::string, Bytes> out;
    size_t at = head;
    for (size_t line = 0; line + 1 < head;) {
      const size_t end = text.find('\n', line), space = text.find(' ', line);
      const size_t size = std::stoul(std::string(text.substr(space + 1, end - space - 1)));
      const auto first = all.begin() + static_cast<std::ptrdiff_t>(at);
      out.emplace(text.substr(line, space - line), Bytes(first, first + static_cast<std::ptrdiff_t>(size)));
      at += size;
      line = end + 1;
    }
    return out;
  }();
  return pieces.at(name);
}

/// A golden piece as numbers.
template <class T>
std::vector<T> golden_numbers(const std::string& name) {
  const Bytes& bytes = golden(name);
  std::vector<T> out(bytes.size() / sizeof(T));
  std::memcpy(out.data(), bytes.data(), out.size() * sizeof(T));
  return out;
}

inline Bytes bytes_of(std::string_view text) {
  const auto raw = std::as_bytes(std::span(text));
  return {raw.begin(), raw.end()};
}

/// The error code `action` throws; Ok when it does not throw. Any other exception fails the test by escaping.
inline Error error_of(const std::function<void()>& action, std::string* message = nullptr) {
  try {
    action();
  } catch (const Exception& e) {
    if (message != nullptr) *message = e.what();
    EXPECT_FALSE(std::string(e.what()).empty());
    return e.code();
  }
  return Error::Ok;
}

/// Every proper prefix of `file` must be refused with a typed error.
inline void expect_truncation_errors(const Bytes& file, const std::function<void(ByteSpan)>& parse) {
  for (size_t size = 0; size < file.size(); ++size) {
    const Bytes exact(file.begin(),
                      file.begin() + static_cast<std::ptrdiff_t>(size));  // own block: ASan sees overreads
    EXPECT_NE(error_of([&] { parse(exact); }), Error::Ok) << "accepted the first " << size << " bytes";
  }
}

/// Every single-byte change must give a typed error or a value, never anything else.
inline void expect_flips_are_survived(const Bytes& file, const std::function<void(ByteSpan)>& parse) {
  for (size_t at = 0; at < file.size(); ++at)
    for (const unsigned mask : {0x01U, 0x80U, 0xffU}) {
      Bytes changed = file;
      changed[at] ^= static_cast<std::byte>(mask);
      (void)error_of([&] { parse(changed); });
    }
}

/// A folder of its own for each test, removed at the end.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "gf_io_XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = pattern;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string file(const std::string& name) const { return (path_ / name).string(); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// Folder of the shared real data, or empty: $GF_TEST_DATA, else ../shared/data beside the source tree.
inline std::string shared_data(const std::string& name) {
  const char* given = std::getenv("GF_TEST_DATA");
  const std::filesystem::path source = std::filesystem::path(gf::test::kSourceDir);
  const std::filesystem::path folder = given != nullptr ? std::filesystem::path(given) : source / "../shared/data";
  const std::filesystem::path path = folder / name;
  return std::filesystem::exists(path) ? path.string() : std::string();
}

#define GF_SHARED_DATA_OR_SKIP(variable, name)                  \
  const std::string variable = gf::io::test::shared_data(name); \
  if (variable.empty()) GTEST_SKIP() << "shared test data absent: " << (name) << " (set GF_TEST_DATA)"

}  // namespace gf::io::test
