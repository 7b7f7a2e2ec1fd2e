// TransferQueue: a communicator over any Link that passes messages. A thread does the transfers in the order in which they were begun; it
// alone uses the link. Sums are made piece by piece: rank r gets everybody's piece r, adds them in the order of the ranks, and passes the sum
// on, which sends no more bytes than a ring does. Memory besides: the pieces of the other ranks of the largest transfer, kept.
// Thread rule: as Communicator.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "trainer/parallel/communicator.h"

namespace gf::parallel {

/// A message to or from a rank.
struct Message {
  int peer = 0;
  void* data = nullptr;
  int64_t bytes = 0;
};

/// Messages between ranks. exchange() is called by the queue's thread, the others by any.
class Link {
 public:
  virtual ~Link() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// Everything at once, at most one message per peer and direction; returns when all are through. `cancelled` set: throws soon. Throws IoError.
  virtual void exchange(std::span<const Message> sends, std::span<const Message> receives, const std::atomic<bool>& cancelled) = 0;
  /// `cancelled` has been set.
  virtual void wake() {}
  virtual void abort(const std::string& message) = 0;
};

class TransferQueue final : public Communicator {
 public:
  /// `make` is called on the queue's thread, and what it made dies there. What it throws the constructor throws.
  explicit TransferQueue(const std::function<std::unique_ptr<Link>()>& make);
  ~TransferQueue() override;

  Ticket all_reduce(void* data, int64_t count, DType type) override;
  Ticket reduce_scatter(void* data, int64_t each, DType type) override;
  Ticket all_gather(void* data, int64_t each) override;
  Ticket broadcast(void* data, int64_t bytes, int root) override;
  void wait(Ticket ticket) override;
  void observe(Observer observer) override;
  void abort(const std::string& message) override;

 private:
  using Job = std::function<void(Link&)>;
  Ticket begin(Job job);
  void work(const std::function<std::unique_ptr<Link>()>& make);
  void exchange(Link& link) { link.exchange(sends_, receives_, cancelled_); }
  template <class T>
  void reduce(Link& link, T* data, std::span<const int64_t> bounds);
  template <class T>
  void add_all(Link& link, T* data, int64_t count);
  void gather(Link& link, std::byte* data, std::span<const int64_t> bounds);

  std::mutex mutex_;                     // guards what follows
  std::condition_variable changed_;
  struct Begun {
    Job job;
    uint64_t begin_ns;
  };
  std::deque<Begun> jobs_;
  Observer observer_;
  Ticket begun_ = 0, done_ = 0;
  bool ready_ = false, stop_ = false;
  std::exception_ptr error_;

  std::atomic<bool> cancelled_{false};
  std::unique_ptr<Link> link_;           // the thread's
  std::vector<Message> sends_, receives_;
  std::vector<std::byte> pieces_;        // of the other ranks, by rank
  std::thread thread_;
};

}  // namespace gf::parallel
