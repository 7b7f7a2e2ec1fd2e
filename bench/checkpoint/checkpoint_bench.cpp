// Seconds that saves of a checkpoint take: checkpoint_bench FOLDER MEGABYTES synchronous|asynchronous
// prints "handed over" and "on the disk" of one save into the folder (after one that is not counted). run.py compares with the disk.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "trainer/checkpoint/directory.h"

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  // like weights with two moments: tensors of 4 MB and many small ones
  const auto megabytes = static_cast<size_t>(std::atoll(argv[2]));
  std::vector<float> values(megabytes * 250000);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i) * 1e-3F;
  gf::Snapshot snapshot;
  constexpr size_t kLarge = 1 << 20, kSmall = 256;
  for (size_t at = 0, k = 0; at < values.size(); ++k) {
    const size_t count = std::min(values.size() - at, k % 4 == 0 ? kLarge : kSmall);
    snapshot.tensors.push_back({"tensor." + std::to_string(k), gf::DType::F32, {static_cast<int64_t>(count)}, std::as_bytes(std::span(values).subspan(at, count))});
    at += count;
  }
  const auto now = [] { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); };
  gf::CheckpointDirectory folder(argv[1], {.keep = 1, .asynchronous = std::string(argv[3]) == "asynchronous"});
  for (snapshot.step = 1; snapshot.step <= 2; ++snapshot.step) {
    const double begin = now();
    folder.save(snapshot);
    const double handed_over = now();
    folder.wait();
    if (snapshot.step == 2) std::printf("%.5f %.5f %llu\n", handed_over - begin, now() - begin, static_cast<unsigned long long>(snapshot.data_bytes()));
  }
  return 0;
}
