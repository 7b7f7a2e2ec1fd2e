#include "trainer/parallel/mpi/mpi_communicator.h"

#include <mpi.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <thread>

#include "trainer/parallel/queue.h"

namespace gf::parallel {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kPart = int64_t{1} << 30;                      // MPI counts in int
constexpr int64_t kSmall = 4096;                                 // bytes that go at once, whether or not the other side looks
constexpr std::chrono::microseconds kShortest{20}, kLongest{500};  // pauses of who waits for a rank that computes
constexpr std::chrono::microseconds kBusy{2000};

// A rank that waits must leave its core to those that compute, but large messages only move while both sides look after them: ranks first
// tell one another, with pauses, that they are there, and then move their data without.
class MpiLink final : public Link {
 public:
  explicit MpiLink(const MpiSettings& settings) : limit_(settings.limit) {
    int given = 0;
    if (MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &given) != MPI_SUCCESS) throw Exception(Error::IoError, "MPI does not start");
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    MPI_Comm_size(MPI_COMM_WORLD, &size_);
  }
  ~MpiLink() override {
    if (!failed_) MPI_Finalize();  // it would wait for ranks that do not come
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  void exchange(std::span<const Message> sends, std::span<const Message> receives, const std::atomic<bool>& cancelled) override {
    char here = 0;
    std::vector<char> there(receives.size());
    for (size_t i = 0; i < receives.size(); ++i)
      if (is_small(receives[i])) receive(receives[i].peer, receives[i].data, static_cast<int>(receives[i].bytes), kData);
      else receive(receives[i].peer, &there[i], 1, kReady);
    for (const Message& m : sends)
      if (is_small(m)) send(m.peer, m.data, static_cast<int>(m.bytes), kData);
      else send(m.peer, &here, 1, kReady);
    finish(cancelled, std::chrono::microseconds(0));
    for (const Message& m : receives)
      if (!is_small(m)) parts(m, [&](std::byte* data, int bytes) { receive(m.peer, data, bytes, kData); });
    for (const Message& m : sends)
      if (!is_small(m)) parts(m, [&](std::byte* data, int bytes) { send(m.peer, data, bytes, kData); });
    finish(cancelled, kBusy);
  }

  void abort(const std::string& message) override {
    std::fprintf(stderr, "rank %d: %s\n", rank_, message.c_str());
    std::fflush(nullptr);
    MPI_Abort(MPI_COMM_WORLD, 1);
    std::_Exit(1);
  }

 private:
  static constexpr int kReady = 1, kData = 2;

  static bool is_small(const Message& m) { return m.bytes <= kSmall; }
  template <class F>
  static void parts(const Message& m, const F& f) {
    for (int64_t at = 0; at < m.bytes; at += kPart) f(static_cast<std::byte*>(m.data) + at, static_cast<int>(std::min(kPart, m.bytes - at)));
  }
  void send(int peer, const void* data, int bytes, int tag) {
    awaited_.push_back(peer);
    MPI_Isend(data, bytes, MPI_BYTE, peer, tag, MPI_COMM_WORLD, &requests_.emplace_back());
  }
  void receive(int peer, void* data, int bytes, int tag) {
    awaited_.push_back(peer);
    MPI_Irecv(data, bytes, MPI_BYTE, peer, tag, MPI_COMM_WORLD, &requests_.emplace_back());
  }

  // Looks after the messages without a pause for so long, then between pauses.
  void finish(const std::atomic<bool>& cancelled, std::chrono::microseconds busy) {
    const Clock::time_point begin = Clock::now();
    std::chrono::microseconds pause = kShortest;
    while (!requests_.empty()) {
      int all = 0;
      MPI_Testall(static_cast<int>(requests_.size()), requests_.data(), &all, MPI_STATUSES_IGNORE);
      if (all != 0) break;
      if (cancelled) fail("rank " + std::to_string(rank_) + " ends");
      const auto waited = Clock::now() - begin;
      if (waited > limit_) fail(late());
      if (waited < busy) continue;
      std::this_thread::sleep_for(pause);
      pause = std::min(pause * 2, busy.count() > 0 ? kShortest : kLongest);
    }
    requests_.clear();
    awaited_.clear();
  }
  [[noreturn]] void fail(const std::string& message) {
    failed_ = true;
    throw Exception(Error::IoError, message);
  }
  // Whose messages have not come, or who has not taken ours.
  std::string late() {
    std::set<int> late_ones;
    for (size_t i = 0; i < requests_.size(); ++i) {
      int done = 0;
      MPI_Test(&requests_[i], &done, MPI_STATUS_IGNORE);
      if (done == 0) late_ones.insert(awaited_[i]);
    }
    std::string who;
    for (const int rank : late_ones) who += (who.empty() ? "rank " : ", rank ") + std::to_string(rank);
    char seconds[32];
    std::snprintf(seconds, sizeof seconds, "%g", std::chrono::duration<double>(limit_).count());
    return std::string("waited ") + seconds + " s for " + (who.empty() ? "another rank" : who) + ": it is dead or slow";
  }

  std::chrono::milliseconds limit_;
  int rank_ = 0, size_ = 1;
  bool failed_ = false;
  std::vector<MPI_Request> requests_;
  std::vector<int> awaited_;  // by request: the rank that it comes from or goes to
};

}  // namespace

std::unique_ptr<Communicator> mpi_communicator(const MpiSettings& settings) {
  return std::make_unique<TransferQueue>([settings]() -> std::unique_ptr<Link> { return std::make_unique<MpiLink>(settings); });
}

}  // namespace gf::parallel
