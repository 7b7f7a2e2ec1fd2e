/* The rival: OrtApi::Run of ONNX Runtime's own C API on the same one-node model, from the shared library in its PyPI package.
 * That package has no header, so the functions are taken by their places in the OrtApi table, which its ABI promises never to
 * move (the answer is checked). Usage: onnxruntime LIBRARY MODEL.onnx N  -> microseconds of a run: median of N batches of 1000 */
#define _POSIX_C_SOURCE 200809L
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef void* Status;
typedef struct {
  const void* const* (*get_api)(uint32_t version);
  const char* (*version)(void);
} Base;
enum { kGetErrorMessage = 2, kCreateEnv = 3, kCreateSession = 7, kRun = 9, kCreateSessionOptions = 10, kSetIntraOpNumThreads = 24,
       kSetInterOpNumThreads = 25, kCreateTensorWithData = 49, kGetTensorMutableData = 51, kCreateCpuMemoryInfo = 69 };

static const void* const* g_api;
static void check(Status status) {
  if (status == NULL) return;
  fprintf(stderr, "%s\n", ((const char* (*)(Status))g_api[kGetErrorMessage])(status));
  exit(1);
}
static double now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}
static int ascending(const void* a, const void* b) {
  const double x = *(const double*)a, y = *(const double*)b;
  return (x > y) - (x < y);
}

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  void* library = dlopen(argv[1], RTLD_NOW);
  if (library == NULL) { fprintf(stderr, "%s\n", dlerror()); return 1; }
  const Base* (*get_base)(void) = (const Base* (*)(void))(uintptr_t)dlsym(library, "OrtGetApiBase");
  g_api = get_base()->get_api(17);
  void *env, *options, *session, *memory, *input, *output = NULL;
  check(((Status (*)(int, const char*, void**))g_api[kCreateEnv])(3, "bench", &env));
  check(((Status (*)(void**))g_api[kCreateSessionOptions])(&options));
  check(((Status (*)(void*, int))g_api[kSetIntraOpNumThreads])(options, 1));
  check(((Status (*)(void*, int))g_api[kSetInterOpNumThreads])(options, 1));
  check(((Status (*)(void*, const char*, void*, void**))g_api[kCreateSession])(env, argv[2], options, &session));
  check(((Status (*)(int, int, void**))g_api[kCreateCpuMemoryInfo])(0, 0, &memory));
  float x[4] = {-1, 2, -3, 4};
  const int64_t dims[1] = {4};
  check(((Status (*)(void*, void*, size_t, const int64_t*, size_t, int, void**))g_api[kCreateTensorWithData])(memory, x, sizeof x, dims, 1, 1, &input));
  Status (*run)(void*, void*, const char* const*, void* const*, size_t, const char* const*, size_t, void**) =
      (Status (*)(void*, void*, const char* const*, void* const*, size_t, const char* const*, size_t, void**))g_api[kRun];
  const char* in_name = "x";
  const char* out_name = "y";
  const int n = atoi(argv[3]);
  double* times = malloc((size_t)n * sizeof *times);
  for (int i = 0; i < n; ++i) {
    const double begin = now_us();
    for (int k = 0; k < 1000; ++k) check(run(session, NULL, &in_name, (void* const*)&input, 1, &out_name, 1, &output));
    times[i] = (now_us() - begin) / 1000;
  }
  float* y = NULL;
  check(((Status (*)(void*, void**))g_api[kGetTensorMutableData])(output, (void**)&y));
  if (y[0] != 0 || y[1] != 2 || y[2] != 0 || y[3] != 4) { fprintf(stderr, "wrong answer\n"); return 1; }
  qsort(times, (size_t)n, sizeof *times, ascending);
  printf("%s %.4f\n", get_base()->version(), times[n / 2]);
  return 0;
}
