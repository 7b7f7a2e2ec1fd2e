// Saves checkpoints in a loop until somebody ends it, for kill_test.py; or looks at what is left.
//   saver_program save FOLDER FIRST_STEP FLOATS [async]   prints a step, unbuffered, when its save has returned, and begins the next
//   saver_program load FOLDER                             prints the step that is loaded, or "none"; errors on standard error, status 1
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/checkpoint/numbered.h"
#include "trainer/checkpoint/directory.h"

namespace {

using gf::CheckpointDirectory;
using gf::test::Numbered;

void say(const std::string& line) {
  if (::write(STDOUT_FILENO, line.data(), line.size()) != static_cast<ssize_t>(line.size())) std::exit(1);
}

int save(const char* path, int64_t first, size_t floats, bool asynchronous) {
  CheckpointDirectory folder(path, {.asynchronous = asynchronous});
  if (first > 1 && folder.load_latest()->checkpoint.step != first - 1) return 1;
  for (int64_t step = first;; ++step) {
    Numbered state(step, floats);
    folder.save(state.at(step), 0.25);
    folder.wait();
    say(std::to_string(step) + "\n");
  }
}

int load(const char* path) {
  CheckpointDirectory folder(path);
  const auto loaded = folder.load_latest();
  if (!loaded) {
    say("none\n");
    return 0;
  }
  if (!loaded->skipped.empty()) return 1;  // a kill damages nothing
  if (gf::test::number_of(loaded->checkpoint) != loaded->checkpoint.step) return 1;
  say(std::to_string(loaded->checkpoint.step) + "\n");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 2 ? argv[1] : "";
  try {
    if (what == "save" && argc >= 5) return save(argv[2], std::atoll(argv[3]), static_cast<size_t>(std::atoll(argv[4])), argc > 5);
    if (what == "load") return load(argv[2]);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
  std::fprintf(stderr, "usage: saver_program save|load FOLDER ...\n");
  return 2;
}
