#include "trainer/checkpoint/directory.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "io/path.h"
#include "runtime/core/exception.h"
#include "trainer/checkpoint/file_system.h"

namespace gf {

using checkpoint::FileSystem;

namespace {

constexpr std::string_view kPrefix = "step-", kSuffix = ".gfckpt.safetensors", kTemporaryEnd = ".tmp";
constexpr size_t kStepDigits = 12;  // at least: names then sort like steps

// The step of a name that file_name() gives; -1 for all other names.
int64_t step_of(std::string_view name) {
  if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix) || name.size() < kPrefix.size() + kSuffix.size()) return -1;
  const std::string_view digits = name.substr(kPrefix.size(), name.size() - kPrefix.size() - kSuffix.size());
  int64_t step = -1;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), step);
  if (error != std::errc() || end != digits.data() + digits.size() || step < 0) return -1;
  return CheckpointDirectory::file_name(step) == name ? step : -1;
}

// What io::AtomicFileWriter calls its files: a point in front, process and number behind.
bool is_temporary(std::string_view name) {
  return name.starts_with("." + std::string(kPrefix)) && name.ends_with(kTemporaryEnd) && name.find(kSuffix) != std::string_view::npos;
}

}  // namespace

std::string CheckpointDirectory::file_name(int64_t step) {
  const std::string digits = std::to_string(step);
  return std::string(kPrefix) + std::string(digits.size() < kStepDigits ? kStepDigits - digits.size() : 0, '0') + digits + std::string(kSuffix);
}

CheckpointDirectory::CheckpointDirectory(std::string folder, CheckpointOptions options)
    : CheckpointDirectory(std::move(folder), std::move(options), FileSystem::system()) {}
CheckpointDirectory::CheckpointDirectory(std::string folder, CheckpointOptions options, const FileSystem& files)
    : folder_(std::move(folder)), options_(std::move(options)), files_(files) {
  if (options_.keep < 1) throw Exception(Error::InvalidArgument, "checkpoints: keep is " + std::to_string(options_.keep) + "; at least 1 generation is kept");
  if (options_.asynchronous) writer_ = std::thread([this] { work(); });
}

CheckpointDirectory::~CheckpointDirectory() {
  if (!writer_.joinable()) {
    finish_removing();
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  writer_.join();
  finish_removing();
  try {
    rethrow();
  } catch (const std::exception& e) {
    log(std::string("CHECKPOINT NOT SAVED: ") + e.what());
  }
}

std::string CheckpointDirectory::path(const std::string& name) const { return io::text_of(io::path_of(folder_) / io::path_of(name)); }

void CheckpointDirectory::log(const std::string& line) const {
  if (options_.log) options_.log(line);
  else std::fprintf(stderr, "%s\n", line.c_str());
}

std::vector<int64_t> CheckpointDirectory::steps_of(const std::vector<std::string>& names) const {
  std::vector<int64_t> steps;
  for (const std::string& name : names)
    if (const int64_t step = step_of(name); step >= 0) steps.push_back(step);
  std::sort(steps.begin(), steps.end());
  return steps;
}

std::vector<int64_t> CheckpointDirectory::steps() const {
  try {
    std::vector<int64_t> all = steps_of(files_.list(folder_));
    const std::lock_guard lock(mutex_);
    std::erase_if(all, [this](int64_t s) { return going_.contains(s); });
    return all;
  } catch (const Exception& e) {
    if (e.code() != Error::NotFound) throw;
    return {};
  }
}

Checkpoint CheckpointDirectory::read(int64_t step) const {
  const std::string file = path(file_name(step));
  Checkpoint c = parse_checkpoint(files_.read(file, options_.limits), io::printable(file), options_.limits);
  if (c.step != step)  // a file under another's name would be taken for newer or older than it is
    throw Exception(Error::BadFile, io::printable(file) + ": holds step " + std::to_string(c.step) + "; it was renamed or copied over");
  return c;
}

Checkpoint CheckpointDirectory::load(int64_t step) {
  wait();
  finish_removing();
  Checkpoint c = read(step);
  good_.insert(step);
  return c;
}

std::optional<LoadedCheckpoint> CheckpointDirectory::load_latest() {
  wait();
  finish_removing();
  const std::vector<std::string> names = files_.list(folder_);
  const std::vector<int64_t> all = steps_of(names);
  LoadedCheckpoint loaded;
  for (auto it = all.rbegin(); it != all.rend(); ++it) {
    try {
      loaded.checkpoint = read(*it);
      loaded.file = file_name(*it);
      good_.insert(*it);
      if (!loaded.skipped.empty()) log("CHECKPOINT: going on from " + path(loaded.file) + ", " + std::to_string(loaded.skipped.size()) + " newer one(s) skipped");
      return loaded;
    } catch (const Exception& e) {
      damaged_.insert(*it);
      loaded.skipped.push_back({file_name(*it), e.code(), e.what()});
      log(std::string("CHECKPOINT SKIPPED: ") + e.what());
    }
  }
  if (all.empty()) {
    if (std::any_of(names.begin(), names.end(), [](const std::string& n) { return is_temporary(n); }))
      log("CHECKPOINT: " + io::printable(folder_) + " holds only the beginning of a save that never ended; there is nothing to go on from");
    return std::nullopt;
  }
  std::string text = io::printable(folder_) + ": none of its " + std::to_string(all.size()) + " checkpoints can be used; give another folder to begin anew:";
  for (const SkippedCheckpoint& s : loaded.skipped) text += "\n  " + s.why;
  throw Exception(Error::BadFile, text);
}

void CheckpointDirectory::discard_later(int64_t step) {
  wait();
  finish_removing();
  for (const int64_t s : steps()) {
    if (s <= step) continue;
    const std::string file = path(file_name(s));
    if (files_.ops().unlink(file.c_str()) != 0) throw Exception(Error::IoError, io::printable(file) + ": cannot remove: " + std::strerror(errno));
    good_.erase(s);
    damaged_.erase(s);
  }
}

void CheckpointDirectory::save(const Snapshot& snapshot, std::optional<double> loss) {
  wait();
  if (snapshot.step < 0) throw Exception(Error::InvalidArgument, "checkpoint: step " + std::to_string(snapshot.step) + " is negative");
  if (loss && !std::isfinite(*loss))
    throw Exception(Error::NonFinite, "checkpoint of step " + std::to_string(snapshot.step) + " is not saved: the loss is " + std::to_string(*loss) +
                                          "; go back to the last checkpoint, with a lower learning rate or without the batch that did it");
  check_place(snapshot.step);
  if (!writer_.joinable()) return write(snapshot);
  take_copy(snapshot);
  {
    const std::lock_guard lock(mutex_);
    pending_ = true;
  }
  changed_.notify_all();
}

// The newest step is the one that is loaded: a save behind it would be lost.
void CheckpointDirectory::check_place(int64_t step) {
  const std::vector<int64_t> all = steps();
  for (auto it = all.rbegin(); it != all.rend() && *it > step; ++it) {
    if (damaged_.contains(*it)) continue;
    if (!good_.contains(*it) && !is_whole(*it)) continue;
    throw Exception(Error::WrongPhase, "checkpoint of step " + std::to_string(step) + " is not saved: " + io::printable(path(file_name(*it))) +
                                           " is of a later step and would be taken for newer; go on from it, call discard_later(), or give another folder");
  }
}

void CheckpointDirectory::write(const Snapshot& snapshot) {
  finish_removing();
  if (!folder_is_made_) files_.make_folder(folder_);
  folder_is_made_ = true;
  remove_leftovers(files_.list(folder_));
  remove_old();  // of processes that ended just before theirs: the folder does not grow however often that happens
  {
    io::AtomicFileWriter writer(path(file_name(snapshot.step)), files_.ops());
    write_checkpoint(writer, snapshot);
    writer.commit();
  }
  damaged_.erase(snapshot.step);
  good_.insert(snapshot.step);
  remove_old();
}

// Of a process that ended in a save. Not being able to remove one loses nothing.
void CheckpointDirectory::remove_leftovers(const std::vector<std::string>& names) const {
  for (const std::string& name : names)
    if (is_temporary(name)) (void)files_.ops().unlink(path(name).c_str());
}

// What an earlier process wrote is read before it counts: else one that ends after each save would remove nothing, or the wrong ones.
void CheckpointDirectory::remove_old() {
  const auto keep = static_cast<size_t>(options_.keep);
  const std::vector<int64_t> all = steps();
  if (all.size() <= keep) return;
  for (auto it = all.rbegin(); it != all.rend() && good_.size() < keep; ++it)
    if (!good_.contains(*it) && !damaged_.contains(*it)) (void)is_whole(*it);
  if (good_.size() < keep) return;
  const int64_t oldest = *std::prev(good_.end(), static_cast<std::ptrdiff_t>(keep));
  remove({all.begin(), std::lower_bound(all.begin(), all.end(), oldest)});
  good_.erase(good_.begin(), good_.find(oldest));
}

void CheckpointDirectory::remove(const std::vector<int64_t>& steps) {
  if (steps.empty()) return;
  const auto unlink = [this, steps] {
    for (const int64_t s : steps) (void)files_.ops().unlink(path(file_name(s)).c_str());
  };
  if (!files_.removes_slowly()) return unlink();
  finish_removing();
  {
    const std::lock_guard lock(mutex_);
    going_.insert(steps.begin(), steps.end());
  }
  remover_ = std::thread(unlink);
}

void CheckpointDirectory::finish_removing() {
  if (remover_.joinable()) remover_.join();
  const std::lock_guard lock(mutex_);
  going_.clear();
}

bool CheckpointDirectory::is_whole(int64_t step) {
  try {
    (void)read(step);
    good_.insert(step);
    return true;
  } catch (const Exception& e) {
    damaged_.insert(step);
    log(std::string("CHECKPOINT SKIPPED: ") + e.what());
    return false;
  }
}

// --- the writer thread: works while pending_ is set, touches what write() touches only then

void CheckpointDirectory::take_copy(const Snapshot& snapshot) {
  Snapshot& to = copy_.snapshot;
  to.step = snapshot.step;
  to.graph = snapshot.graph;
  to.counters = snapshot.counters;
  to.tensors = snapshot.tensors;
  const uint64_t needed = snapshot.data_bytes();
  if (needed > SIZE_MAX) throw Exception(Error::OutOfMemory, "checkpoint: " + std::to_string(needed) + " bytes to copy are more than the address space");
  if (copy_.bytes < needed) {
    copy_.data.reset();
    copy_.bytes = 0;
    copy_.data = std::make_unique_for_overwrite<std::byte[]>(static_cast<size_t>(needed));
    copy_.bytes = needed;
  }
  std::byte* at = copy_.data.get();
  for (io::SafeTensor& t : to.tensors) {
    if (!t.data.empty()) std::memcpy(at, t.data.data(), t.data.size());
    t.data = {at, t.data.size()};
    at += t.data.size();
  }
}

void CheckpointDirectory::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return pending_ || ending_; });
    if (!pending_) return;
    lock.unlock();
    std::exception_ptr failure;
    try {
      write(copy_.snapshot);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    failure_ = failure;
    pending_ = false;
    changed_.notify_all();
  }
}

void CheckpointDirectory::wait() {
  if (!writer_.joinable()) return;
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !pending_; });
  }
  rethrow();
}

void CheckpointDirectory::rethrow() {
  std::exception_ptr failure;
  {
    const std::lock_guard lock(mutex_);
    failure.swap(failure_);
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace gf
