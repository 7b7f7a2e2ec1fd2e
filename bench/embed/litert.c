/* The other rival: LiteRtRunCompiledModel of LiteRT's C API on the same one-node model, from the shared library in its PyPI package.
 * That package has no header either; the few functions are declared here. Inputs and outputs lie in memory of this program.
 * Usage: litert LIBRARY MODEL.tflite N  -> microseconds of a run: median of N batches of 1000 (the answer is checked) */
#define _POSIX_C_SOURCE 200809L
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "timing.h"

typedef int Status;
enum { kCpu = 1 };

static void* g_library;
static void* symbol(const char* name) {
  void* address = dlsym(g_library, name);
  if (address == NULL) { fprintf(stderr, "%s\n", dlerror()); exit(1); }
  return address;
}
#define CALL(name, types, arguments) check(#name, ((Status (*) types)(uintptr_t)symbol(#name)) arguments)
static void check(const char* what, Status status) {
  if (status == 0) return;
  fprintf(stderr, "%s: status %d\n", what, status);
  exit(1);
}
/* The input (or output) of signature 0, over `data`. */
static void* buffer_of(void* signature, const char* getter, float* data) {
  uint64_t type[16]; /* LiteRtRankedTensorType, 72 bytes; filled by the library */
  void *tensor = NULL, *buffer = NULL;
  check(getter, ((Status (*)(void*, size_t, void**))(uintptr_t)symbol(getter))(signature, 0, &tensor));
  CALL(LiteRtGetRankedTensorType, (void*, void*), (tensor, type));
  CALL(LiteRtCreateTensorBufferFromHostMemory, (const void*, void*, size_t, void (*)(void*), void**), (type, data, 4 * sizeof(float), NULL, &buffer));
  return buffer;
}

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  g_library = dlopen(argv[1], RTLD_NOW);
  if (g_library == NULL) { fprintf(stderr, "%s\n", dlerror()); return 1; }
  void *environment = NULL, *model = NULL, *options = NULL, *compiled = NULL, *signature = NULL;
  CALL(LiteRtCreateEnvironment, (int, const void*, void**), (0, NULL, &environment));
  CALL(LiteRtCreateModelFromFile, (void*, const char*, void**), (environment, argv[2], &model));
  CALL(LiteRtCreateOptions, (void**), (&options));
  CALL(LiteRtSetOptionsHardwareAccelerators, (void*, int), (options, kCpu));
  CALL(LiteRtCreateCompiledModel, (void*, void*, void*, void**), (environment, model, options, &compiled));
  CALL(LiteRtGetModelSignature, (void*, size_t, void**), (model, 0, &signature));
  float *x = NULL, *y = NULL;
  if (posix_memalign((void**)&x, 64, 64) != 0 || posix_memalign((void**)&y, 64, 64) != 0) return 1;
  x[0] = -1, x[1] = 2, x[2] = -3, x[3] = 4;
  void* in = buffer_of(signature, "LiteRtGetSignatureInputTensorByIndex", x);
  void* out = buffer_of(signature, "LiteRtGetSignatureOutputTensorByIndex", y);
  Status (*run)(void*, size_t, size_t, void**, size_t, void**) =
      (Status (*)(void*, size_t, size_t, void**, size_t, void**))(uintptr_t)symbol("LiteRtRunCompiledModel");
  const int n = atoi(argv[3]);
  double* times = malloc((size_t)n * sizeof *times);
  for (int i = 0; i < n; ++i) {
    const double begin = now_us();
    for (int k = 0; k < 1000; ++k) check("LiteRtRunCompiledModel", run(compiled, 0, 1, &in, 1, &out));
    times[i] = (now_us() - begin) / 1000;
  }
  if (y[0] != 0 || y[1] != 2 || y[2] != 0 || y[3] != 4) { fprintf(stderr, "wrong answer: %g %g %g %g\n", y[0], y[1], y[2], y[3]); return 1; }
  printf("%.4f\n", median(times, n));
  return 0;
}
