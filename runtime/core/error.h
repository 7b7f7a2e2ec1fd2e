// Error codes and error details. Values are part of the C ABI: never renumber, only append inside a group.
// Thread rule: plain values. Nothing here allocates.
#pragma once

#include <cstdarg>
#include <cstddef>
#include <cstdint>

namespace gf {

/// What went wrong, grouped by who can mend it. The numeric values are stable across releases.
enum class [[nodiscard]] Error : uint16_t {
  Ok = 0,

  // 1..: the caller's arguments
  InvalidArgument = 1,    ///< an argument is outside its documented range
  NotFound = 2,           ///< no entry, input, output, state or file with that name
  ShapeMismatch = 3,      ///< a tensor's shape is not what the model says
  TypeMismatch = 4,       ///< a tensor's element type is not what the model says
  BufferTooSmall = 5,     ///< caller memory is smaller than `memory_needs` told
  Misaligned = 6,         ///< caller memory has the wrong alignment
  WrongPhase = 7,         ///< call order: run before create, use after close
  ShapeOutOfBounds = 8,   ///< a dynamic dimension leaves the interval it was planned for

  // 20..: the file or model
  BadFile = 20,           ///< not a .gf file, truncated, or structure invalid
  BadVersion = 21,        ///< written by an incompatible (newer) version
  BadChecksum = 22,       ///< data does not match its checksum
  BadGraph = 23,          ///< structure is a valid file but not a valid graph (cycle, index, arity)
  BadAttribute = 24,      ///< attribute missing, of the wrong type or out of range
  LimitExceeded = 25,     ///< a limit of `Limits` was hit

  // 40..: something this build or library cannot do
  Unsupported = 40,       ///< op, type or combination without a kernel
  UnknownOp = 41,         ///< op is not in the op table given
  NotImplemented = 42,    ///< part of the contract that a later version brings

  // 60..: resources and environment
  OutOfMemory = 60,
  IoError = 61,
  Busy = 62,              ///< used by another thread at the same time

  // 80..: while running
  IndexOutOfRange = 80,   ///< data-driven index (Gather, Scatter, ...) outside its tensor
  DivisionByZero = 81,    ///< integer division or remainder by zero
  BadData = 82,           ///< other data-driven hazard: negative size, step 0, loop limit
  Cancelled = 83,
  NonFinite = 84,         ///< NaN or infinity where the entry forbids it

  Internal = 99,          ///< a bug in GhostFlow; please report
};

/// Short fixed name of an error, for logs ("ShapeMismatch"). Never null.
const char* error_name(Error error);

/// Fixed-size report of a failure: what, at which node, and a sentence that says what to do. Owned by the caller.
struct ErrorDetail {
  Error error = Error::Ok;
  int32_t node = -1;      ///< index of the node in its entry, -1 when no node is to blame
  char text[240] = {};    ///< UTF-8, NUL-terminated, no control characters

  /// Fills all fields (printf-style, cut at the end of `text`, control bytes replaced by '?') and returns `error`.
  Error set(Error code, int32_t node_index, const char* format, ...)
#if defined(__GNUC__) && !defined(__MINGW32__)  // which would hold the text against Microsoft's printf
      __attribute__((format(printf, 4, 5)))
#endif
      ;
};

/// Fills `detail` if there is one (see ErrorDetail::set) and returns `code` in every case.
Error report_error(ErrorDetail* detail, Error code, int32_t node, const char* format, ...)
#if defined(__GNUC__) && !defined(__MINGW32__)  // which would hold the text against Microsoft's printf
    __attribute__((format(printf, 4, 5), cold))
#endif
    ;
/// The same, as the core writes it. (One call without a branch at each of its hundreds of places keeps code small.)
#define GF_FAIL(detail, code, node, ...) ::gf::report_error((detail), (code), (node), __VA_ARGS__)

/// Returns from the calling function (which returns Error) when `expression` is not Ok.
#define GF_TRY(expression)                                       \
  do {                                                           \
    if (const ::gf::Error gf_try_error = (expression); gf_try_error != ::gf::Error::Ok) return gf_try_error; \
  } while (false)

}  // namespace gf
