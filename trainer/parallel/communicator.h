// Communicator: what processes that train together say to one another. Transfers begin, run beside the caller and are waited for; all
// ranks begin the same ones in the same order. Small, so that another library (NCCL) fits behind it. What is sent stays its owner's.
// Thread rule: one thread at a time per communicator; transfers have a thread of their own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>

#include "runtime/core/dtype.h"
#include "runtime/core/exception.h"

namespace gf::parallel {

/// A transfer that has begun. Tickets of one communicator grow.
using Ticket = int64_t;

class Communicator {
 public:
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;
  virtual ~Communicator() = default;

  int rank() const { return rank_; }
  int size() const { return size_; }

  // Each begins a transfer and returns at once; the memory belongs to the transfer until wait(). Types: float32 and float64.
  /// Sums of all ranks, in place. They are made in the order of the ranks, so that they have the same bits each time, on every rank.
  virtual Ticket all_reduce(void* data, int64_t count, DType type) = 0;
  /// `data` has `each` numbers per rank; part rank() becomes the sum of all ranks' parts of that place. What the others then hold is not said.
  virtual Ticket reduce_scatter(void* data, int64_t each, DType type) = 0;
  /// `data` has `each` bytes per rank; part rank() is the caller's own, the others are filled in.
  virtual Ticket all_gather(void* data, int64_t each) = 0;
  virtual Ticket broadcast(void* data, int64_t bytes, int root) = 0;
  /// Until the transfer is through. Throws IoError: a rank did not come within the time limit, has left, or the connection failed. Nothing
  /// works after that.
  virtual void wait(Ticket ticket) = 0;

  /// All ranks come here before one goes on.
  void barrier();
  /// From now on, who wants to know when each transfer was on the way (traces): called on the transfers' thread, times by now_ns(). nullptr: nobody.
  using Observer = std::function<void(Ticket ticket, uint64_t begin_ns, uint64_t end_ns)>;
  virtual void observe(Observer observer) = 0;
  /// Ends the job of all ranks, with a message that says why. Over MPI this does not return; threads' ranks get `message` as an exception.
  virtual void abort(const std::string& message) = 0;

 protected:
  Communicator() = default;
  int rank_ = 0, size_ = 1;
};

/// A clock that only goes on.
uint64_t now_ns();

/// What all ranks throw alike, each on its own: nobody waits for anybody, so that no rank needs to end the others.
struct EveryRank : Exception {
  using Exception::Exception;
};

/// How many processes this one was started with by an MPI, as the environment says; 1: it was started alone. `on_this_machine`: of those here.
int ranks_in_environment(bool on_this_machine = false);

/// The communicator that the transfers of train steps on this thread go through, while it lives. Scopes do not nest.
class Scope {
 public:
  explicit Scope(Communicator& communicator);
  ~Scope();
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;
  /// nullptr: there is none on this thread.
  static Scope* current();

  Communicator& communicator() { return communicator_; }
  /// The transfer of a bucket has begun.
  void begun(int64_t bucket, Ticket ticket);
  /// Nothing where it is through.
  void wait(int64_t bucket);
  /// For a step that stopped on all ranks at the same node: its memory is the transfers' until this returns.
  void wait_all();

 private:
  Communicator& communicator_;
  std::map<int64_t, Ticket> open_;  // -1: through
};

}  // namespace gf::parallel
