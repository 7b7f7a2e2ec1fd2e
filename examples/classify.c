/* C99, all memory the program's own: the three most probable classes of a picture given as numbers. Nothing is allocated by the
 * library but its small handles, and those could come from an allocator too (gf_program_options).
 * Usage: example_classify_c model.gf pixels.txt      the numbers are divided by 255 */
#include "arena.h"

#include <stdio.h>
#include <stdlib.h>

static int read_pixels(const char* path, const gf_tensor* input) {
  FILE* file = fopen(path, "r");
  float* pixels = input->data;
  int ok = file != NULL && input->dtype == GF_FLOAT32;
  for (uint64_t i = 0; ok && i < input->bytes / sizeof(float); ++i) {
    ok = fscanf(file, "%f", &pixels[i]) == 1;
    pixels[i] /= 255;
  }
  if (file != NULL) fclose(file);
  return ok;
}

static void print_best(const gf_program* program, const gf_tensor* output) {
  const float* scores = output->data;
  const int classes = (int)(output->bytes / sizeof(float));
  int printed[3] = {-1, -1, -1};
  for (int place = 0; place < 3 && place < classes; ++place) {
    int best = -1;
    for (int i = 0; i < classes; ++i)
      if (i != printed[0] && i != printed[1] && (best < 0 || scores[i] > scores[best])) best = i;
    const char* label = "?";
    size_t size = 1;
    gf_program_label(program, best, &label, &size, NULL);
    printf("%.*s %.3f\n", (int)size, label, (double)scores[best]);
    printed[place] = best;
  }
}

int main(int argc, char** argv) {
  if (argc != 3) return fprintf(stderr, "usage: %s model.gf pixels.txt\n", argv[0]), 2;
  gf_error error = {GF_OK, -1, ""};
  gf_program* program = NULL;
  gf_weights* weights = NULL;
  gf_session* session = NULL;
  arena file = {NULL, NULL}, memory = {NULL, NULL};
  void* bytes = NULL;
  const size_t size = read_file(argv[1], &file, &bytes);
  gf_needs needs = GF_NEEDS_INIT;
  gf_session_memory parts = GF_SESSION_MEMORY_INIT;
  gf_tensor input = GF_TENSOR_INIT, output = GF_TENSOR_INIT;
  int result = 1;
  if (size == 0) {
    fprintf(stderr, "%s: cannot be read\n", argv[1]);
    goto end;
  }
  if (gf_program_load(bytes, size, NULL, &program, &error) != GF_OK) goto end;
  if (gf_session_needs(program, NULL, NULL, &needs, &error) != GF_OK) goto end;
  parts.session_bytes = (size_t)needs.session_bytes;
  parts.activation_bytes = (size_t)needs.activation_bytes;
  parts.scratch_bytes = (size_t)needs.scratch_bytes;
  if (!open_arena(&memory, needs.weights_bytes + needs.session_bytes + needs.activation_bytes + needs.scratch_bytes)) goto end;
  if (gf_weights_create(program, NULL, take(&memory, needs.weights_bytes), (size_t)needs.weights_bytes, &weights, &error) != GF_OK) goto end;
  parts.session = take(&memory, needs.session_bytes);
  parts.activations = take(&memory, needs.activation_bytes);
  parts.scratch = take(&memory, needs.scratch_bytes);
  if (gf_session_create(program, NULL, weights, NULL, NULL, &parts, &session, &error) != GF_OK) goto end;
  if (gf_session_tensor(session, GF_INPUT, 0, &input, &error) != GF_OK) goto end;
  if (!read_pixels(argv[2], &input)) {
    fprintf(stderr, "%s: not %llu numbers for '%s'\n", argv[2], (unsigned long long)(input.bytes / sizeof(float)), input.name);
    goto end;
  }
  if (gf_session_run(session, &error) != GF_OK) goto end;
  if (gf_session_tensor(session, GF_OUTPUT, 0, &output, &error) != GF_OK) goto end;
  print_best(program, &output);
  result = 0;
end:
  if (error.status != GF_OK) fprintf(stderr, "%s: %s\n", gf_status_name((gf_status)error.status), error.text);
  gf_session_destroy(session);
  gf_weights_destroy(weights);
  gf_program_destroy(program);
  free(memory.block);
  free(file.block);
  return result;
}
