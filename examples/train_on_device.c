/* C99, all memory the program's own: a model goes on learning on the device that it is on, from pictures of its user.
 *   gf-train prepare digits.onnx --loss cross_entropy --optimizer sgd,lr=0.05 --last 1 --batch 16 -o digits.gf
 *   example_train_on_device digits.gf pictures.csv 60 mine.state
 * A line of pictures.csv is a class and as many numbers from 0 to 255 as the model's input has per picture. mine.state holds what was learned: it is
 * read at the beginning, if it is there, and written at the end. Prints how many of the pictures are recognised before and after. */
#include "arena.h"

#include <stdio.h>
#include <stdlib.h>

/* One entry, ready to run. */
typedef struct {
  gf_session* session;
  gf_tensor picture, target, loss;
} step;

typedef struct {
  float* pixels;
  int64_t* classes;
  size_t count, size; /* pictures, and numbers in each */
} pictures;

static int read_pictures(const char* path, size_t size, pictures* p) {
  FILE* file = fopen(path, "r");
  int label;
  p->size = size;
  if (file == NULL) return 0;
  while (fscanf(file, "%d%*1[,]", &label) == 1) {
    float* pixels = realloc(p->pixels, (p->count + 1) * size * sizeof(float));
    if (pixels != NULL) p->pixels = pixels;
    int64_t* classes = realloc(p->classes, (p->count + 1) * sizeof(int64_t));
    if (classes != NULL) p->classes = classes;
    if (pixels == NULL || classes == NULL) break;
    for (size_t i = 0; i < size; ++i) {
      float* v = &p->pixels[p->count * size + i];
      if (fscanf(file, "%f%*1[,]", v) < 1) {
        fprintf(stderr, "%s: picture %zu has %zu numbers, the model takes %zu\n", path, p->count + 1, i, size);
        fclose(file);
        return 0;
      }
      *v /= 255;
    }
    p->classes[p->count++] = label;
  }
  const int whole = feof(file) && p->count > 0;
  fclose(file);
  if (!whole) fprintf(stderr, "%s: line %zu does not begin with a class\n", path, p->count + 1);
  return whole;
}

static gf_status open_step(const gf_program* program, const char* entry, const gf_weights* weights, gf_state* state, const gf_needs* needs, arena* memory,
                           void* shared, step* s, gf_error* error) {
  gf_session_memory parts = GF_SESSION_MEMORY_INIT;
  parts.session = take(memory, needs->session_bytes);
  parts.session_bytes = (size_t)needs->session_bytes;
  parts.activations = shared; /* the two never run at once */
  parts.activation_bytes = (size_t)needs->activation_bytes;
  parts.scratch = (char*)shared + (needs->activation_bytes + GF_ALIGNMENT - 1) / GF_ALIGNMENT * GF_ALIGNMENT;
  parts.scratch_bytes = (size_t)needs->scratch_bytes;
  gf_status status = gf_session_create(program, entry, weights, state, NULL, &parts, &s->session, error);
  if (status == GF_OK) status = gf_session_tensor(s->session, GF_INPUT, 0, &s->picture, error);
  if (status == GF_OK) status = gf_session_tensor(s->session, GF_INPUT, 1, &s->target, error);
  if (status == GF_OK) status = gf_session_tensor(s->session, GF_OUTPUT, gf_session_find(s->session, GF_OUTPUT, "loss"), &s->loss, error);
  return status;
}

/* Batch `number` of the pictures, in order and round and round. */
static gf_status run(step* s, const pictures* p, size_t number, float* loss, gf_error* error) {
  const size_t batch = (size_t)s->picture.dims[0];
  for (size_t i = 0; i < batch; ++i) {
    const size_t from = (number * batch + i) % p->count;
    for (size_t k = 0; k < p->size; ++k) ((float*)s->picture.data)[i * p->size + k] = p->pixels[from * p->size + k];
    ((int64_t*)s->target.data)[i] = p->classes[from];
  }
  const gf_status status = gf_session_run(s->session, error);
  *loss = *(const float*)s->loss.data;
  return status;
}

static gf_status evaluate(step* s, const pictures* p, const char* when, gf_error* error) {
  const size_t batch = (size_t)s->picture.dims[0], batches = (p->count + batch - 1) / batch;
  double loss = 0, accuracy = 0;
  gf_tensor right = GF_TENSOR_INIT;
  gf_status status = gf_session_tensor(s->session, GF_OUTPUT, gf_session_find(s->session, GF_OUTPUT, "accuracy"), &right, error);
  for (size_t i = 0; i < batches && status == GF_OK; ++i) {
    float here = 0;
    status = run(s, p, i, &here, error);
    loss += (double)here / (double)batches;
    accuracy += (double)*(const float*)right.data / (double)batches;
  }
  if (status == GF_OK) printf("%s: loss %.3f, %.1f %% right\n", when, loss, 100 * accuracy);
  return status;
}

static int save(const gf_state* state, const char* path, arena* memory, gf_error* error) {
  const size_t size = gf_state_save_bytes(state);
  if (!open_arena(memory, size)) return 0;
  void* bytes = take(memory, size);
  if (gf_state_save(state, bytes, size, error) != GF_OK) return 0;
  FILE* file = fopen(path, "wb");
  if (file == NULL) return perror(path), 0;
  const int whole = fwrite(bytes, 1, size, file) == size;
  return (fclose(file) == 0 && whole) ? 1 : (perror(path), 0);
}

int main(int argc, char** argv) {
  if (argc != 5) return fprintf(stderr, "usage: %s model.gf pictures.csv STEPS learned.state\n", argv[0]), 2;
  gf_error error = {GF_OK, -1, ""};
  gf_program* program = NULL;
  gf_weights* weights = NULL;
  gf_state* state = NULL;
  step train = {NULL, GF_TENSOR_INIT, GF_TENSOR_INIT, GF_TENSOR_INIT}, test = train;
  arena file = {NULL, NULL}, memory = {NULL, NULL}, learned = {NULL, NULL}, saved = {NULL, NULL};
  gf_needs needs = GF_NEEDS_INIT, test_needs = GF_NEEDS_INIT;
  pictures p = {NULL, NULL, 0, 0};
  void *bytes = NULL, *before = NULL, *shared = NULL;
  float loss = 0;
  int result = 1;
  const size_t size = read_file(argv[1], &file, &bytes);
  if (size == 0) {
    fprintf(stderr, "%s: cannot be read\n", argv[1]);
    goto end;
  }
  if (gf_program_load(bytes, size, NULL, &program, &error) != GF_OK) goto end;
  if (gf_session_needs(program, "train_step", NULL, &needs, &error) != GF_OK || gf_session_needs(program, "evaluate", NULL, &test_needs, &error) != GF_OK) goto end;
  const uint64_t train_bytes = needs.activation_bytes + needs.scratch_bytes, test_bytes = test_needs.activation_bytes + test_needs.scratch_bytes;
  const uint64_t shared_bytes = (train_bytes > test_bytes ? train_bytes : test_bytes) + GF_ALIGNMENT;
  const uint64_t all = needs.weights_bytes + needs.state_bytes + needs.session_bytes + test_needs.session_bytes + shared_bytes;
  printf("memory: %llu kB in all, %llu of them learned numbers\n", (unsigned long long)(all / 1000), (unsigned long long)(needs.state_bytes / 1000));
  if (!open_arena(&memory, all)) goto end;
  if (gf_weights_create(program, NULL, take(&memory, needs.weights_bytes), (size_t)needs.weights_bytes, &weights, &error) != GF_OK) goto end;
  if (gf_state_create(program, take(&memory, needs.state_bytes), (size_t)needs.state_bytes, &state, &error) != GF_OK) goto end;
  shared = take(&memory, shared_bytes);
  if (open_step(program, "train_step", weights, state, &needs, &memory, shared, &train, &error) != GF_OK) goto end;
  if (open_step(program, "evaluate", weights, state, &test_needs, &memory, shared, &test, &error) != GF_OK) goto end;
  if (!read_pictures(argv[2], (size_t)(train.picture.bytes / sizeof(float)) / (size_t)train.picture.dims[0], &p)) goto end;
  const size_t old = read_file(argv[4], &learned, &before);
  if (old > 0 && gf_state_restore(state, before, old, &error) != GF_OK) goto end;
  if (evaluate(&test, &p, "before", &error) != GF_OK) goto end;
  for (size_t i = 0; i < (size_t)atoi(argv[3]); ++i)
    if (run(&train, &p, i, &loss, &error) != GF_OK) goto end;
  if (evaluate(&test, &p, "after", &error) != GF_OK) goto end;
  result = save(state, argv[4], &saved, &error) ? 0 : 1;
end:
  if (error.status != GF_OK) fprintf(stderr, "%s: %s\n", gf_status_name((gf_status)error.status), error.text);
  gf_session_destroy(train.session);
  gf_session_destroy(test.session);
  gf_state_destroy(state);
  gf_weights_destroy(weights);
  gf_program_destroy(program);
  free(p.pixels);
  free(p.classes);
  free(saved.block);
  free(learned.block);
  free(memory.block);
  free(file.block);
  return result;
}
