// How many threads make sense on this machine. Thread rule: callable from anywhere; no heap. Reads files: not for hot paths.
#pragma once

namespace gf {

/// Physical cores that this process may use (at least 1): hyper-threads count once, the affinity mask and a control
/// group's CPU quota (cgroup v2, rounded up) are respected.
int physical_core_count();

/// Logical processors in the affinity mask (at least 1).
int logical_core_count();

}  // namespace gf
