// A folder in memory that knows what is on the disk and what only in the cache: it can stop at any call, lose or tear what was not
// flushed, and let calls fail. Names are those of one folder. Thread rule: one disk at a time takes part (`use()`), one thread at a time.
#pragma once

#include <algorithm>
#include <cerrno>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "io/file_system.h"
#include "runtime/core/exception.h"
#include "trainer/checkpoint/file_system.h"

namespace gf::test {

class MemoryDisk : public checkpoint::FileSystem {
 public:
  /// What a power loss leaves of data that were not flushed.
  enum class Torn { Lost, Whole, FirstHalf, Zeros, EveryOtherBlock, Garbage };
  static constexpr Torn kTorn[] = {Torn::Lost, Torn::Whole, Torn::FirstHalf, Torn::Zeros, Torn::EveryOtherBlock, Torn::Garbage};

  // --- faults
  int stop_at = 0;                ///< the machine stops before this call has any effect (1 is the first); 0: never
  int fail_at = 0;                ///< this call fails
  bool fails_on = false;          ///< and all after it
  int fail_errno = 0;
  size_t longest_write = 64;      ///< bytes of one write()
  bool interrupt_writes = false;  ///< every other write() is interrupted
  bool lying = false;             ///< fsync says yes and does nothing

  int calls() const { return calls_; }
  bool stopped() const { return stop_at != 0 && calls_ >= stop_at; }
  size_t pending() const { return pending_.size(); }
  std::map<std::string, io::Bytes> files() const {
    std::map<std::string, io::Bytes> all;
    for (const auto& [name, f] : names_) all[name] = f->now;
    return all;
  }
  /// As another program would.
  void put(const std::string& name, io::Bytes bytes) { names_[name] = durable_[name] = std::make_shared<File>(File{bytes, bytes, false}); }
  void remove(const std::string& name) {
    names_.erase(name);
    durable_.erase(name);
  }

  /// The disk after a power loss now: of the changes of names since the last flush of the folder those whose bits are set in `kept` were
  /// on the disk already, in any order.
  MemoryDisk after_power_loss(unsigned kept, Torn torn) const {
    Names left = durable_;
    for (size_t i = 0; i < pending_.size(); ++i)
      if ((kept >> i & 1U) != 0) pending_[i](left);
    MemoryDisk disk;
    disk.made_ = made_;
    for (const auto& [name, f] : left) disk.put(name, f->durable == f->now ? f->now : torn_bytes(*f, torn));
    return disk;
  }

  /// Until the next call of use(), writing goes here.
  void use() const { current = const_cast<MemoryDisk*>(this); }

  const io::FileOps& ops() const override {
    use();
    static const io::FileOps kOps = {
        [](const char* path, int flags, mode_t) { return current->open(base(path), flags); },
        [](int fd, const void* data, size_t size) { return current->write(fd, data, size); },
        [](int fd) { return current->fsync(fd); },
        [](int, mode_t) { return current->begins() ? 0 : -1; },
        [](int fd) { return current->close(fd); },
        [](const char* from, const char* to) { return current->rename(base(from), base(to)); },
        [](const char* path) { return current->unlink(base(path)); },
    };
    return kOps;
  }
  std::vector<std::string> list(const std::string& folder) const override {
    if (!made_) throw Exception(Error::NotFound, folder + ": cannot find the folder");
    std::vector<std::string> all;
    for (const auto& [name, f] : names_) all.push_back(name);
    return all;
  }
  io::Bytes read(const std::string& path, const io::Limits&) const override {
    const auto it = names_.find(base(path.c_str()));
    if (it == names_.end()) throw Exception(Error::NotFound, path + ": cannot open");
    return it->second->now;
  }
  void make_folder(const std::string&) const override { made_ = true; }

 private:
  struct File {
    io::Bytes now, durable;
    bool lost = false;  ///< a flush failed: the cache drops what was dirty, and the next flush finds nothing to do
  };
  using Names = std::map<std::string, std::shared_ptr<File>>;

  static inline MemoryDisk* current = nullptr;
  static std::string base(const char* path) { return std::string(path).substr(std::string(path).rfind('/') + 1); }

  static io::Bytes torn_bytes(const File& f, Torn torn) {
    constexpr size_t kBlock = 128;
    io::Bytes bytes = torn == Torn::Lost ? f.durable : f.now;
    for (size_t i = 0; i < bytes.size(); ++i) {
      if (torn == Torn::Zeros || (torn == Torn::EveryOtherBlock && i / kBlock % 2 == 1)) bytes[i] = std::byte{0};
      if (torn == Torn::Garbage) bytes[i] ^= static_cast<std::byte>(i * 37 + 1);
    }
    if (torn == Torn::FirstHalf) bytes.resize(bytes.size() / 2);
    return bytes;
  }

  // Counts a call; false: it fails.
  bool begins() {
    ++calls_;
    if (stopped()) {
      errno = EIO;
      return false;
    }
    if (fail_at != 0 && (fails_on ? calls_ >= fail_at : calls_ == fail_at)) {
      errno = fail_errno;
      return false;
    }
    return true;
  }
  void change(std::function<void(Names&)> what) {
    what(names_);
    pending_.push_back(std::move(what));
  }

  int open(const std::string& name, int flags) {
    if (!begins()) return -1;
    const int fd = next_++;
    if (flags == io::system::kFolder) {
      open_[fd] = nullptr;
      return fd;
    }
    if (names_.contains(name)) {
      errno = EEXIST;
      return -1;
    }
    const auto file = std::make_shared<File>();
    change([name, file](Names& names) { names[name] = file; });
    open_[fd] = file;
    return fd;
  }
  ssize_t write(int fd, const void* data, size_t size) {
    if (interrupt_writes && (interrupted_ = !interrupted_)) {
      errno = EINTR;
      return -1;
    }
    if (!begins()) return -1;
    size = std::min(size, longest_write);
    const auto* bytes = static_cast<const std::byte*>(data);
    io::Bytes& now = open_.at(fd)->now;
    now.insert(now.end(), bytes, bytes + size);
    return static_cast<ssize_t>(size);
  }
  int fsync(int fd) {
    const auto file = open_.at(fd);
    if (!begins()) {
      if (file != nullptr && !stopped()) file->lost = true;
      return -1;
    }
    if (lying) return 0;
    if (file != nullptr) {
      if (!file->lost) file->durable = file->now;
    } else {
      durable_ = names_;
      pending_.clear();
    }
    return 0;
  }
  int close(int fd) {
    open_.erase(fd);  // gone even when close reports an error, as on Linux
    return begins() ? 0 : -1;
  }
  int rename(const std::string& from, const std::string& to) {
    if (!begins()) return -1;
    const auto file = names_.at(from);
    change([from, to, file](Names& names) {
      names.erase(from);
      names[to] = file;
    });
    return 0;
  }
  int unlink(const std::string& name) {
    if (!begins()) return -1;
    change([name](Names& names) { names.erase(name); });
    return 0;
  }

  mutable bool made_ = false;
  Names names_, durable_;
  std::vector<std::function<void(Names&)>> pending_;
  std::map<int, std::shared_ptr<File>> open_;
  int calls_ = 0, next_ = 3;
  bool interrupted_ = false;
};

}  // namespace gf::test
