// A model file inside a program: as C source or as a relocatable object, each with a header beside it. Constant data, 64-byte
// aligned as Program::load wants it, so that nothing is copied or read from a file system.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace gf::cli {

/// The C identifier that a file becomes: "my-net.c" -> "my_net_gf".
std::string c_symbol(const std::string& path);

/// Writes `bytes` (a .gf) to `path`, which ends in .c or .o, and the header beside it (`path` with .h): `NAME_gf` is the
/// array, `NAME_gf_size` its size in bytes. `target` is one of object_targets(), or "" for the machine this runs on; it
/// only matters for .o. Throws UsageError (another extension, unknown target) and Exception (IoError, LimitExceeded).
void emit_c(std::span<const std::byte> bytes, const std::string& path, const std::string& target);

/// Machines that objects can be written for: "x86-64", "aarch64", ...
std::vector<std::string> object_targets();

}  // namespace gf::cli
