// Surroundings on Arm's MPS2 board with a Cortex-M7 (AN500): start-up without a C library, and semihosting, which qemu and
// debuggers serve, for the console. Vectors, sections and stack come from mps2_an500.ld.
#include <cstddef>
#include <cstdint>

#include "examples/bare_metal/console.h"

extern "C" {
extern uint32_t image_data_begin, data_begin, data_end, bss_begin, bss_end, stack_top;
int main();
[[noreturn]] void reset();
[[noreturn]] void fault();
int* __errno();
}

namespace {

enum Semihosting : int { kWrite0 = 0x04, kExitExtended = 0x20 };

void call_host(Semihosting operation, const void* argument) {
  register int r0 asm("r0") = operation;
  register const void* r1 asm("r1") = argument;
  asm volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

[[noreturn]] void leave(uint32_t status) {
  const uint32_t block[2] = {0x20026, status};  // ADP_Stopped_ApplicationExit
  for (;;) call_host(kExitExtended, block);
}

}  // namespace

void console_write(const char* text) { call_host(kWrite0, text); }

// libm sets errno on overflow.
int* __errno() {
  static int value;
  return &value;
}

void reset() {
  auto* const coprocessor_access = reinterpret_cast<volatile uint32_t*>(0xE000ED88);
  *coprocessor_access = *coprocessor_access | (0xFU << 20);  // the floating-point unit is off after reset
  asm volatile("dsb\nisb" ::: "memory");
  const uint32_t* from = &image_data_begin;
  for (uint32_t* to = &data_begin; to < &data_end;) *to++ = *from++;
  for (uint32_t* to = &bss_begin; to < &bss_end;) *to++ = 0;
  leave(static_cast<uint32_t>(main()));
}

void fault() {
  console_write("fault\n");
  leave(255);
}

// Initial stack pointer, reset, NMI, then the faults.
extern "C" [[gnu::section(".vectors"), gnu::used]] const void* const kVectors[] = {
    &stack_top,
    reinterpret_cast<const void*>(&reset), reinterpret_cast<const void*>(&fault), reinterpret_cast<const void*>(&fault),
    reinterpret_cast<const void*>(&fault), reinterpret_cast<const void*>(&fault), reinterpret_cast<const void*>(&fault),
};
