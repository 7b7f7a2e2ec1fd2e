// Tensor data that an ONNX model keeps in other files (data_location EXTERNAL).
// The model is not trusted: only regular files below the model's own directory are read. A location is relative, has
// neither "." nor ".." nor empty parts, backslashes, colons or NUL; every part is opened without following symbolic
// links (each by handle, so that nothing can be swapped between check and use); the file must be regular with one hard
// link. One object serves one model and one thread; the Bytes it gives keep their file alive after it.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "converter/onnx/model.h"
#include "converter/onnx/model_check.h"
#include "converter/onnx/reader.h"

namespace gf::onnx {

/// The entries of Tensor::external_data, validated.
struct ExternalLocation {
  std::string location;
  uint64_t offset = 0;
  std::optional<uint64_t> length;
  std::string checksum;  ///< SHA-1 of the file in hex, as the writer gave it; not verified
};

/// Keys location (needed), offset, length, checksum; no other key, none twice; numbers are decimal digits below 2^63.
/// Errors: BadFile.
ExternalLocation parse_external(const std::vector<StringPair>& entries, const FieldPath& path);

/// Throws BadFile when `location` breaks the rules above (it does not touch the file system).
void check_external_path(std::string_view location, const FieldPath& path);

class ExternalData {
 public:
  /// `model_directory` is the folder of the model file ("" means the current one); links in it are followed.
  explicit ExternalData(std::filesystem::path model_directory, FileMode mode = FileMode::Map,
                        const ReadLimits& limits = {});

  /// The `size` bytes of `tensor` in its file, as a view (or of one copy per file with FileMode::Read): memory is at
  /// most the sum of the files' sizes, however many tensors share them. With FileMode::Map the rule of FileMode about
  /// changing files holds.
  /// Errors: BadFile (entries, path, range), NotFound, IoError (link, not a regular file), LimitExceeded; Unsupported
  /// where the platform has no openat.
  Bytes read(const Tensor& tensor, uint64_t size, std::string_view where = {});

 private:
  const Bytes& file(const std::string& location, const FieldPath& path);

  std::filesystem::path directory_;
  FileMode mode_;
  ReadLimits limits_;
  std::map<std::string, Bytes, std::less<>> files_;
};

}  // namespace gf::onnx
