#include "trainer/parallel/threads.h"

#include <algorithm>
#include <cstring>

#include "trainer/parallel/queue.h"

namespace gf::parallel {
namespace {

// What all ranks share: a place for one message from each to each.
struct Group {
  struct Place {
    const void* data = nullptr;  // nullptr: free
    int64_t bytes = 0;
  };
  Group(int n, std::chrono::milliseconds l) : size(n), limit(l), places(static_cast<size_t>(n) * static_cast<size_t>(n)) {}
  Place& place(int from, int to) { return places[static_cast<size_t>(from * size + to)]; }

  const int size;
  const std::chrono::milliseconds limit;
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Place> places;
  std::string failed;            // why nothing works any more
};

class ThreadLink final : public Link {
 public:
  ThreadLink(std::shared_ptr<Group> group, int rank) : group_(std::move(group)), rank_(rank) {}

  int rank() const override { return rank_; }
  int size() const override { return group_->size; }

  void exchange(std::span<const Message> sends, std::span<const Message> receives, const std::atomic<bool>& cancelled) override {
    Group& g = *group_;
    std::unique_lock lock(g.mutex);
    const auto wait_for = [&](int peer, const auto& there) {
      if (!g.changed.wait_for(lock, g.limit, [&] { return !g.failed.empty() || cancelled || there(); }))
        g.failed = "rank " + std::to_string(rank_) + " waited " + std::to_string(g.limit.count()) + " ms for rank " + std::to_string(peer) + ", which is dead or slow";
      if (!g.failed.empty() || cancelled) {
        g.changed.notify_all();
        throw Exception(Error::IoError, g.failed.empty() ? "rank " + std::to_string(rank_) + " has left" : g.failed);
      }
    };
    for (const Message& m : sends) g.place(rank_, m.peer) = {m.data, m.bytes};
    g.changed.notify_all();
    for (const Message& m : receives) {
      Group::Place& p = g.place(m.peer, rank_);
      wait_for(m.peer, [&] { return p.data != nullptr; });
      if (p.bytes != m.bytes) {
        g.failed = "rank " + std::to_string(m.peer) + " sends " + std::to_string(p.bytes) + " bytes where rank " + std::to_string(rank_) + " expects " + std::to_string(m.bytes) + ": their models differ";
        g.changed.notify_all();
        throw Exception(Error::IoError, g.failed);
      }
      std::memcpy(m.data, p.data, static_cast<size_t>(m.bytes));
      p = {};
      g.changed.notify_all();
    }
    for (const Message& m : sends) wait_for(m.peer, [&] { return g.place(rank_, m.peer).data == nullptr; });
  }

  void wake() override {
    const std::lock_guard lock(group_->mutex);
    group_->changed.notify_all();
  }
  void abort(const std::string& message) override {
    const std::lock_guard lock(group_->mutex);
    if (group_->failed.empty()) group_->failed = "rank " + std::to_string(rank_) + ": " + message;
    group_->changed.notify_all();
  }

 private:
  std::shared_ptr<Group> group_;
  int rank_;
};

}  // namespace

std::vector<std::unique_ptr<Communicator>> thread_ranks(int size, std::chrono::milliseconds limit) {
  if (size < 1 || size > 64) throw Exception(Error::InvalidArgument, "thread_ranks: there are 1 to 64 ranks");
  const auto group = std::make_shared<Group>(size, limit);
  std::vector<std::unique_ptr<Communicator>> ranks;
  for (int r = 0; r < size; ++r) ranks.push_back(std::make_unique<TransferQueue>([&] { return std::make_unique<ThreadLink>(group, r); }));
  return ranks;
}

}  // namespace gf::parallel
