// Running a session from a tool: errors as exceptions, time and heap calls of each run, statistics, memory as JSON.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/common/cli.h"

namespace gf::cli {

/// Nanoseconds of a clock that never jumps.
int64_t now_ns();
/// Throws Exception with the detail's sentence unless `error` is Ok.
void check(Error error, const ErrorDetail& detail);

/// Runs once; returns milliseconds. Throws what run says.
double run_ms(Session& session);
/// As above, and adds the heap calls (allocations, frees, maps; any thread) made meanwhile to `heap_calls`.
double run_counted_ms(Session& session, uint64_t& heap_calls);
/// The count as JSON: null where counting is impossible (sanitizers).
Json heap_json(uint64_t heap_calls);
std::string heap_text(uint64_t heap_calls);

struct Stats {
  double median = 0, min = 0, mean = 0, p95 = 0, p99 = 0;
  size_t count = 0;
};
/// Percentiles by nearest rank. All 0 for no samples.
Stats statistics(std::vector<double> samples);
Json stats_json(const Stats& stats);

/// weights_bytes, state_bytes, activation_bytes, scratch_bytes, pool_bytes, create_bytes, file_bytes, max_live_bytes,
/// session_bytes.
Json memory_json(const MemoryNeeds& needs, uint64_t file_bytes);
/// Bytes that stay in use while a session lives: weights (packed), state, session, activations, scratch, pool.
uint64_t resident_bytes(const MemoryNeeds& needs);

}  // namespace gf::cli
