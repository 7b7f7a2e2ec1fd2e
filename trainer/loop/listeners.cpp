#include "trainer/loop/listeners.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "io/path.h"
#include "runtime/core/crc32c.h"
#include "runtime/core/exception.h"

namespace gf {
namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

std::string text(const char* format, double v) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, format, v);
  return buffer;
}
std::string time_text(double seconds) {
  const auto s = static_cast<long long>(std::min(seconds, 359999.0) + 0.5);
  char buffer[32];
  if (s >= 3600) std::snprintf(buffer, sizeof buffer, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
  else std::snprintf(buffer, sizeof buffer, "%lld:%02lld", s / 60, s % 60);
  return buffer;
}
std::string metrics_text(const Metrics& metrics) {
  std::string all;
  for (const auto& [name, value] : metrics)
    all += (all.empty() ? "" : ", ") + name + " " + (name == "accuracy" ? text("%.2f %%", 100 * value) : text("%.4f", value));
  return all;
}
// JSON has no NaN.
Json number(double v) { return std::isfinite(v) ? Json(v) : Json(nullptr); }
Json object(const Metrics& metrics) {
  Json j = Json::object();
  for (const auto& [name, value] : metrics) j[name] = number(value);
  return j;
}
void put_line(std::FILE* to, const Json& j) {
  std::fprintf(to, "%s\n", j.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
  std::fflush(to);
}

}  // namespace

// --- people

void Progress::begin(const FitPlan& plan) {
  plan_ = plan;
  last_ = Clock::now();
  if (plan.resumed_from) note("goes on after step " + std::to_string(*plan.resumed_from));
}

std::string Progress::line(const StepReport& r) const {
  const int64_t epochs = (plan_.last_step + plan_.steps_per_epoch - 1) / plan_.steps_per_epoch;
  std::string out = "epoch " + std::to_string(r.epoch + 1) + "/" + std::to_string(epochs) + "  ";
  const int64_t at = r.step - r.epoch * plan_.steps_per_epoch;
  if (settings_.bar) {
    constexpr int64_t kWidth = 24;
    const auto done = static_cast<size_t>(kWidth * at / plan_.steps_per_epoch);
    std::string bar(kWidth, ' ');
    std::fill_n(bar.begin(), done, '=');
    if (done < kWidth) bar[done] = '>';
    out += "[" + bar + "] ";
  }
  return out + std::to_string(at) + "/" + std::to_string(plan_.steps_per_epoch) + "  loss " + text("%.4f", r.loss) + "  " + text("%.0f", r.examples_per_second) + "/s  " +
         time_text(r.seconds_left) + " left";
}

void Progress::clear() {
  if (shown_ > 0) std::fprintf(settings_.to, "\r%*s\r", static_cast<int>(shown_), "");
  shown_ = 0;
}

void Progress::step(const StepReport& r) {
  const double since = std::chrono::duration<double>(Clock::now() - last_).count();
  const bool last = r.step == plan_.last_step;
  if (since < (settings_.bar ? 0.1 : 10) && !last) return;
  last_ = Clock::now();
  const std::string now = line(r);
  if (!settings_.bar) {
    std::fprintf(settings_.to, "%s\n", now.c_str());
    return;
  }
  const size_t blank = shown_ > now.size() ? shown_ - now.size() : 0;
  std::fprintf(settings_.to, "\r%s%*s", now.c_str(), static_cast<int>(blank), "");
  std::fflush(settings_.to);
  shown_ = now.size();
}

void Progress::validated(const ValidationReport& r) {
  clear();
  std::fprintf(settings_.to, "epoch %lld, step %lld: validation %s%s\n", static_cast<long long>(r.epoch + 1), static_cast<long long>(r.step), metrics_text(r.metrics).c_str(), r.best ? " (best)" : "");
}

void Progress::note(const std::string& line) {
  clear();
  std::fprintf(settings_.to, "%s\n", line.c_str());
}

void Progress::end(const FitResult& r) {
  clear();
  const char* how = r.end == FitResult::End::Stopped ? "stopped" : r.end == FitResult::End::EarlyStopped ? "stopped early: validation got no better" : "done";
  std::fprintf(settings_.to, "%s after step %lld: loss %.4f, %s, %.1f %% of it waiting for data\n", how, static_cast<long long>(r.step), r.loss, time_text(r.seconds).c_str(),
               r.seconds > 0 ? 100 * r.stall_seconds / r.seconds : 0.0);
}

// --- programs

JsonLines::JsonLines(const std::string& file) : own_(std::fopen(file.c_str(), "ab")), to_(own_.get()) {
  if (to_ == nullptr) throw Exception(Error::IoError, "cannot write to " + file + ": " + std::strerror(errno));
}
void JsonLines::begin(const FitPlan& plan) {
  if (plan.resumed_from) put_line(to_, {{"resumed_from", *plan.resumed_from}});
}
void JsonLines::step(const StepReport& r) {
  put_line(to_, {{"step", r.step}, {"epoch", r.epoch}, {"loss", number(r.loss)}, {"lr", r.learning_rate}, {"step_ms", 1e3 * r.seconds}, {"examples_per_s", r.examples_per_second}});
}
void JsonLines::validated(const ValidationReport& r) { put_line(to_, {{"step", r.step}, {"epoch", r.epoch}, {"validation", object(r.metrics)}, {"best", r.best}}); }
void JsonLines::note(const std::string& line) { put_line(to_, {{"note", line}}); }
void JsonLines::end(const FitResult& r) {
  put_line(to_, {{"done", true}, {"step", r.step}, {"loss", number(r.loss)}, {"validation", object(r.validation)}, {"best_step", r.best_step}, {"seconds", r.seconds},
                 {"stall_seconds", r.stall_seconds}, {"skipped", r.skipped}, {"stopped", r.end == FitResult::End::Stopped}, {"early", r.end == FitResult::End::EarlyStopped}});
}

// --- TensorBoard: protocol buffers by hand, there are five fields

namespace {

template <class T>
void put_bytes(std::string& to, T v) {
  static_assert(std::is_trivially_copyable_v<T>);
  to.append(reinterpret_cast<const char*>(&v), sizeof v);  // little-endian, as every machine this runs on
}
void put_varint(std::string& to, uint64_t v) {
  for (; v >= 0x80; v >>= 7) to += static_cast<char>((v & 0x7f) | 0x80);
  to += static_cast<char>(v);
}
void put_string(std::string& to, int field, const std::string& s) {
  put_varint(to, static_cast<uint64_t>(field) << 3 | 2);
  put_varint(to, s.size());
  to += s;
}
std::string event(double wall_time, int64_t step) {
  std::string e;
  e += '\x09';  // 1: double
  put_bytes(e, wall_time);
  if (step == 0) return e;  // as every writer of proto3 leaves out what is 0
  e += '\x10';  // 2: varint
  put_varint(e, static_cast<uint64_t>(step));
  return e;
}
double now() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }
uint32_t masked(const std::string& s) {
  const uint32_t crc = crc32c(s.data(), s.size());
  return (crc >> 15 | crc << 17) + 0xa282ead8U;
}

}  // namespace

TensorBoard::TensorBoard(const std::string& folder, WallClock clock) : clock_(clock ? std::move(clock) : WallClock(now)) {
  std::error_code error;
  std::filesystem::create_directories(io::path_of(folder), error);
  const auto time = static_cast<long long>(now());
  for (int n = 0; file_ == nullptr && n < 1000; ++n) {
    path_ = folder + "/events.out.tfevents." + std::to_string(time) + ".ghostflow." + std::to_string(n);
    file_ = std::fopen(path_.c_str(), "wbx");
    if (file_ == nullptr && errno != EEXIST) break;
  }
  if (file_ == nullptr) throw Exception(Error::IoError, "cannot write to " + path_ + ": " + std::strerror(errno));
  std::string e = event(clock_(), 0);
  put_string(e, 3, "brain.Event:2");
  write(e);
}
TensorBoard::~TensorBoard() { std::fclose(file_); }

void TensorBoard::write(const std::string& event) {
  std::string record, length;
  put_bytes(length, static_cast<uint64_t>(event.size()));
  record = length;
  put_bytes(record, masked(length));
  record += event;
  put_bytes(record, masked(event));
  if (std::fwrite(record.data(), 1, record.size(), file_) != record.size()) throw Exception(Error::IoError, "cannot write to " + path_ + ": " + std::strerror(errno));
}
void TensorBoard::scalar(int64_t step, const std::string& tag, double value) {
  std::string v, summary, e = event(clock_(), step);
  put_string(v, 1, tag);
  v += '\x15';  // 2: float
  put_bytes(v, static_cast<float>(value));
  put_string(summary, 1, v);
  put_string(e, 5, summary);
  write(e);
}
void TensorBoard::step(const StepReport& r) {
  scalar(r.step, "train/loss", r.loss);
  scalar(r.step, "train/lr", r.learning_rate);
}
void TensorBoard::validated(const ValidationReport& r) {
  for (const auto& [name, value] : r.metrics) scalar(r.step, "validation/" + name, value);
  std::fflush(file_);
}
void TensorBoard::end(const FitResult&) { std::fflush(file_); }

}  // namespace gf
