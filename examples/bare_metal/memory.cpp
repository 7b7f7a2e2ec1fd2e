// The functions of the C library that compilers call by themselves and that GhostFlow uses, for a system that has none.
// Simple on purpose. The build keeps the compiler from turning these loops into calls of themselves.
#include <cstddef>

extern "C" {

void* memcpy(void* to, const void* from, size_t count) {
  auto* t = static_cast<unsigned char*>(to);
  const auto* f = static_cast<const unsigned char*>(from);
  for (size_t i = 0; i < count; ++i) t[i] = f[i];
  return to;
}

void* memmove(void* to, const void* from, size_t count) {
  auto* t = static_cast<unsigned char*>(to);
  const auto* f = static_cast<const unsigned char*>(from);
  if (t <= f) return memcpy(to, from, count);
  while (count-- > 0) t[count] = f[count];
  return to;
}

void* memset(void* to, int value, size_t count) {
  auto* t = static_cast<unsigned char*>(to);
  for (size_t i = 0; i < count; ++i) t[i] = static_cast<unsigned char>(value);
  return to;
}

int memcmp(const void* a, const void* b, size_t count) {
  const auto* x = static_cast<const unsigned char*>(a);
  const auto* y = static_cast<const unsigned char*>(b);
  for (size_t i = 0; i < count; ++i)
    if (x[i] != y[i]) return x[i] < y[i] ? -1 : 1;
  return 0;
}

void* memchr(const void* in, int value, size_t count) {
  auto* at = static_cast<unsigned char*>(const_cast<void*>(in));
  for (; count-- > 0; ++at)
    if (*at == static_cast<unsigned char>(value)) return at;
  return nullptr;
}

size_t strlen(const char* text) {
  size_t count = 0;
  while (text[count] != '\0') ++count;
  return count;
}

int strncmp(const char* a, const char* b, size_t most) {
  for (; most > 0; --most, ++a, ++b) {
    if (*a != *b) return static_cast<unsigned char>(*a) - static_cast<unsigned char>(*b);
    if (*a == '\0') break;
  }
  return 0;
}

int strcmp(const char* a, const char* b) { return strncmp(a, b, static_cast<size_t>(-1)); }

}  // extern "C"
