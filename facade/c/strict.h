// Shared by the files of the strict level. Internal to facade/c.
#pragma once

#include "facade/c/handles.h"
#include "runtime/platform/core_count.h"

namespace gf::c {

/// Checked options of a session over `program`; NULL stands for the defaults.
gf_status session_options(const gf_program& program, const gf_session_options* given, SessionOptions& out, gf_error* error);
/// As find_entry; NotFound when there is none.
gf_status check_entry(const gf_program& program, const char* entry, int& index, gf_error* error);

inline std::span<std::byte> span_of(void* memory, size_t bytes) { return {static_cast<std::byte*>(memory), memory != nullptr ? bytes : 0}; }

}  // namespace gf::c
