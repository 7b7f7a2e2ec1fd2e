/* C99 against the installed library, both levels: the class by gf_model, then the same by a strict session in static memory. */
#include <ghostflow/ghostflow.h>

#include <stdio.h>
#include <stdlib.h>

static gf_error g_error;

static int fail(void) {
  fprintf(stderr, "%s: %s\n", gf_status_name((gf_status)g_error.status), g_error.text);
  return 1;
}

static int best_of(const float* scores) {
  int best = 0;
  for (int i = 1; i < 10; ++i)
    if (scores[i] > scores[best]) best = i;
  return best;
}

static int read_pixels(const char* path, float* image) {
  FILE* file = fopen(path, "r");
  int ok = file != NULL;
  for (int i = 0; ok && i < 28 * 28; ++i) {
    ok = fscanf(file, "%f", &image[i]) == 1;
    image[i] /= 255;
  }
  if (file != NULL) fclose(file);
  return ok;
}

static int strict_class(const char* model_path, const float* image) {
  static char blocks[5][1 << 18];
  char* at[5];
  for (int i = 0; i < 5; ++i) at[i] = blocks[i] + (GF_ALIGNMENT - (size_t)blocks[i] % GF_ALIGNMENT) % GF_ALIGNMENT;
  const size_t room = sizeof blocks[0] - GF_ALIGNMENT;
  FILE* file = fopen(model_path, "rb");
  if (file == NULL) return -1;
  const size_t size = fread(at[0], 1, room, file);
  fclose(file);
  gf_program* program = NULL;
  gf_weights* weights = NULL;
  gf_session* session = NULL;
  gf_session_memory memory = GF_SESSION_MEMORY_INIT;
  memory.session = at[2], memory.session_bytes = room;
  memory.activations = at[3], memory.activation_bytes = room;
  memory.scratch = at[4], memory.scratch_bytes = room;
  float scores[10];
  int result = -1;
  if (gf_program_load(at[0], size, NULL, &program, &g_error) == GF_OK &&
      gf_weights_create(program, NULL, at[1], room, &weights, &g_error) == GF_OK &&
      gf_session_create(program, NULL, weights, NULL, NULL, &memory, &session, &g_error) == GF_OK &&
      gf_session_write(session, 0, image, 28 * 28 * sizeof(float), &g_error) == GF_OK &&
      gf_session_run(session, &g_error) == GF_OK && gf_session_read(session, 0, scores, sizeof scores, &g_error) == GF_OK)
    result = best_of(scores);
  gf_session_destroy(session);
  gf_weights_destroy(weights);
  gf_program_destroy(program);
  return result;
}

int main(int argc, char** argv) {
  if (argc != 3 || gf_abi_version() != GF_ABI_VERSION) return 2;
  gf_model* model = NULL;
  void* image = NULL;
  const void* scores = NULL;
  const char* label = NULL;
  size_t size = 0;
  if (gf_model_load(argv[1], NULL, &model, &g_error) != GF_OK) return fail();
  if (gf_model_input(model, "image", GF_FLOAT32, &image, NULL, &g_error) != GF_OK) return fail();
  if (!read_pixels(argv[2], image)) return 3;
  if (gf_model_run(model, &g_error) != GF_OK) return fail();
  if (gf_model_output(model, "probabilities", GF_FLOAT32, &scores, NULL, &g_error) != GF_OK) return fail();
  const int best = best_of(scores);
  if (gf_program_label(gf_model_program(model), best, &label, &size, &g_error) != GF_OK) return fail();
  const int strict = strict_class(argv[1], image);
  if (strict < 0) return fail();
  printf("%.*s %d\n", (int)size, label, strict);
  gf_model_destroy(model);
  return 0;
}
