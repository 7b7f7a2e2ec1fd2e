#include "trainer/parallel/mpi/mpi_communicator.h"

#include <mpi.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "trainer/parallel/queue.h"

namespace gf::parallel {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kPart = int64_t{1} << 30;                      // MPI counts in int
constexpr std::chrono::microseconds kShortest{20}, kLongest{500};  // sleeps of who waits for a rank that computes

// A rank that waits must leave its core to those that compute, but messages only move while both sides look after them: ranks first
// tell one another, sleeping, that they are there, and then move their data without sleeping.
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
    for (const Message& m : sends) send(m.peer, &here, 1, kReady);
    for (size_t i = 0; i < receives.size(); ++i) receive(receives[i].peer, &there[i], 1, kReady);
    finish(sends, receives, cancelled, true);
    for (const Message& m : receives) parts(m, [&](std::byte* data, int bytes) { receive(m.peer, data, bytes, kData); });
    for (const Message& m : sends) parts(m, [&](std::byte* data, int bytes) { send(m.peer, data, bytes, kData); });
    finish(sends, receives, cancelled, false);
  }

  void abort(const std::string& message) override {
    std::fprintf(stderr, "rank %d: %s\n", rank_, message.c_str());
    std::fflush(nullptr);
    MPI_Abort(MPI_COMM_WORLD, 1);
    std::_Exit(1);
  }

 private:
  static constexpr int kReady = 1, kData = 2;

  template <class F>
  static void parts(const Message& m, const F& f) {
    for (int64_t at = 0; at < m.bytes; at += kPart) f(static_cast<std::byte*>(m.data) + at, static_cast<int>(std::min(kPart, m.bytes - at)));
  }
  void send(int peer, const void* data, int bytes, int tag) { MPI_Isend(data, bytes, MPI_BYTE, peer, tag, MPI_COMM_WORLD, &requests_.emplace_back()); }
  void receive(int peer, void* data, int bytes, int tag) { MPI_Irecv(data, bytes, MPI_BYTE, peer, tag, MPI_COMM_WORLD, &requests_.emplace_back()); }

  void finish(std::span<const Message> sends, std::span<const Message> receives, const std::atomic<bool>& cancelled, bool sleeping) {
    const Clock::time_point begin = Clock::now();
    std::chrono::microseconds pause = kShortest;
    for (;;) {
      int all = 0;
      MPI_Testall(static_cast<int>(requests_.size()), requests_.data(), &all, MPI_STATUSES_IGNORE);
      if (all != 0) break;
      if (cancelled) fail("rank " + std::to_string(rank_) + " ends");
      if (Clock::now() - begin > limit_) fail(late(sends, receives));
      if (sleeping) std::this_thread::sleep_for(pause);
      else std::this_thread::yield();
      pause = std::min(pause * 2, kLongest);
    }
    requests_.clear();
  }
  [[noreturn]] void fail(const std::string& message) {
    failed_ = true;
    throw Exception(Error::IoError, message);
  }
  // Who has not come: requests are in the order of sends, then receives, while ranks tell that they are there.
  std::string late(std::span<const Message> sends, std::span<const Message> receives) {
    std::string who;
    for (size_t i = 0; i < receives.size() && sends.size() + i < requests_.size(); ++i) {
      int done = 0;
      if (requests_[sends.size() + i] != MPI_REQUEST_NULL) MPI_Test(&requests_[sends.size() + i], &done, MPI_STATUS_IGNORE);
      else done = 1;
      if (done == 0) who += (who.empty() ? "rank " : ", rank ") + std::to_string(receives[i].peer);
    }
    char seconds[32];
    std::snprintf(seconds, sizeof seconds, "%g", std::chrono::duration<double>(limit_).count());
    return std::string("waited ") + seconds + " s for " + (who.empty() ? "another rank" : who) + ": it is dead or slow";
  }

  std::chrono::milliseconds limit_;
  int rank_ = 0, size_ = 1;
  bool failed_ = false;
  std::vector<MPI_Request> requests_;
};

}  // namespace

std::unique_ptr<Communicator> mpi_communicator(const MpiSettings& settings) {
  return std::make_unique<TransferQueue>([settings]() -> std::unique_ptr<Link> { return std::make_unique<MpiLink>(settings); });
}

}  // namespace gf::parallel
