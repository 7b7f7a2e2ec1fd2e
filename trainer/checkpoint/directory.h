// A folder of checkpoints, one file per generation: saved so that a crash at any moment loses nothing that save() reported as done, loaded
// from the newest one that is whole. Thread rule: one thread at a time; one writer per folder at a time. The writer thread of an
// asynchronous folder is its own.
#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "runtime/core/error.h"
#include "trainer/checkpoint/container.h"

namespace gf {
namespace checkpoint {
class FileSystem;
}

struct CheckpointOptions {
  int keep = 3;                                ///< generations, at least 1
  /// save() copies the tensors (Snapshot::data_bytes(), memory that is kept for the next copy) and a thread writes the copy. What goes
  /// wrong there is thrown by the next save() or wait().
  bool asynchronous = false;
  /// Lines that somebody has to see: a damaged file was skipped. Left out: standard error.
  std::function<void(const std::string& line)> log = {};
  io::Limits limits = {};                      ///< for reading
};

struct SkippedCheckpoint {
  std::string file;                            ///< name in the folder
  Error error = Error::Ok;
  std::string why;
};
struct LoadedCheckpoint {
  Checkpoint checkpoint;
  std::string file;
  std::vector<SkippedCheckpoint> skipped;      ///< newer ones that could not be used; also logged
};

class CheckpointDirectory {
 public:
  /// Touches nothing yet; the first save() makes the folder. Throws InvalidArgument (keep).
  explicit CheckpointDirectory(std::string folder, CheckpointOptions options = {});
  /// Waits for the writer; what went wrong there and was not asked for is logged.
  ~CheckpointDirectory();
  CheckpointDirectory(const CheckpointDirectory&) = delete;
  CheckpointDirectory& operator=(const CheckpointDirectory&) = delete;

  /// Writes the snapshot beside what is there: temporary file, fsync, rename, fsync of the folder, and only then removes files that are older
  /// than the newest `keep` whole ones (after a start it reads those that an earlier process wrote, once, to know), behind the caller's back:
  /// that may take as long as writing. Disk space: keep + 1 files, and damaged ones among them. When it returns, the file is on the disk; asynchronous: when the next wait() returns. Saving a step
  /// again replaces its file. `loss`: the caller's, if he has one.
  /// Throws, and leaves every file that was there as it was: NonFinite (`loss` is NaN or infinite: weights behind such a loss are never put
  /// over good ones; whether tensors are finite is not looked at), WrongPhase (the folder has a later step that is whole: see
  /// discard_later()), IoError, and what write_checkpoint() refuses. Asynchronous: also what the save before has thrown; then this
  /// snapshot was not taken.
  void save(const Snapshot& snapshot, std::optional<double> loss = {});
  /// Until the last save is on the disk. Throws what it threw.
  void wait();

  /// The newest file that is complete and whose checksums are right; each newer one that was skipped is logged and reported. Nothing when
  /// the folder holds no checkpoint (a save that never ended is none). Throws NotFound: no such folder; BadFile: there are checkpoints, and
  /// none of them can be used (the message has each with its reason); IoError.
  std::optional<LoadedCheckpoint> load_latest();
  /// One generation. Throws NotFound, and what parse_checkpoint() throws.
  Checkpoint load(int64_t step);
  /// Steps of the files that are there, rising, whether whole or not; none where there is no folder.
  std::vector<int64_t> steps() const;
  /// Removes all files of later steps: for who goes on from an older one and means it.
  void discard_later(int64_t step);

  /// "step-000000001234.gfckpt.safetensors"
  static std::string file_name(int64_t step);

  /// For tests: another file system, which must outlive the object.
  CheckpointDirectory(std::string folder, CheckpointOptions options, const checkpoint::FileSystem& files);

 private:
  struct Copy {                                ///< of a snapshot, for the writer
    Snapshot snapshot;
    std::unique_ptr<std::byte[]> data;
    uint64_t bytes = 0;                        ///< of data
  };

  void write(const Snapshot& snapshot);
  void check_place(int64_t step);
  void remove_leftovers(const std::vector<std::string>& names) const;
  void remove_old();
  /// On a thread of its own where that takes long; nobody waits for it but what touches the folder next.
  void remove(const std::vector<int64_t>& steps);
  void finish_removing();
  /// Reads a file that is not known yet; a damaged one is logged.
  bool is_whole(int64_t step);
  Checkpoint read(int64_t step) const;
  std::vector<int64_t> steps_of(const std::vector<std::string>& names) const;
  void take_copy(const Snapshot& snapshot);
  void work();
  void rethrow();
  void log(const std::string& line) const;
  std::string path(const std::string& name) const;

  const std::string folder_;
  const CheckpointOptions options_;
  const checkpoint::FileSystem& files_;
  // Whoever writes has these: the caller, or the writer between a save() and the wait() that follows.
  bool folder_is_made_ = false;
  std::set<int64_t> good_;                     ///< steps that were written or read whole
  std::set<int64_t> damaged_;                  ///< steps whose files were skipped
  std::thread remover_;

  std::thread writer_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Copy copy_;
  bool pending_ = false, ending_ = false;      ///< under mutex_
  std::exception_ptr failure_;                 ///< under mutex_
  std::set<int64_t> going_;                    ///< under mutex_: steps whose files are being removed
};

}  // namespace gf
