// Surroundings on a POSIX machine: the only system call of the example.
#include <unistd.h>

#include <cstring>

#include "examples/bare_metal/console.h"

void console_write(const char* text) {
  if (write(1, text, std::strlen(text)) < 0) _exit(3);
}
