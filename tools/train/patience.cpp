#include "tools/train/patience.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace gf::cli {
namespace {

using Clock = std::chrono::steady_clock;
constexpr double kShare = 0.5;  // of the patience that may be needed: machines are slower at times

}  // namespace

std::optional<double> launcher_patience() {
  if (std::getenv("OMPI_COMM_WORLD_SIZE") == nullptr) return std::nullopt;
  const char* const given = std::getenv("OMPI_MCA_odls_base_sigkill_timeout");  // also when it stood on mpirun's command line
  return given == nullptr ? 1 : std::max(0.0, std::atof(given));
}

void Patience::step(const StepReport& report) {
  step_seconds_ = std::max(step_seconds_, report.seconds);
  save_begins_ = Clock::now();
}
void Patience::validated(const ValidationReport&) { save_begins_ = Clock::now(); }

void Patience::saved(int64_t) {
  const double save = std::chrono::duration<double>(Clock::now() - save_begins_).count(), needed = step_seconds_ + save;
  if (said_ || needed <= kShare * seconds_) return;
  said_ = true;
  const std::string line = fmt::format("a step and a save take {:.1f} s, mpirun kills {:g} s after it asked (Ctrl-C): the steps since the last checkpoint would be lost. To stop: "
                                       "kill -USR1 of mpirun's process; or start with mpirun --mca odls_base_sigkill_timeout {:.0f}",
                                       needed, seconds_, std::ceil(needed / kShare) + 1);
  for (const auto& l : told_) l->note(line);
}

}  // namespace gf::cli
