// First part of loading: FlatBuffers' rules for the header of a file. Internal to runtime/load. One walk over a table of what
// model.fbs declares: the checks that flatc generates are the same ones once per table, 4 kB more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace gf {

/// True when every offset, list, string and table that `header` (length prefix and FlatBuffers part) leads to lies inside it and is
/// aligned, and at most `tables` tables are met. `header` is aligned to 8 and shorter than 2 GB.
bool verify_header(std::span<const std::byte> header, uint32_t tables);

}  // namespace gf
