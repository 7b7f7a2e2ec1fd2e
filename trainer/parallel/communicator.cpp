#include "trainer/parallel/communicator.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <vector>

namespace gf::parallel {
namespace {
thread_local Scope* scope = nullptr;
}

void Communicator::barrier() {
  std::vector<std::byte> here(static_cast<size_t>(size()));
  wait(all_gather(here.data(), 1));
}

uint64_t now_ns() {
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count());
}

int ranks_in_environment(bool on_this_machine) {
  // Open MPI; MPICH and who follows its PMI
  static constexpr const char* kNames[2][2] = {{"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}, {"OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS"}};
  for (const char* name : kNames[on_this_machine ? 1 : 0])
    if (const char* text = std::getenv(name)) return std::max(1, std::atoi(text));
  return 1;
}

Scope::Scope(Communicator& communicator) : communicator_(communicator) {
  if (scope != nullptr) throw Exception(Error::WrongPhase, "this thread trains over a communicator already");
  scope = this;
}
Scope::~Scope() { scope = nullptr; }
Scope* Scope::current() { return scope; }

void Scope::begun(int64_t bucket, Ticket ticket) { open_[bucket] = ticket; }
void Scope::wait(int64_t bucket) {
  const auto at = open_.find(bucket);
  if (at == open_.end() || at->second < 0) return;
  communicator_.wait(at->second);
  at->second = -1;
}
void Scope::wait_all() {
  for (const auto& [bucket, ticket] : open_) wait(bucket);
}

}  // namespace gf::parallel
