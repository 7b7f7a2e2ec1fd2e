/* The rival: ONNX Runtime's own C API on the same models, from the shared library in its PyPI package. That package has no header,
 * so the functions are taken by their places in the OrtApi table, which its ABI promises never to move (answers are checked).
 * Usage: onnxruntime LIBRARY MODE MODEL.onnx ARGUMENT
 *   run MODEL N        microseconds of OrtApi::Run on a one-node model: median of N batches of 1000
 *   create MODEL N     microseconds of OrtApi::CreateSession: median of N
 *   cold MODEL PIXELS  environment, session, run, answer, once
 *   version            */
#define _POSIX_C_SOURCE 200809L
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "timing.h"

typedef void* Status;
typedef struct {
  const void* const* (*get_api)(uint32_t version);
  const char* (*version)(void);
} Base;
enum { kGetErrorMessage = 2, kCreateEnv = 3, kCreateSession = 7, kRun = 9, kCreateSessionOptions = 10, kSetIntraOpNumThreads = 24,
       kSetInterOpNumThreads = 25, kCreateTensorWithData = 49, kGetTensorMutableData = 51, kCreateCpuMemoryInfo = 69, kReleaseSession = 95 };

static const void* const* g_api;
static void *g_env, *g_options;
static void check(Status status) {
  if (status == NULL) return;
  fprintf(stderr, "%s\n", ((const char* (*)(Status))g_api[kGetErrorMessage])(status));
  exit(1);
}
static void* open_session(const char* path) {
  void* session = NULL;
  check(((Status (*)(void*, const char*, void*, void**))g_api[kCreateSession])(g_env, path, g_options, &session));
  return session;
}
static void* tensor_over(float* data, size_t bytes, const int64_t* dims, size_t rank) {
  void *memory = NULL, *tensor = NULL;
  check(((Status (*)(int, int, void**))g_api[kCreateCpuMemoryInfo])(0, 0, &memory));
  check(((Status (*)(void*, void*, size_t, const int64_t*, size_t, int, void**))g_api[kCreateTensorWithData])(memory, data, bytes, dims, rank, 1, &tensor));
  return tensor;
}
typedef Status (*Run)(void*, void*, const char* const*, void* const*, size_t, const char* const*, size_t, void**);
static float* data_of(void* tensor) {
  float* data = NULL;
  check(((Status (*)(void*, void**))g_api[kGetTensorMutableData])(tensor, (void**)&data));
  return data;
}

static int measure_run(const char* path, int n) {
  void* session = open_session(path);
  float x[4] = {-1, 2, -3, 4};
  const int64_t dims[1] = {4};
  void *input = tensor_over(x, sizeof x, dims, 1), *output = NULL;
  const Run run = (Run)g_api[kRun];
  const char *in_name = "x", *out_name = "y";
  double* times = malloc((size_t)n * sizeof *times);
  for (int i = 0; i < n; ++i) {
    const double begin = now_us();
    for (int k = 0; k < 1000; ++k) check(run(session, NULL, &in_name, (void* const*)&input, 1, &out_name, 1, &output));
    times[i] = (now_us() - begin) / 1000;
  }
  const float* y = data_of(output);
  if (y[0] != 0 || y[1] != 2 || y[2] != 0 || y[3] != 4) return fprintf(stderr, "wrong answer\n"), 1;
  printf("%.4f\n", median(times, n));
  return 0;
}

static int measure_create(const char* path, int n) {
  double* times = malloc((size_t)n * sizeof *times);
  for (int i = 0; i < n; ++i) {
    const double begin = now_us();
    void* session = open_session(path);
    times[i] = now_us() - begin;
    ((void (*)(void*))g_api[kReleaseSession])(session);
  }
  printf("%.4f\n", median(times, n));
  return 0;
}

static int cold(const char* path, const char* pixels) {
  static float image[28 * 28];
  const int64_t dims[4] = {1, 1, 28, 28};
  void* session = open_session(path);
  FILE* file = fopen(pixels, "r");
  for (int i = 0; i < 28 * 28; ++i) {
    if (file == NULL || fscanf(file, "%f", &image[i]) != 1) return 3;
    image[i] /= 255;
  }
  fclose(file);
  void *input = tensor_over(image, sizeof image, dims, 4), *output = NULL;
  const char *in_name = "image", *out_name = "probabilities";
  check(((Run)g_api[kRun])(session, NULL, &in_name, (void* const*)&input, 1, &out_name, 1, &output));
  const float* scores = data_of(output);
  int best = 0;
  for (int i = 1; i < 10; ++i)
    if (scores[i] > scores[best]) best = i;
  printf("%d\n", best);
  return 0;
}

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  void* library = dlopen(argv[1], RTLD_NOW);
  if (library == NULL) return fprintf(stderr, "%s\n", dlerror()), 1;
  const Base* (*get_base)(void) = (const Base* (*)(void))(uintptr_t)dlsym(library, "OrtGetApiBase");
  if (argc == 3 && strcmp(argv[2], "version") == 0) return puts(get_base()->version()) < 0;
  if (argc != 5) return 2;
  g_api = get_base()->get_api(17);
  check(((Status (*)(int, const char*, void**))g_api[kCreateEnv])(3, "bench", &g_env));
  check(((Status (*)(void**))g_api[kCreateSessionOptions])(&g_options));
  check(((Status (*)(void*, int))g_api[kSetIntraOpNumThreads])(g_options, 1));
  check(((Status (*)(void*, int))g_api[kSetInterOpNumThreads])(g_options, 1));
  if (strcmp(argv[2], "run") == 0) return measure_run(argv[3], atoi(argv[4]));
  if (strcmp(argv[2], "create") == 0) return measure_create(argv[3], atoi(argv[4]));
  return strcmp(argv[2], "cold") == 0 ? cold(argv[3], argv[4]) : 2;
}
