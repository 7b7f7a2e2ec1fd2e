#include "runtime/platform/core_count.h"

#include <windows.h>

#include <bit>
#include <cstddef>

namespace gf {
namespace {

/// Processors of this process's group that it may use; 0 when the system does not say.
DWORD_PTR allowed_processors() {
  DWORD_PTR process = 0;
  DWORD_PTR system = 0;
  return GetProcessAffinityMask(GetCurrentProcess(), &process, &system) != 0 ? process : 0;
}

}  // namespace

int logical_core_count() {
  if (const DWORD_PTR allowed = allowed_processors(); allowed != 0) return std::popcount(allowed);
  SYSTEM_INFO info;
  GetSystemInfo(&info);
  return info.dwNumberOfProcessors > 0 ? static_cast<int>(info.dwNumberOfProcessors) : 1;
}

int physical_core_count() {
  SYSTEM_LOGICAL_PROCESSOR_INFORMATION rows[512];  // a group has 64 processors: cores, caches, packages and nodes fit
  DWORD bytes = sizeof rows;
  const DWORD_PTR allowed = allowed_processors();
  if (allowed == 0 || GetLogicalProcessorInformation(rows, &bytes) == 0) return logical_core_count();
  int cores = 0;
  for (size_t i = 0; i < bytes / sizeof rows[0]; ++i)
    if (rows[i].Relationship == RelationProcessorCore && (rows[i].ProcessorMask & allowed) != 0) ++cores;
  return cores > 0 ? cores : logical_core_count();
}

}  // namespace gf
