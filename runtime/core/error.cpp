#include "runtime/core/error.h"

#include "runtime/core/format.h"

namespace gf {

namespace {

// Rows without pointers: codes have gaps, and a jump table over them would be twice as large.
struct ErrorRow {
  Error error;
  char name[18];
};
#define GF_ERROR_ROW(name) {Error::name, #name}
constexpr ErrorRow kErrors[] = {
    GF_ERROR_ROW(Ok), GF_ERROR_ROW(InvalidArgument), GF_ERROR_ROW(NotFound), GF_ERROR_ROW(ShapeMismatch),
    GF_ERROR_ROW(TypeMismatch), GF_ERROR_ROW(BufferTooSmall), GF_ERROR_ROW(Misaligned), GF_ERROR_ROW(WrongPhase),
    GF_ERROR_ROW(ShapeOutOfBounds), GF_ERROR_ROW(BadFile), GF_ERROR_ROW(BadVersion), GF_ERROR_ROW(BadChecksum),
    GF_ERROR_ROW(BadGraph), GF_ERROR_ROW(BadAttribute), GF_ERROR_ROW(LimitExceeded), GF_ERROR_ROW(Unsupported),
    GF_ERROR_ROW(UnknownOp), GF_ERROR_ROW(NotImplemented), GF_ERROR_ROW(OutOfMemory), GF_ERROR_ROW(IoError),
    GF_ERROR_ROW(Busy), GF_ERROR_ROW(IndexOutOfRange), GF_ERROR_ROW(DivisionByZero), GF_ERROR_ROW(BadData),
    GF_ERROR_ROW(Cancelled), GF_ERROR_ROW(NonFinite), GF_ERROR_ROW(Internal),
};
#undef GF_ERROR_ROW

Error fill(ErrorDetail& detail, Error code, int32_t node, const char* format, va_list arguments) {
  detail.error = code;
  detail.node = node;
  format_text_list(detail.text, sizeof detail.text, format, arguments);
  for (char* c = detail.text; *c != '\0'; ++c)  // names from untrusted files must not reach a terminal as escape codes
    if (static_cast<unsigned char>(*c) < 0x20 || *c == 0x7f) *c = '?';
  return code;
}

}  // namespace

const char* error_name(Error error) {
  for (const ErrorRow& row : kErrors)
    if (row.error == error) return row.name;
  return "UnknownError";
}

Error ErrorDetail::set(Error code, int32_t node_index, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const Error e = fill(*this, code, node_index, format, arguments);
  va_end(arguments);
  return e;
}

Error report_error(ErrorDetail* detail, Error code, int32_t node, const char* format, ...) {
  if (detail == nullptr) return code;
  va_list arguments;
  va_start(arguments, format);
  const Error e = fill(*detail, code, node, format, arguments);
  va_end(arguments);
  return e;
}

}  // namespace gf
