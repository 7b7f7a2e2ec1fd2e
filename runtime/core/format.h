// printf for error texts without a C library's stdio: microcontrollers have no room for it, and some C libraries lack %zu.
// Thread rule: plain functions on caller memory. Nothing here allocates.
#pragma once

#include <cstdarg>
#include <cstddef>

namespace gf {

/// Writes `format` with its arguments to `out`, cut to `capacity` - 1 characters and always terminated (capacity 0: writes
/// nothing). Returns the number of characters written, without the terminator. Knows %d %u %lld %llu %zu %g %s %.Ns %.*s and
/// %%; %g gives at most six digits. Anything else ends the text there, since its argument's type is not known.
size_t format_text(char* out, size_t capacity, const char* format, ...)
#if defined(__GNUC__) && !defined(__MINGW32__)  // which would hold the text against Microsoft's printf
    __attribute__((format(printf, 3, 4)))
#endif
    ;
size_t format_text_list(char* out, size_t capacity, const char* format, va_list arguments);

}  // namespace gf
