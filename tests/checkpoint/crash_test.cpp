// What a crash, a failing call or damage leaves: the newest checkpoint that opens is whole, and never older than the last save that
// returned. On a disk in memory that stops at each call, with each way to lose what was not flushed.
#include <gtest/gtest.h>

#include <cstring>

#include "tests/checkpoint/memory_disk.h"
#include "tests/checkpoint/numbered.h"
#include "tests/support/expect_refused.h"
#include "trainer/checkpoint/directory.h"

namespace gf::test {
namespace {

using Torn = MemoryDisk::Torn;

constexpr int64_t kSteps[] = {10, 20, 20, 30, 40, 50};  // one is saved again
constexpr int kKeep = 2;
constexpr const char* kFolder = "/no/such/folder";

CheckpointOptions quiet(int keep = kKeep) {
  return {.keep = keep, .log = [](const std::string&) {}};
}

// Saves until one fails, or (`on`) on in spite of it; the number of the last that returned, 0: none did.
int64_t save_all(const MemoryDisk& disk, bool on = false) {
  CheckpointDirectory folder(kFolder, quiet(), disk);
  int64_t last = 0, number = 0;
  for (const int64_t step : kSteps) {
    ++number;
    try {
      folder.save(Numbered(number).at(step));
      last = number;
    } catch (const Exception& e) {
      EXPECT_EQ(e.code(), Error::IoError) << e.what();
      if (!on) break;
    }
  }
  return last;
}

// Nothing, or the number of what is loaded. Then a save into what is there works, is loaded, and leaves no temporary file.
std::optional<int64_t> look(const MemoryDisk& disk) {
  disk.use();
  std::optional<int64_t> found;
  CheckpointDirectory folder(kFolder, quiet(), disk);
  try {
    if (const auto loaded = folder.load_latest()) found = number_of(loaded->checkpoint);
  } catch (const Exception& e) {
    if (e.code() != Error::NotFound) throw;
  }
  folder.save(Numbered(77).at(1000));
  EXPECT_EQ(number_of(folder.load_latest()->checkpoint), 77);
  for (const auto& [name, bytes] : disk.files()) EXPECT_FALSE(name.starts_with(".")) << name;
  return found;
}

struct Count {
  int states = 0, lost = 0;
};
// All disks that a power loss may leave now; counts those where a save that returned is lost.
Count lose_power(const MemoryDisk& disk, int64_t last) {
  Count count;
  EXPECT_LE(disk.pending(), 6U);
  for (unsigned kept = 0; kept < 1U << disk.pending(); ++kept)
    for (const Torn torn : MemoryDisk::kTorn) {
      ++count.states;
      bool lost = true;
      try {
        lost = look(disk.after_power_loss(kept, torn)).value_or(0) < last;
      } catch (const Exception&) {  // all damaged
      }
      count.lost += lost && last > 0 ? 1 : 0;
    }
  return count;
}

TEST(Crash, AtEachCallNothingIsLost) {
  MemoryDisk whole;
  ASSERT_EQ(save_all(whole), 6);
  EXPECT_EQ(whole.files().size(), static_cast<size_t>(kKeep));
  int states = 0;
  for (int at = 1; at <= whole.calls() + 1; ++at) {
    MemoryDisk disk;
    disk.stop_at = at;
    const int64_t last = save_all(disk);
    const Count count = lose_power(disk, last);
    EXPECT_EQ(count.lost, 0) << "stopped at call " << at << ", save " << last << " had returned";
    states += count.states;
  }
  std::printf("%d calls, %d disks after a power loss\n", whole.calls(), states);
  EXPECT_GT(states, 1000);
}

// The test above sees a save that does not flush.
TEST(Crash, ADiskThatDoesNotFlushIsSeen) {
  MemoryDisk whole;
  whole.lying = true;
  ASSERT_EQ(save_all(whole), 6);
  int lost = 0;
  for (int at = 1; at <= 40; ++at) {
    MemoryDisk disk;
    disk.lying = true;
    disk.stop_at = at;
    const int64_t last = save_all(disk);
    if (disk.pending() <= 6) lost += lose_power(disk, last).lost;
  }
  EXPECT_GT(lost, 100);
}

// Every call fails once, or from then on for good (disk full, device gone); what was saved stays, with and without a power loss behind it.
TEST(Crash, EachFailingCallLosesNothing) {
  MemoryDisk whole;
  ASSERT_EQ(save_all(whole), 6);
  int failed = 0;
  for (const int code : {ENOSPC, EIO, EINTR})
    for (const bool on : {false, true})
      for (int at = 1; at <= whole.calls(); ++at) {
        SCOPED_TRACE(std::string(std::strerror(code)) + (on ? ", from call " : ", call ") + std::to_string(at));
        if (code == EINTR && on) continue;  // would be for ever
        MemoryDisk disk;
        disk.fail_at = at;
        disk.fails_on = on;
        disk.fail_errno = code;
        const int64_t last = save_all(disk, true);
        failed += last < 6 ? 1 : 0;
        if (!on) {
          EXPECT_GE(last, 5) << "one failing call costs one save";
        }
        disk.fail_at = 0;
        EXPECT_EQ(lose_power(disk, last).lost, 0);
        EXPECT_GE(look(disk).value_or(0), last);
      }
  EXPECT_GT(failed, 200);
}

TEST(Crash, ShortAndInterruptedWritesGoOn) {
  for (const size_t longest : {1U, 7U, 100000U}) {
    MemoryDisk disk;
    disk.longest_write = longest;
    disk.interrupt_writes = true;
    EXPECT_EQ(save_all(disk), 6);
    EXPECT_EQ(look(disk), 6);
  }
}

// A failed flush is not tried again: the second one would find nothing to do and say yes.
TEST(Crash, AFailedFlushFailsTheSave) {
  MemoryDisk disk;
  CheckpointDirectory folder(kFolder, quiet(), disk);
  folder.save(Numbered(1).at(10));
  const int before = disk.calls();
  folder.save(Numbered(2).at(20));
  const int calls = disk.calls() - before;
  int refused = 0;
  for (int at = 1; at <= calls; ++at) {
    MemoryDisk other;
    CheckpointDirectory saves(kFolder, quiet(), other);
    saves.save(Numbered(1).at(10));
    other.fail_at = other.calls() + at;
    other.fail_errno = EIO;
    try {
      saves.save(Numbered(2).at(20));
    } catch (const Exception& e) {
      ++refused;
      EXPECT_EQ(e.code(), Error::IoError);
      EXPECT_NE(std::string(e.what()).find(CheckpointDirectory::file_name(20)), std::string::npos) << e.what();
    }
    EXPECT_EQ(lose_power(other, 1).lost, 0);
  }
  EXPECT_EQ(refused, calls - 1) << "all calls but closing the folder";
}

// --- damage

struct Generations {
  MemoryDisk disk;
  std::vector<std::string> log;
  std::unique_ptr<CheckpointDirectory> folder;

  Generations() {
    folder = std::make_unique<CheckpointDirectory>(kFolder, CheckpointOptions{.log = [this](const std::string& line) { log.push_back(line); }}, disk);
    for (int64_t n = 1; n <= 3; ++n) folder->save(Numbered(n).at(10 * n));
  }
  io::Bytes newest() const { return disk.files().at(CheckpointDirectory::file_name(30)); }
  // With this in the newest one's place the one before it is taken, and somebody hears of it.
  void expect_fall_back(const io::Bytes& bytes, const std::string& what) {
    disk.put(CheckpointDirectory::file_name(30), bytes);
    log.clear();
    const auto loaded = folder->load_latest();
    ASSERT_TRUE(loaded.has_value()) << what;
    EXPECT_EQ(number_of(loaded->checkpoint), 2) << what;
    EXPECT_EQ(loaded->file, CheckpointDirectory::file_name(20));
    ASSERT_EQ(loaded->skipped.size(), 1U) << what;
    EXPECT_EQ(loaded->skipped[0].file, CheckpointDirectory::file_name(30));
    EXPECT_NE(loaded->skipped[0].error, Error::Ok);
    ASSERT_EQ(log.size(), 2U) << what;
    EXPECT_NE(log[0].find("CHECKPOINT SKIPPED"), std::string::npos);
    EXPECT_NE(log[0].find(CheckpointDirectory::file_name(30)), std::string::npos) << log[0];
  }
};

TEST(Damage, EveryFlippedByteIsFound) {
  Generations g;
  const io::Bytes file = g.newest();
  for (size_t at = 0; at < file.size(); ++at)
    for (const unsigned mask : {0x01U, 0x20U, 0x80U, 0xffU}) {
      io::Bytes bad = file;
      bad[at] ^= static_cast<std::byte>(mask);
      g.expect_fall_back(bad, "byte " + std::to_string(at) + " ^ " + std::to_string(mask));
    }
}

TEST(Damage, EveryCutIsFound) {
  Generations g;
  const io::Bytes file = g.newest();
  for (size_t size = 0; size < file.size(); ++size) g.expect_fall_back({file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size)}, std::to_string(size) + " bytes");
  io::Bytes longer = file;
  longer.push_back(std::byte{0});
  g.expect_fall_back(longer, "one byte more");
}

// Half old, half new: the sizes fit, the blocks are of two checkpoints.
TEST(Damage, BlocksOfTwoFilesAreFound) {
  Generations g;
  const io::Bytes file = g.newest(), old = g.disk.files().at(CheckpointDirectory::file_name(20));
  ASSERT_EQ(file.size(), old.size());
  for (size_t at = 1; at < file.size(); ++at) {
    io::Bytes mixed = old;
    std::copy(file.begin() + static_cast<std::ptrdiff_t>(at), file.end(), mixed.begin() + static_cast<std::ptrdiff_t>(at));
    if (mixed != file) g.expect_fall_back(mixed, "new from byte " + std::to_string(at));
  }
  g.expect_fall_back(old, "the older file under the newer one's name");
}

TEST(Damage, AllDamagedIsAnErrorAndEmptyIsNot) {
  Generations g;
  for (const auto& [name, bytes] : g.disk.files()) g.disk.put(name, {});
  g.log.clear();
  try {
    (void)g.folder->load_latest();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Exception& e) {
    EXPECT_EQ(e.code(), Error::BadFile);
    for (const int64_t step : {10, 20, 30}) EXPECT_NE(std::string(e.what()).find(CheckpointDirectory::file_name(step)), std::string::npos) << e.what();
  }
  EXPECT_EQ(g.log.size(), 3U);

  MemoryDisk disk;
  CheckpointDirectory folder(kFolder, quiet(), disk);
  expect_refused(Error::NotFound, kFolder, [&] { (void)folder.load_latest(); });  // a mistyped folder is no empty one
  disk.make_folder(kFolder);
  EXPECT_FALSE(folder.load_latest().has_value());
  disk.put("readme.txt", {});
  disk.put("step-12.gfckpt.safetensors", {});  // none of our names
  EXPECT_FALSE(folder.load_latest().has_value());
}

}  // namespace
}  // namespace gf::test
