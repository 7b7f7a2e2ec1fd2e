#include "tools/common/measure.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "tools/common/heap_counter.h"

namespace gf::cli {

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void check(Error error, const ErrorDetail& detail) {
  if (error == Error::Ok) return;
  throw Exception(error,
                  detail.text[0] != '\0' ? fmt::format("{}: {}", error_name(error), detail.text) : error_name(error));
}

double run_ms(Session& session) {
  ErrorDetail detail;
  const int64_t begin = now_ns();
  const Error error = session.run(&detail);
  const int64_t end = now_ns();
  check(error, detail);
  return static_cast<double>(end - begin) * 1e-6;
}

double run_counted_ms(Session& session, uint64_t& heap_calls) {
  ErrorDetail detail;
  heap::start_counting();
  const int64_t begin = now_ns();
  const Error error = session.run(&detail);
  const int64_t end = now_ns();
  heap_calls += heap::stop_counting().calls();
  check(error, detail);
  return static_cast<double>(end - begin) * 1e-6;
}

Json heap_json(uint64_t heap_calls) { return heap::counter_works() ? Json(heap_calls) : Json(nullptr); }
std::string heap_text(uint64_t heap_calls) {
  return heap::counter_works() ? std::to_string(heap_calls) : std::string("not counted in this build");
}

Stats statistics(std::vector<double> samples) {
  Stats s;
  s.count = samples.size();
  if (samples.empty()) return s;
  std::sort(samples.begin(), samples.end());
  const auto rank = [&](double p) {
    const auto i = static_cast<size_t>(std::ceil(p * static_cast<double>(samples.size())));
    return samples[std::min(samples.size() - 1, i == 0 ? 0 : i - 1)];
  };
  const size_t half = samples.size() / 2;
  s.median = samples.size() % 2 == 1 ? samples[half] : (samples[half - 1] + samples[half]) / 2;
  s.min = samples.front();
  for (double v : samples) s.mean += v;
  s.mean /= static_cast<double>(samples.size());
  s.p95 = rank(0.95);
  s.p99 = rank(0.99);
  return s;
}

Json stats_json(const Stats& s) {
  return {{"median", s.median}, {"min", s.min}, {"mean", s.mean}, {"p95", s.p95}, {"p99", s.p99}, {"count", s.count}};
}

Json memory_json(const MemoryNeeds& n, uint64_t file_bytes) {
  return {{"weights_bytes", n.weights_bytes},
          {"state_bytes", n.state_bytes},
          {"activation_bytes", n.activation_bytes},
          {"scratch_bytes", n.scratch_bytes},
          {"pool_bytes", n.pool_bytes},
          {"create_bytes", n.create_bytes},
          {"file_bytes", file_bytes},
          {"max_live_bytes", n.max_live_bytes},
          {"session_bytes", n.session_bytes}};
}

uint64_t resident_bytes(const MemoryNeeds& n) {
  return n.weights_bytes + n.state_bytes + n.session_bytes + n.activation_bytes + n.scratch_bytes + n.pool_bytes;
}

}  // namespace gf::cli
