// Reads ONNX protobuf files into the structs of model.h, without copying weights.
// Any bytes are safe to give: what is malformed or beyond the limits throws gf::Exception (BadFile, LimitExceeded,
// BadAttribute, Unsupported) with the field path and, for wire-level damage, the byte offset.
// Protobuf's rules hold: unknown fields are skipped, the last of a repeated singular field wins (messages merge),
// packed and unpacked lists mix. Stricter than protobuf: a known field with a wrong wire type is an error.
// No state; any thread.
#pragma once

#include <filesystem>

#include "converter/onnx/model.h"
#include "converter/onnx/model_check.h"

namespace gf::onnx {

/// How a file's bytes are obtained.
/// Map: mapped read-only where the platform can (else read). The file must not be changed or cut while anything of it
/// is in use: touching a page beyond a new end is SIGBUS, which no library can turn into an error. Read: copied into
/// memory, safe from later changes.
enum class FileMode : uint8_t { Map, Read };

/// All bytes of a regular file. Follows symbolic links in `path` (the caller's choice, unlike external data).
/// Errors: NotFound, IoError (not a regular file, reading failed), LimitExceeded.
Bytes read_file_bytes(const std::filesystem::path& path, uint64_t max_bytes, FileMode mode = FileMode::Map);

/// A ModelProto. Its tensors are consistent (check_tensors), its attributes hold what their type says; versions and
/// names are not judged: see check_versions and check_names.
Model read_model(Bytes bytes, const ReadLimits& limits = {});
/// read_file_bytes and read_model; messages begin with the file's path.
Model read_model_file(const std::filesystem::path& path, const ReadLimits& limits = {}, FileMode mode = FileMode::Map);

/// A file of one TensorProto, as in the ONNX backend tests; checked with check_tensor.
Tensor read_tensor(Bytes bytes, const ReadLimits& limits = {});
/// A file of one SequenceProto; its tensors are checked.
Sequence read_sequence(Bytes bytes, const ReadLimits& limits = {});
/// A file of one OptionalProto; its tensors are checked.
OptionalValue read_optional(Bytes bytes, const ReadLimits& limits = {});
/// A TypeProto, as the ONNX backend tests' inputs declare it.
Type read_type(Bytes bytes, const ReadLimits& limits = {});

}  // namespace gf::onnx
