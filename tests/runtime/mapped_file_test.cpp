// MappedFile and read_file_into: contents, empty files, and every wrong path as a typed error with text.
// needs: GF_TEST_SYSTEM
#include "runtime/platform/mapped_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/resident.h"

namespace gf {
namespace {

class MappedFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/gf_mapped_XXXXXX";
    ASSERT_NE(mkdtemp(pattern), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string write(const char* name, const std::string& text) {
    const std::string path = folder_ + "/" + name;
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  std::string folder_;
};

std::string as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST_F(MappedFileTest, MapsTheWholeFile) {
  std::string text(100'000, 'x');
  text[0] = 'a';
  text.back() = 'z';
  auto file = MappedFile::open(write("data", text).c_str());
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(as_text(file->bytes()), text);
  EXPECT_EQ(file->size(), text.size());
  EXPECT_EQ(reinterpret_cast<uintptr_t>(file->bytes().data()) % 4096, 0U);
}

TEST_F(MappedFileTest, MovesLeaveOneOwner) {
  auto file = MappedFile::open(write("data", "hello").c_str());
  ASSERT_TRUE(file.ok());
  MappedFile first = std::move(*file);
  MappedFile second;
  second = std::move(first);
  EXPECT_EQ(as_text(second.bytes()), "hello");
  EXPECT_EQ(first.size(), 0U);  // NOLINT: moved-from state is documented as empty
  auto other = MappedFile::open(write("other", "bye").c_str());
  ASSERT_TRUE(other.ok());
  second = std::move(*other);
  EXPECT_EQ(as_text(second.bytes()), "bye");
}

TEST_F(MappedFileTest, SurvivesReplacementByRename) {
  const std::string path = write("data", "old");
  auto file = MappedFile::open(path.c_str());
  ASSERT_TRUE(file.ok());
  std::filesystem::rename(write("new", "newer"), path);
  EXPECT_EQ(as_text(file->bytes()), "old");
}

TEST_F(MappedFileTest, EvictedPagesLeaveMemoryAndComeBackAsTheyWere) {
  std::string text(size_t{4} << 20, ' ');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + i % 23);
  const std::string path = write("large", text);
  auto file = MappedFile::open(path.c_str());
  ASSERT_TRUE(file.ok());
  ASSERT_EQ(as_text(file->bytes()), text);
  const auto before = test::resident_bytes(path);
  if (!before) GTEST_SKIP() << "this system has no /proc/self/smaps";
  ASSERT_GE(*before, text.size());
  static constexpr std::byte kOutside[64] = {};
  file->evict(kOutside);
  file->evict({file->bytes().data() + 100, 200});  // no whole page
  EXPECT_GE(*test::resident_bytes(path), text.size());
  file->evict(file->bytes().subspan(1));
  EXPECT_LE(*test::resident_bytes(path), size_t{64} << 10);
  EXPECT_EQ(as_text(file->bytes()), text);
}

TEST_F(MappedFileTest, EmptyFileIsAnEmptySpan) {
  const std::string path = write("empty", "");
  auto file = MappedFile::open(path.c_str());
  ASSERT_TRUE(file.ok());
  EXPECT_TRUE(file->bytes().empty());
  EXPECT_EQ(*file_size_bytes(path.c_str()), 0U);
}

TEST_F(MappedFileTest, WrongPathsSayWhatAndWhere) {
  ErrorDetail detail;
  EXPECT_EQ(MappedFile::open((folder_ + "/absent").c_str(), &detail).error(), Error::NotFound);
  EXPECT_NE(std::strstr(detail.text, "absent"), nullptr) << detail.text;
  EXPECT_NE(std::strstr(detail.text, "No such file"), nullptr) << detail.text;
  EXPECT_EQ(MappedFile::open(folder_.c_str(), &detail).error(), Error::IoError);
  EXPECT_NE(std::strstr(detail.text, "regular file"), nullptr) << detail.text;
  EXPECT_EQ(MappedFile::open("", &detail).error(), Error::InvalidArgument);
  EXPECT_EQ(MappedFile::open(nullptr, &detail).error(), Error::InvalidArgument);
  EXPECT_EQ(MappedFile::open((write("data", "x") + "/y").c_str(), &detail).error(), Error::NotFound);
  EXPECT_EQ(file_size_bytes((folder_ + "/absent").c_str()).error(), Error::NotFound);
}

TEST_F(MappedFileTest, FifoDoesNotBlock) {
  const std::string path = folder_ + "/fifo";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  EXPECT_EQ(MappedFile::open(path.c_str()).error(), Error::IoError);
}

TEST_F(MappedFileTest, UnreadableFileSaysPermission) {
  const std::string path = write("secret", "x");
  ASSERT_EQ(chmod(path.c_str(), 0), 0);
  if (access(path.c_str(), R_OK) == 0) GTEST_SKIP() << "this user may read every file";
  ErrorDetail detail;
  EXPECT_EQ(MappedFile::open(path.c_str(), &detail).error(), Error::IoError);
  EXPECT_NE(std::strstr(detail.text, "ermission"), nullptr) << detail.text;
}

TEST_F(MappedFileTest, ReadsIntoCallerMemory) {
  const std::string path = write("data", "0123456789");
  std::vector<std::byte> memory(10);
  auto all = read_file_into(path.c_str(), memory);
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(as_text(*all), "0123456789");
  ErrorDetail detail;
  EXPECT_EQ(read_file_into(path.c_str(), std::span(memory).first(9), &detail).error(), Error::BufferTooSmall);
  EXPECT_NE(std::strstr(detail.text, "has 10 bytes"), nullptr) << detail.text;
  EXPECT_EQ(read_file_into((folder_ + "/absent").c_str(), memory).error(), Error::NotFound);
}

}  // namespace
}  // namespace gf
