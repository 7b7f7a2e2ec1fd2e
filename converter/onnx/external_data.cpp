#include "converter/onnx/external_data.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "converter/onnx/reader_file.h"
#include "io/path.h"
#include "runtime/core/checked.h"
#include "runtime/core/exception.h"

#if defined(__unix__) || defined(__APPLE__) || defined(__EMSCRIPTEN__)
#define GF_ONNX_POSIX 1
#include <fcntl.h>
#include <sys/stat.h>
#endif

namespace gf::onnx {
namespace {

constexpr size_t kMaxLocationBytes = 4096;
constexpr size_t kMaxPartBytes = 255;

uint64_t parse_number(const std::string& key, const std::string& text, const FieldPath& path) {
  uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, code] = std::from_chars(text.data(), end, value);
  if (text.empty() || code != std::errc{} || stop != end || value > static_cast<uint64_t>(INT64_MAX))
    fail_at(Error::BadFile, path,
            key + " is '" + printable(text) + "'; it must be a decimal number from 0 to 2^63 - 1");
  return value;
}

std::vector<std::string> split(std::string_view location) {
  std::vector<std::string> parts;
  for (size_t begin = 0;;) {
    const size_t slash = location.find('/', begin);
    parts.emplace_back(location.substr(begin, slash - begin));
    if (slash == std::string_view::npos) return parts;
    begin = slash + 1;
  }
}

}  // namespace

void check_external_path(std::string_view location, const FieldPath& path) {
  const std::string shown = "external data location '" + printable(location) + "' ";
  if (location.empty()) fail_at(Error::BadFile, path, shown + "is empty");
  if (location.size() > kMaxLocationBytes)
    fail_at(
        Error::BadFile, path,
        shown + "has " + std::to_string(location.size()) + " bytes; the limit is " + std::to_string(kMaxLocationBytes));
  if (location.find("_ORT_MEM_ADDR_") != std::string_view::npos)
    fail_at(Error::BadFile, path, shown + "is an address in another program's memory, not a file");
  const bool control = std::any_of(location.begin(), location.end(),
                                   [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  if (control || !is_utf8(location)) fail_at(Error::BadFile, path, shown + "has control bytes or is not UTF-8");
  if (location.find_first_of("\\:") != std::string_view::npos)
    fail_at(Error::BadFile, path, shown + "has a backslash or a colon; it must be a relative POSIX path");
  if (location.front() == '/') fail_at(Error::BadFile, path, shown + "is absolute; it must be relative to the model");
  for (const std::string& part : split(location)) {
    if (part.empty() || part == "." || part == "..")
      fail_at(Error::BadFile, path, shown + "has an empty part, '.' or '..'; it must stay below the model's folder");
    if (part.size() > kMaxPartBytes) fail_at(Error::BadFile, path, shown + "has a part of more than 255 bytes");
  }
}

ExternalLocation parse_external(const std::vector<StringPair>& entries, const FieldPath& path) {
  ExternalLocation out;
  unsigned seen = 0;
  const auto once = [&](unsigned bit, const std::string& key) {
    if ((seen & bit) != 0) fail_at(Error::BadFile, path, "external_data gives '" + key + "' more than once");
    seen |= bit;
  };
  for (const StringPair& entry : entries) {
    if (entry.key == "location") {
      once(1, entry.key);
      out.location = entry.value;
    } else if (entry.key == "offset") {
      once(2, entry.key);
      out.offset = parse_number(entry.key, entry.value, path);
    } else if (entry.key == "length") {
      once(4, entry.key);
      out.length = parse_number(entry.key, entry.value, path);
    } else if (entry.key == "checksum") {
      once(8, entry.key);
      out.checksum = entry.value;
    } else {
      fail_at(Error::BadFile, path, "external_data has the unknown key '" + printable(entry.key) + "'");
    }
  }
  if ((seen & 1) == 0) fail_at(Error::BadFile, path, "external_data gives no location");
  check_external_path(out.location, path);
  return out;
}

ExternalData::ExternalData(std::filesystem::path model_directory, FileMode mode, const ReadLimits& limits)
    : directory_(std::move(model_directory)), mode_(mode), limits_(limits) {
  if (directory_.empty()) directory_ = ".";
}

#if GF_ONNX_POSIX

namespace {

/// Opens `part` below `parent` without following a link.
FdCloser open_part(int parent, const std::string& part, bool last, const std::string& shown, const FieldPath& path) {
  const int kind = last ? O_NONBLOCK : O_DIRECTORY;  // O_NONBLOCK: a pipe must not make us wait
  FdCloser fd(openat(parent, part.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | kind));
  if (fd.get() >= 0) return fd;
  if (errno == ENOENT) fail_at(Error::NotFound, path, shown + "does not exist");
  // A link opened with O_DIRECTORY reports ENOTDIR, others ELOOP.
  if (errno == ELOOP || errno == ENOTDIR)
    fail_at(Error::IoError, path,
            shown + "goes through '" + printable(part) +
                "', a symbolic link or not a folder; put the data itself beside the model");
  fail_at(Error::IoError, path, shown + "cannot be opened: " + std::strerror(errno));
}

}  // namespace

const Bytes& ExternalData::file(const std::string& location, const FieldPath& path) {
  if (const auto found = files_.find(location); found != files_.end()) return found->second;
  const std::string shown = "external data file '" + printable(location, 200) + "' ";
  FdCloser fd(open(directory_.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECTORY));
  if (fd.get() < 0)
    fail_at(
        Error::NotFound, path,
        "the model's folder '" + printable(io::text_of(directory_), 200) + "' cannot be opened: " + std::strerror(errno));
  const std::vector<std::string> parts = split(location);
  for (size_t i = 0; i < parts.size(); ++i) fd = open_part(fd.get(), parts[i], i + 1 == parts.size(), shown, path);
  struct stat status {};
  if (fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode))
    fail_at(Error::IoError, path, shown + "is not a regular file");
  // A second hard link could be a file that the model's author may name but not read.
  if (status.st_nlink != 1)
    fail_at(Error::IoError, path, shown + "has " + std::to_string(status.st_nlink) + " hard links; copy it instead");
  return files_.emplace(location, bytes_of_fd(fd.get(), limits_.max_file_bytes, mode_, shown)).first->second;
}

#else

const Bytes& ExternalData::file(const std::string&, const FieldPath& path) {
  fail_at(Error::Unsupported, path, "external data files cannot be read safely on this platform; embed the weights");
}

#endif

Bytes ExternalData::read(const Tensor& tensor, uint64_t size, std::string_view where) {
  const std::string place =
      std::string(where) + (tensor.name.empty() ? "" : " tensor '" + printable(tensor.name) + "'");
  const FieldPath path{nullptr, place};
  const ExternalLocation location = parse_external(tensor.external_data, path);
  if (location.length && *location.length != size)
    fail_at(Error::BadFile, path,
            "external_data has length " + std::to_string(*location.length) + " but the tensor needs " +
                std::to_string(size) + " bytes");
  const Bytes& bytes = file(location.location, path);
  uint64_t end = 0;
  if (!add_checked(location.offset, size, end) || end > bytes.size())
    fail_at(Error::BadFile, path,
            "needs bytes " + std::to_string(location.offset) + " to " +
                (end != 0 ? std::to_string(end) : std::string("beyond 2^64")) + " of '" +
                printable(location.location, 200) + "', which has only " + std::to_string(bytes.size()));
  return bytes.slice(bytes.span().subspan(static_cast<size_t>(location.offset), static_cast<size_t>(size)));
}

}  // namespace gf::onnx
