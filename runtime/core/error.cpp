#include "runtime/core/error.h"

#include <cstdio>

namespace gf {

const char* error_name(Error error) {
  switch (error) {
#define GF_ERROR_CASE(name) \
  case Error::name:         \
    return #name;
    GF_ERROR_CASE(Ok) GF_ERROR_CASE(InvalidArgument) GF_ERROR_CASE(NotFound) GF_ERROR_CASE(ShapeMismatch)
    GF_ERROR_CASE(TypeMismatch) GF_ERROR_CASE(BufferTooSmall) GF_ERROR_CASE(Misaligned) GF_ERROR_CASE(WrongPhase)
    GF_ERROR_CASE(ShapeOutOfBounds) GF_ERROR_CASE(BadFile) GF_ERROR_CASE(BadVersion) GF_ERROR_CASE(BadChecksum)
    GF_ERROR_CASE(BadGraph) GF_ERROR_CASE(BadAttribute) GF_ERROR_CASE(LimitExceeded) GF_ERROR_CASE(Unsupported)
    GF_ERROR_CASE(UnknownOp) GF_ERROR_CASE(NotImplemented) GF_ERROR_CASE(OutOfMemory) GF_ERROR_CASE(IoError)
    GF_ERROR_CASE(Busy) GF_ERROR_CASE(IndexOutOfRange) GF_ERROR_CASE(DivisionByZero) GF_ERROR_CASE(BadData)
    GF_ERROR_CASE(Cancelled) GF_ERROR_CASE(NonFinite) GF_ERROR_CASE(Internal)
#undef GF_ERROR_CASE
  }
  return "UnknownError";
}

namespace {

Error fill(ErrorDetail& detail, Error code, int32_t node, const char* format, va_list arguments) {
  detail.error = code;
  detail.node = node;
  std::vsnprintf(detail.text, sizeof detail.text, format, arguments);
  for (char* c = detail.text; *c != '\0'; ++c)  // names from untrusted files must not reach a terminal as escape codes
    if (static_cast<unsigned char>(*c) < 0x20 || *c == 0x7f) *c = '?';
  return code;
}

}  // namespace

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
