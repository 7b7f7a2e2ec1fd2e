/* What embedding costs through the C API. Modes (first argument):
 *   run MODEL N        microseconds of gf_session_run on a one-node model: median of N batches of 1000
 *   create MODEL N     nodes; microseconds of gf_session_needs, of gf_session_create with weights packed before, and of everything from
 *                      bytes to session (load, needs, weights, create): medians of N
 *   cold MODEL PIXELS  load, fill, run, answer, once: what a process does that is started for one picture
 *   idle MODEL         CPU milliseconds that the process used in one second between two runs, threads and all */
#define _POSIX_C_SOURCE 200809L
#include <ghostflow/ghostflow.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "timing.h"

static gf_error g_error;
#define CHECK(call) \
  if ((call) != GF_OK) { fprintf(stderr, "%s: %s\n", gf_status_name((gf_status)g_error.status), g_error.text); exit(1); }

static double cpu_ms(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-3;
}
static gf_model* load(const char* path, int threads) {
  gf_model_options options = GF_MODEL_OPTIONS_INIT;
  gf_model* model = NULL;
  options.threads = threads;
  CHECK(gf_model_load(path, &options, &model, &g_error));
  return model;
}

static void measure_run(const char* path, int n) {
  gf_model* model = load(path, 1);
  gf_session* session = NULL;
  double* times = malloc((size_t)n * sizeof *times);
  CHECK(gf_model_session(model, NULL, &session, &g_error));
  for (int i = 0; i < n; ++i) {
    const double begin = now_us();
    for (int k = 0; k < 1000; ++k) CHECK(gf_session_run(session, &g_error));
    times[i] = (now_us() - begin) / 1000;
  }
  printf("%.4f\n", median(times, n));
  free(times);
  gf_model_destroy(model);
}

static void* aligned(size_t bytes) {
  void* p = NULL;
  return posix_memalign(&p, GF_ALIGNMENT, bytes + GF_ALIGNMENT) == 0 ? p : NULL;
}

static void measure_create(const char* path, int n) {
  FILE* file = fopen(path, "rb");
  if (file == NULL) exit(1);
  fseek(file, 0, SEEK_END);
  const size_t size = (size_t)ftell(file);
  rewind(file);
  void* bytes = aligned(size);
  if (fread(bytes, 1, size, file) != size) exit(1);
  fclose(file);
  gf_program* program = NULL;
  gf_needs needs = GF_NEEDS_INIT;
  CHECK(gf_program_load(bytes, size, NULL, &program, &g_error));
  CHECK(gf_session_needs(program, NULL, NULL, &needs, &g_error));
  gf_session_memory memory = GF_SESSION_MEMORY_INIT;
  memory.session = aligned(memory.session_bytes = needs.session_bytes);
  memory.activations = aligned(memory.activation_bytes = needs.activation_bytes);
  memory.scratch = aligned(memory.scratch_bytes = needs.scratch_bytes);
  double* need_times = malloc((size_t)n * sizeof(double));
  double* create_times = malloc((size_t)n * sizeof(double));
  double* all_times = malloc((size_t)n * sizeof(double));
  void* packed = aligned(needs.weights_bytes);
  int nodes = 0;
  for (int i = 0; i < n; ++i) {
    gf_program* again = NULL;
    gf_weights* own = NULL;
    gf_session* session = NULL;
    const double begin = now_us();
    CHECK(gf_program_load(bytes, size, NULL, &again, &g_error));
    const double loaded = now_us();
    CHECK(gf_session_needs(again, NULL, NULL, &needs, &g_error));
    const double told = now_us();
    CHECK(gf_weights_create(again, NULL, packed, needs.weights_bytes, &own, &g_error));
    const double filled = now_us();
    CHECK(gf_session_create(again, NULL, own, NULL, NULL, &memory, &session, &g_error));
    const double end = now_us();
    need_times[i] = told - loaded;
    create_times[i] = end - filled;
    all_times[i] = end - begin;
    nodes = gf_session_node_count(session);
    gf_session_destroy(session);
    gf_weights_destroy(own);
    gf_program_destroy(again);
  }
  printf("%d %.1f %.1f %.1f\n", nodes, median(need_times, n), median(create_times, n), median(all_times, n));
}

static void cold(const char* path, const char* pixels) {
  gf_model* model = load(path, 1);
  void* data = NULL;
  const void* out = NULL;
  CHECK(gf_model_input(model, "image", GF_FLOAT32, &data, NULL, &g_error));
  float* image = data;
  FILE* file = fopen(pixels, "r");
  for (int i = 0; i < 784; ++i) {
    if (file == NULL || fscanf(file, "%f", &image[i]) != 1) exit(3);
    image[i] /= 255;
  }
  fclose(file);
  CHECK(gf_model_run(model, &g_error));
  CHECK(gf_model_output(model, "probabilities", GF_FLOAT32, &out, NULL, &g_error));
  const float* scores = out;
  int best = 0;
  for (int i = 1; i < 10; ++i)
    if (scores[i] > scores[best]) best = i;
  printf("%d\n", best);
  gf_model_destroy(model);
}

static void idle(const char* path) {
  gf_model* model = load(path, 2);
  CHECK(gf_model_run(model, &g_error));
  const struct timespec settle = {0, 10000000}, second = {1, 0};  /* the pool looks for work for 50 us before it sleeps */
  nanosleep(&settle, NULL);
  const double before = cpu_ms();
  nanosleep(&second, NULL);
  printf("%.3f\n", cpu_ms() - before);
  CHECK(gf_model_run(model, &g_error));
  gf_model_destroy(model);
}

int main(int argc, char** argv) {
  if (argc == 4 && strcmp(argv[1], "run") == 0) measure_run(argv[2], atoi(argv[3]));
  else if (argc == 4 && strcmp(argv[1], "create") == 0) measure_create(argv[2], atoi(argv[3]));
  else if (argc == 4 && strcmp(argv[1], "cold") == 0) cold(argv[2], argv[3]);
  else if (argc == 3 && strcmp(argv[1], "idle") == 0) idle(argv[2]);
  else return 2;
  return 0;
}
