// What file.cpp asks of the operating system, in POSIX terms: descriptors, errno, UTF-8 names. file_posix.cpp or
// file_windows.cpp has them, with FileOps::system(). Internal. Thread rule: as the system's own calls.
#pragma once

#include "io/file.h"

namespace gf::io::system {

struct FileInfo {
  enum class Kind { Missing, Regular, Folder, Other };
  Kind kind = Kind::Missing;
  uint64_t bytes = 0;
  mode_t mode = 0;  ///< permission bits; 0 where files have none
};

/// For reading; not passed on to child processes, and a pipe is not waited for. -1 and errno.
int open_for_reading(const char* path);
/// Of an open file; Missing and errno when the system does not tell.
FileInfo info_of(int file);
/// Of what a name leads to. Missing also where it cannot be looked at.
FileInfo info_of(const char* path);
ssize_t read(int file, void* data, size_t size);
void close(int file);
/// Read-only and private; nullptr and errno. `size` is not 0.
void* map(int file, size_t size);
void unmap(void* address, size_t size);
unsigned long process_id();

/// Flags of FileOps::open.
extern const int kWriteExisting, kWriteNew, kFolder;
/// Whether a folder has to be flushed (opened with kFolder, FileOps::fsync) before a rename in it is on the disk.
extern const bool kFlushesFolders;
/// Flushes a folder ("" is the working one) where that is needed and possible. False and errno.
bool flush_folder(const FileOps& ops, const std::string& folder);

}  // namespace gf::io::system
