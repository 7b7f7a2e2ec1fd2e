// needs: GF_MPI
// What mpi_test.py runs under mpirun: transfers of many sizes over MPI, or a rank that does not come.
//   mpi_program sums                sums, parts and broadcasts, compared with arithmetic; rank 0 prints "ok N" for N ranks
//   mpi_program late MILLISECONDS   rank 1 sleeps, the others wait for it so long
//   mpi_program abort               rank 1 ends the job
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "trainer/parallel/mpi/mpi_communicator.h"

namespace {

using namespace gf;
using parallel::Communicator;

float number(int rank, int64_t i) { return static_cast<float>(std::sin(static_cast<double>(i * 7 + rank)) * std::pow(10.0, (rank * 5 + i) % 6)); }

void require(bool right, const char* what) {
  if (!right) throw Exception(Error::Internal, what);
}

void sums(Communicator& c) {
  std::vector<std::vector<float>> data;
  std::vector<parallel::Ticket> tickets;
  const int64_t counts[] = {1, 0, 3, 1000, 2'000'003, 17};
  for (const int64_t count : counts) {
    auto& d = data.emplace_back();
    for (int64_t i = 0; i < count; ++i) d.push_back(number(c.rank(), i));
  }
  for (size_t k = 0; k < data.size(); ++k) tickets.push_back(c.all_reduce(data[k].data(), counts[k], DType::F32));
  for (size_t k = 0; k < data.size(); ++k) {
    c.wait(tickets[k]);
    for (int64_t i = 0; i < counts[k]; ++i) {
      float sum = number(0, i);
      for (int r = 1; r < c.size(); ++r) sum += number(r, i);
      require(data[k][static_cast<size_t>(i)] == sum, "a sum");
    }
  }
  std::vector<double> part(static_cast<size_t>(5 * c.size()), c.rank() + 0.5);
  c.wait(c.reduce_scatter(part.data(), 5, DType::F64));
  require(part[static_cast<size_t>(5 * c.rank())] == 0.5 * c.size() * c.size(), "a part");
  std::vector<int> all(static_cast<size_t>(c.size()));
  all[static_cast<size_t>(c.rank())] = c.rank() * c.rank();
  c.wait(c.all_gather(all.data(), sizeof(int)));
  for (int r = 0; r < c.size(); ++r) require(all[static_cast<size_t>(r)] == r * r, "what is gathered");
  int from = c.rank() == c.size() - 1 ? 77 : 0;
  c.wait(c.broadcast(&from, sizeof from, c.size() - 1));
  require(from == 77, "a broadcast");
  c.barrier();
  if (c.rank() == 0) std::printf("ok %d\n", c.size());
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  const std::chrono::milliseconds limit(argc > 2 ? std::atoi(argv[2]) : 60000);
  const auto c = parallel::mpi_communicator({.limit = limit});
  try {
    if (what == "sums") sums(*c);
    if (what == "late" && c->rank() == 1) std::this_thread::sleep_for(std::chrono::hours(1));
    if (what == "abort" && c->rank() == 1) throw Exception(Error::BadData, "label 12 is out of range");
    c->barrier();
  } catch (const std::exception& e) {
    c->abort(e.what());
  }
  return 0;
}
