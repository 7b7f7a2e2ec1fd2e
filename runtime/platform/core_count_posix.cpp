#include "runtime/platform/core_count.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>

namespace gf {
namespace {

/// Reads the start of a small text file; false when it is not there.
bool read_text(const char* path, char* text, size_t capacity) {
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  const ssize_t length = read(file, text, capacity - 1);
  close(file);
  if (length <= 0) return false;
  text[length] = '\0';
  return true;
}

/// Decimal number at `at`, which is moved behind it; -1 when there is none.
int64_t parse_number(const char*& at) {
  if (*at < '0' || *at > '9') return -1;
  int64_t value = 0;
  for (; *at >= '0' && *at <= '9' && value < INT64_MAX / 16; ++at) value = value * 10 + (*at - '0');
  return value;
}

/// The first logical processor of the core that `cpu` belongs to and that `usable` allows; -1 when unknown.
template <class Usable>
int first_sibling(int cpu, Usable usable) {
  char path[96];
  char text[256];
  std::snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
  if (!read_text(path, text, sizeof text)) return -1;
  for (const char* at = text; *at != '\0';) {  // a list of numbers and ranges, ascending: "0,64" or "0-1"
    const int64_t from = parse_number(at);
    if (from < 0) return -1;
    int64_t to = from;
    if (*at == '-') {
      ++at;
      to = parse_number(at);
    }
    for (int64_t i = from; i <= to && i < 1 << 20; ++i)
      if (usable(static_cast<int>(i))) return static_cast<int>(i);
    if (*at != ',') break;
    ++at;
  }
  return -1;
}

/// Cores allowed by "quota period" of the control group, rounded up; 0 when there is no limit.
[[maybe_unused]] int quota_cores() {
  char text[64];
  if (!read_text("/sys/fs/cgroup/cpu.max", text, sizeof text)) return 0;
  const char* at = text;
  const int64_t quota = parse_number(at);  // "max" gives -1
  if (quota <= 0 || *at != ' ') return 0;
  ++at;
  const int64_t period = parse_number(at);
  return period > 0 ? static_cast<int>(std::min<int64_t>((quota + period - 1) / period, 1 << 20)) : 0;
}

int online_count() {
  const long count = sysconf(_SC_NPROCESSORS_ONLN);
  return count > 0 ? static_cast<int>(count) : 1;
}

}  // namespace

#if defined(__linux__) && defined(CPU_SETSIZE)

int logical_core_count() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return online_count();
  return std::max(1, CPU_COUNT(&set));
}

int physical_core_count() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int cores = 0;
  if (sched_getaffinity(0, sizeof set, &set) != 0) {
    cores = online_count();  // more processors than the mask type holds
  } else {
    const auto usable = [&](int cpu) { return cpu < CPU_SETSIZE && CPU_ISSET(static_cast<size_t>(cpu), &set); };
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (!usable(cpu)) continue;
      const int first = first_sibling(cpu, usable);
      if (first < 0 || first == cpu) ++cores;
    }
  }
  if (const int quota = quota_cores(); quota > 0) cores = std::min(cores, quota);
  return std::max(cores, 1);
}

#else

int logical_core_count() { return online_count(); }
int physical_core_count() { return online_count(); }

#endif

}  // namespace gf
