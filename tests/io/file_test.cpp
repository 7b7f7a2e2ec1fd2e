// Whole files: reading, mapping, and saving with every system call made to fail in turn.
#include "io/file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "tests/io/io_test_support.h"

namespace gf::io {
namespace {

using namespace test;

std::string text_of(const std::string& path) {
  const Bytes bytes = read_file(path);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
size_t files_in(const std::filesystem::path& folder) {
  return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}
mode_t mode_of(const std::string& path) {
  struct stat info {};
  EXPECT_EQ(::stat(path.c_str(), &info), 0);
  return info.st_mode & 07777;
}

TEST(IoFile, ReadAndMap) {
  const TemporaryFolder folder;
  write_file(folder.file("a"), "hello");
  EXPECT_EQ(text_of(folder.file("a")), "hello");
  MappedFile map(folder.file("a"));
  EXPECT_EQ(Bytes(map.bytes().begin(), map.bytes().end()), bytes_of("hello"));
  const MappedFile moved = std::move(map);
  EXPECT_EQ(moved.bytes().size(), 5U);
  write_file(folder.file("empty"), "");
  EXPECT_TRUE(read_file(folder.file("empty")).empty());
  EXPECT_TRUE(MappedFile(folder.file("empty")).bytes().empty());
  Limits limits;
  limits.max_file_bytes = 4;
  EXPECT_EQ(error_of([&] { (void)read_file(folder.file("a"), limits); }), Error::LimitExceeded);
}

TEST(IoFile, OnlyRegularFilesAreRead) {
  const TemporaryFolder folder;
  ASSERT_EQ(::mkfifo(folder.file("pipe").c_str(), 0600), 0);
  std::string message;
  EXPECT_EQ(error_of([&] { (void)read_file(folder.file("missing")); }, &message), Error::NotFound);
  EXPECT_NE(message.find("missing"), std::string::npos);
  for (const std::string& path : {folder.path().string(), folder.file("pipe"), std::string("/dev/zero")}) {
    EXPECT_EQ(error_of([&] { (void)read_file(path); }), Error::IoError) << path;
    EXPECT_EQ(error_of([&] { MappedFile map(path); }), Error::IoError) << path;
  }
  EXPECT_EQ(error_of([] { (void)read_file(""); }), Error::InvalidArgument);
  EXPECT_EQ(error_of([] { (void)read_file(std::string("a\0b", 3)); }), Error::InvalidArgument);
}

TEST(IoFile, SavingKeepsModeAndLinks) {
  const TemporaryFolder folder;
  const mode_t mask = ::umask(027);
  write_file(folder.file("new"), "1");
  EXPECT_EQ(mode_of(folder.file("new")), 0640U) << "a new file follows the umask";
  ASSERT_EQ(::chmod(folder.file("new").c_str(), 0666), 0);
  write_file(folder.file("new"), "2");
  EXPECT_EQ(mode_of(folder.file("new")), 0666U) << "an old file keeps its mode, whatever the umask";
  ::umask(mask);
  std::filesystem::create_symlink("new", folder.file("link"));
  write_file(folder.file("link"), "3");
  EXPECT_TRUE(std::filesystem::is_symlink(folder.file("link")));
  EXPECT_EQ(text_of(folder.file("new")), "3");
  EXPECT_EQ(files_in(folder.path()), 2U) << "no temporary file left";
  write_file("/dev/null", "x");
  struct stat info {};
  ASSERT_EQ(::stat("/dev/null", &info), 0);
  EXPECT_TRUE(S_ISCHR(info.st_mode)) << "a device is written, not replaced";
  EXPECT_EQ(error_of([&] { write_file(folder.path().string(), "x"); }), Error::IoError);
  EXPECT_EQ(error_of([&] { write_file(folder.file("no/such/folder"), "x"); }), Error::IoError);
}

TEST(IoFile, AbandonedWriterLeavesNothing) {
  const TemporaryFolder folder;
  write_file(folder.file("a"), "old");
  {
    AtomicFileWriter writer(folder.file("a"));
    writer.write("half");
    EXPECT_EQ(files_in(folder.path()), 2U);
    EXPECT_EQ(text_of(folder.file("a")), "old");
  }
  EXPECT_EQ(files_in(folder.path()), 1U);
  EXPECT_EQ(text_of(folder.file("a")), "old");
}

// Counts the calls of a save; the one numbered fail_at answers with an error, writes go through in 3-byte pieces with
// an interruption before each.
struct Faults {
  static inline int calls, fail_at;
  static inline bool interrupt, renamed;
  static bool fails() {
    if (++calls != fail_at) return false;
    errno = ENOSPC;
    return true;
  }
  static void start(int at) {
    calls = 0;
    fail_at = at;
    interrupt = renamed = false;
  }
  static FileOps ops() {
    FileOps o = FileOps::system();
    o.open = [](const char* p, int flags, mode_t m) { return fails() ? -1 : FileOps::system().open(p, flags, m); };
    o.write = [](int fd, const void* d, size_t n) -> ssize_t {
      interrupt = !interrupt;
      if (interrupt) {
        errno = EINTR;
        return -1;
      }
      return fails() ? -1 : FileOps::system().write(fd, d, std::min<size_t>(n, 3));
    };
    o.fsync = [](int fd) { return fails() ? -1 : FileOps::system().fsync(fd); };
    o.fchmod = [](int fd, mode_t m) { return fails() ? -1 : FileOps::system().fchmod(fd, m); };
    o.close = [](int fd) {
      const bool failing = fails();  // like Linux: the descriptor is gone even when close reports an error
      return FileOps::system().close(fd) != 0 || failing ? -1 : 0;
    };
    o.rename = [](const char* a, const char* b) {
      if (fails()) return -1;
      renamed = true;
      return FileOps::system().rename(a, b);
    };
    return o;
  }
};

TEST(IoFile, EveryFailingCallKeepsTheOldFile) {
  const TemporaryFolder folder;
  const std::string path = folder.file("a");
  const FileOps ops = Faults::ops();
  int failures = 0;
  for (int at = 1;; ++at) {
    write_file(path, "old content");
    Faults::start(at);
    const Error error = error_of([&] {
      AtomicFileWriter writer(path, ops);
      writer.write("new content");
      writer.commit();
    });
    EXPECT_EQ(files_in(folder.path()), 1U) << "call " << at;
    EXPECT_EQ(text_of(path), Faults::renamed ? "new content" : "old content") << "call " << at;
    if (Faults::calls < at) {
      EXPECT_EQ(error, Error::Ok);
      EXPECT_TRUE(Faults::renamed);
      break;
    }
    // the very last close is of the folder, whose content is already safe
    if (error == Error::IoError)
      ++failures;
    else
      EXPECT_EQ(at, 12) << "only the folder's close may fail unheard";
  }
  EXPECT_EQ(failures, 11);  // open, fchmod, 4 writes, fsync, close, rename, open and fsync of the folder
}

}  // namespace
}  // namespace gf::io
