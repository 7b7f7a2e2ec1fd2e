// What the WebAssembly module exports: one program a module instance, in memory that the loader lays out. Numbers that may pass
// 32 bits are doubles, because JavaScript has no other; structs are read from memory at the offsets that layout tests hold.
// Order: load -> plan (once per entry) -> pack -> create -> run. Nothing is freed: the loader drops the instance.
// Ownership: all memory is the loader's; text pointers are NUL-terminated UTF-8 and live as long as the file's bytes.
// Thread rule: one caller. In the build with threads, other instances over the same memory only call gfw_worker.
#pragma once

#include <cstdint>

namespace gf::web {

/// Grows with every change of a function or struct below; the loader refuses a module with another one.
inline constexpr int kAbiVersion = 2;
inline constexpr int kMaxSessions = 16;
inline constexpr int kRank = 8;

enum class Kind : int32_t { Input = 0, Output = 1, State = 2 };

/// Why the last function that returned a status failed.
struct ErrorRecord {
  int32_t status;          // gf::Error
  int32_t node;            // index in its entry, -1: none
  char text[240];
};

/// A tensor of the program (gfw_port: no data, largest dims) or of a session (gfw_tensor: as it is now).
struct TensorRecord {
  const char* name;
  int32_t dtype;           // gf::DType
  int32_t rank;
  int32_t dynamic;         // bit d: dimension d may change
  void* data;              // nullptr: none (yet)
  int32_t reserved;
  double bytes;
  double dims[kRank];
};

/// Bytes that a program with the planned entries needs, and what they are for.
struct NeedsRecord {
  double weights;          // packed constants
  double state;
  double sessions;         // records of all sessions
  double activations;      // largest of the entries, which share them
  double scratch;          // likewise
  double pool;             // for values without a bound; likewise
  double setup;            // while gfw_pack works: lies over the last three
  double save;             // while State is saved or restored: likewise
  double total;            // of all, with the weights
  double kept;             // after gfw_tail: bytes of the file, from its start, that are read after gfw_pack
  double window;           // after gfw_tail: for gfw_pack
};

struct NodeRecord {
  const char* op;
  const char* kernel;      // "" for control flow
  const char* refused;     // why the best other kernel was not taken
  const char* name;
};

struct TextRecord {
  const char* data;
  int32_t size;
};

}  // namespace gf::web
