// Folders of checkpoints on a real disk: generations, order, refusals, the writer thread.
#include "trainer/checkpoint/directory.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "tests/checkpoint/memory_disk.h"
#include "tests/checkpoint/numbered.h"
#include "tests/support/expect_refused.h"
#include "tests/support/test_data.h"

namespace gf::test {
namespace {

struct Folder {
  TempFolder temporary;
  std::string path = temporary.path("runs/first").string();
  std::vector<std::string> log;

  CheckpointDirectory open(int keep = 3, bool asynchronous = false) {
    return CheckpointDirectory(path, {.keep = keep, .asynchronous = asynchronous, .log = [this](const std::string& line) { log.push_back(line); }});
  }
  std::filesystem::path file(int64_t step) const { return std::filesystem::path(path) / CheckpointDirectory::file_name(step); }
  size_t files() const { return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(path), {})); }
  void damage(int64_t step) const { std::filesystem::resize_file(file(step), 100); }
};
using Steps = std::vector<int64_t>;

TEST(CheckpointDirectory, KeepsGenerations) {
  Folder f;
  CheckpointDirectory folder = f.open();
  EXPECT_EQ(folder.steps(), Steps{});
  for (int64_t n = 1; n <= 5; ++n) folder.save(Numbered(n).at(100 * n));
  EXPECT_EQ(folder.steps(), (Steps{300, 400, 500}));
  const auto loaded = folder.load_latest();  // waits for the thread that removes
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ(f.files(), 3U) << "nothing else is left";
  EXPECT_EQ(number_of(loaded->checkpoint), 5);
  EXPECT_EQ(loaded->checkpoint.step, 500);
  EXPECT_EQ(loaded->file, "step-000000000500.gfckpt.safetensors");
  EXPECT_TRUE(loaded->skipped.empty());
  EXPECT_EQ(number_of(folder.load(300)), 3);
  expect_refused(Error::NotFound, "step-000000000100", [&] { (void)folder.load(100); });
  folder.save(Numbered(6).at(500));  // the same step again
  EXPECT_EQ(folder.steps(), (Steps{300, 400, 500}));
  EXPECT_EQ(number_of(folder.load(500)), 6);
  EXPECT_EQ(CheckpointDirectory::file_name(INT64_MAX), "step-9223372036854775807.gfckpt.safetensors");
  folder.save(Numbered(7).at(INT64_MAX));
  EXPECT_EQ(number_of(folder.load_latest()->checkpoint), 7);
  expect_refused(Error::InvalidArgument, "keep", [&] { (void)f.open(0); });
  EXPECT_TRUE(f.log.empty());
}

// After a start nothing is removed before as many new ones are known to be whole.
TEST(CheckpointDirectory, WhatNobodyReadIsNotCounted) {
  Folder f;
  {
    CheckpointDirectory first = f.open(2);
    for (int64_t n = 1; n <= 2; ++n) first.save(Numbered(n).at(n));
  }
  f.damage(2);
  CheckpointDirectory folder = f.open(2);
  folder.save(Numbered(3).at(3));
  EXPECT_EQ(folder.steps(), (Steps{1, 2, 3})) << "1 may be the only other that is whole, and is";
  folder.save(Numbered(4).at(4));
  EXPECT_EQ(folder.steps(), (Steps{3, 4}));
  CheckpointDirectory one = f.open(1);
  EXPECT_EQ(number_of(one.load_latest()->checkpoint), 4);
  one.save(Numbered(5).at(5));
  EXPECT_EQ(one.steps(), Steps{5});
}

// Processes that end after each save fill no disk.
TEST(CheckpointDirectory, ManyStarts) {
  Folder f;
  for (int64_t n = 1; n <= 8; ++n) {
    CheckpointDirectory folder = f.open(2);
    folder.save(Numbered(n).at(n));
  }
  EXPECT_EQ(f.open(2).steps(), (Steps{7, 8}));
  EXPECT_TRUE(f.log.empty());
}

TEST(CheckpointDirectory, ADamagedOneIsSkippedLoudlyAndTrainingGoesOn) {
  Folder f;
  {
    CheckpointDirectory first = f.open();
    for (int64_t n = 1; n <= 3; ++n) first.save(Numbered(n).at(10 * n));
  }
  f.damage(30);
  CheckpointDirectory folder = f.open();
  const auto loaded = folder.load_latest();
  EXPECT_EQ(number_of(loaded->checkpoint), 2);
  EXPECT_EQ(f.log.size(), 2U);
  folder.save(Numbered(4).at(25));  // steps that the damaged one had done
  EXPECT_EQ(number_of(folder.load_latest()->checkpoint), 4);
  folder.save(Numbered(5).at(30));  // over the damaged one
  f.log.clear();
  EXPECT_EQ(number_of(folder.load_latest()->checkpoint), 5);
  EXPECT_TRUE(f.log.empty());
  // who did not load first finds out while saving
  f.damage(30);
  CheckpointDirectory other = f.open();
  other.save(Numbered(6).at(26));
  EXPECT_EQ(f.log.size(), 1U);
  EXPECT_EQ(number_of(other.load_latest()->checkpoint), 6);
}

TEST(CheckpointDirectory, ASaveBehindALaterStepIsRefused) {
  Folder f;
  CheckpointDirectory folder = f.open();
  for (int64_t n = 1; n <= 3; ++n) folder.save(Numbered(n).at(10 * n));
  CheckpointDirectory again = f.open();
  for (CheckpointDirectory* d : {&folder, &again}) expect_refused(Error::WrongPhase, "discard_later", [&] { d->save(Numbered(4).at(15)); });
  EXPECT_EQ(folder.steps(), (Steps{10, 20, 30}));
  EXPECT_EQ(number_of(again.load(10)), 1);
  again.discard_later(10);
  again.save(Numbered(4).at(15));
  EXPECT_EQ(again.steps(), (Steps{10, 15}));
  EXPECT_EQ(number_of(again.load_latest()->checkpoint), 4);
}

TEST(CheckpointDirectory, ALossThatIsNotFiniteIsNotSaved) {
  Folder f;
  for (const bool asynchronous : {false, true}) {
    CheckpointDirectory folder = f.open(3, asynchronous);
    folder.save(Numbered(1).at(10), 0.5);
    folder.wait();
    const Steps before = folder.steps();
    for (const double loss : {std::nan(""), std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()})
      for (const int64_t step : {10, 11}) expect_refused(Error::NonFinite, "is not saved: the loss is", [&] { folder.save(Numbered(2).at(step), loss); });
    folder.wait();
    EXPECT_EQ(folder.steps(), before);
    EXPECT_EQ(number_of(folder.load_latest()->checkpoint), 1);
  }
}

// A process that ended in a save leaves a temporary file; the next save removes it, and it is never read.
TEST(CheckpointDirectory, Leftovers) {
  Folder f;
  CheckpointDirectory folder = f.open();
  folder.save(Numbered(1).at(1));
  const std::string stale = "." + CheckpointDirectory::file_name(2) + ".4711.0.tmp";
  std::filesystem::copy_file(f.file(1), std::filesystem::path(f.path) / stale);
  f.temporary.write("runs/first/notes.txt", "mine");
  EXPECT_EQ(number_of(folder.load_latest()->checkpoint), 1);
  folder.save(Numbered(2).at(2));
  EXPECT_EQ(f.files(), 3U);
  EXPECT_TRUE(std::filesystem::exists(std::filesystem::path(f.path) / "notes.txt"));
  std::filesystem::remove_all(f.path);
  f.temporary.write("runs/first/" + stale, "half");
  EXPECT_FALSE(f.open().load_latest().has_value());
  ASSERT_EQ(f.log.size(), 1U);
  EXPECT_NE(f.log[0].find("never ended"), std::string::npos) << f.log[0];
}

TEST(CheckpointDirectory, AFileUnderAnotherName) {
  Folder f;
  CheckpointDirectory folder = f.open();
  folder.save(Numbered(1).at(1));
  std::filesystem::copy_file(f.file(1), f.file(2));
  const auto loaded = folder.load_latest();
  EXPECT_EQ(loaded->checkpoint.step, 1);
  ASSERT_EQ(loaded->skipped.size(), 1U);
  EXPECT_NE(loaded->skipped[0].why.find("holds step 1"), std::string::npos) << loaded->skipped[0].why;
}

TEST(CheckpointDirectory, NoPermissionAndNoFolder) {
  Folder f;
  f.temporary.write("file", "x");
  CheckpointDirectory in_a_file(f.temporary.path("file/below").string());
  expect_refused(Error::IoError, "below", [&] { in_a_file.save(Numbered(1).at(1)); });
  CheckpointDirectory absent = f.open();
  expect_refused(Error::NotFound, f.path, [&] { (void)absent.load_latest(); });
  expect_refused(Error::NotFound, f.path, [&] { (void)absent.load(3); });
  absent.discard_later(0);
  absent.save(Numbered(1).at(1));
  if (::geteuid() == 0) GTEST_SKIP() << "root may write everywhere: the part about permissions was left out";
  ASSERT_EQ(::chmod(f.path.c_str(), 0500), 0);
  expect_refused(Error::IoError, "Permission denied", [&] { absent.save(Numbered(2).at(2)); });
  ASSERT_EQ(::chmod(f.path.c_str(), 0700), 0);
  EXPECT_EQ(number_of(absent.load_latest()->checkpoint), 1);
}

// What the caller does wrong costs nothing that was there.
TEST(CheckpointDirectory, RefusedSnapshots) {
  Folder f;
  CheckpointDirectory folder = f.open();
  folder.save(Numbered(1).at(1));
  expect_refused(Error::InvalidArgument, "negative", [&] { folder.save(Numbered(2).at(-1)); });
  Snapshot bad = {.step = 2};
  bad.counters["gf.step"] = "7";
  expect_refused(Error::InvalidArgument, "gf.step", [&] { folder.save(bad); });
  const float one = 1;
  const auto bytes = std::as_bytes(std::span(&one, 1));
  expect_refused(Error::InvalidArgument, "repeated", [&] { folder.save({.step = 2, .tensors = {{"a", DType::F32, {}, bytes}, {"a", DType::F32, {}, bytes}}}); });
  expect_refused(Error::ShapeMismatch, "'a'", [&] { folder.save({.step = 2, .tensors = {{"a", DType::F32, {2}, bytes}}}); });
  expect_refused(Error::InvalidArgument, "UTF-8", [&] { folder.save({.step = 2, .counters = {{"k", "\xff"}}}); });
  EXPECT_EQ(f.files(), 1U);
  EXPECT_EQ(number_of(folder.load_latest()->checkpoint), 1);
}

// --- asynchronous

TEST(CheckpointAsync, TheCopyIsOfTheMomentOfTheSave) {
  Folder f;
  CheckpointDirectory folder = f.open(3, true);
  for (int64_t n = 1; n <= 20; ++n) {
    std::vector<uint32_t> changing(100000, static_cast<uint32_t>(n));
    const Snapshot s = {.step = n, .tensors = {{"w", DType::U32, {100000}, std::as_bytes(std::span(changing))}}};
    EXPECT_EQ(s.data_bytes(), 400000U);
    folder.save(s);
    std::fill(changing.begin(), changing.end(), 0xffffffffU);  // training goes on
  }
  folder.wait();
  const auto loaded = folder.load_latest();
  EXPECT_EQ(loaded->checkpoint.step, 20);
  const io::Array w = loaded->checkpoint.find("w")->to_array();
  for (const uint32_t v : w.view<uint32_t>()) ASSERT_EQ(v, 20U);
  EXPECT_EQ(folder.steps(), (Steps{18, 19, 20}));
}

TEST(CheckpointAsync, ErrorsComeWithTheNextCall) {
  MemoryDisk disk;
  std::vector<std::string> log;
  const auto open = [&] { return CheckpointDirectory("/m", {.asynchronous = true, .log = [&](const std::string& line) { log.push_back(line); }}, disk); };
  {
    CheckpointDirectory folder = open();
    folder.save(Numbered(1).at(1));
    folder.wait();
    const auto break_next = [&] {
      disk.fail_at = disk.calls() + 2;
      disk.fail_errno = ENOSPC;
    };
    break_next();
    folder.save(Numbered(2).at(2));
    expect_refused(Error::IoError, std::strerror(ENOSPC), [&] { folder.wait(); });
    folder.wait();  // said once
    break_next();
    folder.save(Numbered(3).at(3));
    expect_refused(Error::IoError, std::strerror(ENOSPC), [&] { folder.save(Numbered(4).at(4)); });
    EXPECT_EQ(number_of(folder.load_latest()->checkpoint), 1);
    folder.save(Numbered(5).at(5));
    EXPECT_EQ(number_of(folder.load_latest()->checkpoint), 5) << "loading waits for the writer";
    break_next();
    folder.save(Numbered(6).at(6));
  }  // nobody asked
  ASSERT_EQ(log.size(), 1U);
  EXPECT_NE(log[0].find("CHECKPOINT NOT SAVED"), std::string::npos) << log[0];
  EXPECT_EQ(number_of(open().load_latest()->checkpoint), 5);
  {
    CheckpointDirectory folder = open();
    folder.save(Numbered(7).at(7));
  }  // the last save is finished
  EXPECT_EQ(number_of(open().load_latest()->checkpoint), 7);
}

}  // namespace
}  // namespace gf::test
