/* Misuse in C: each call gets a status and a sentence. tests/facade/c_misuse_test.cpp goes through all of them; this shows that a
 * C compiler sees the same. Prints how many were as they should be. */
#include <ghostflow/ghostflow.h>
#include <ghostflow/ghostflow_custom.h>

#include <stdio.h>
#include <string.h>

static int g_right;
static gf_error g_error;

static void expect(gf_status got, gf_status wanted, const char* words) {
  if (got == wanted && (words == NULL || strstr(g_error.text, words) != NULL)) ++g_right;
  else fprintf(stderr, "got %s (%s), wanted %s with '%s'\n", gf_status_name(got), g_error.text, gf_status_name(wanted), words ? words : "");
  memset(&g_error, 0, sizeof g_error);
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  gf_model* model = NULL;
  gf_session* session = NULL;
  gf_tables* tables = NULL;
  void* data = NULL;
  float pixels[784] = {0};
  gf_model_options options = GF_MODEL_OPTIONS_INIT;
  expect(gf_model_load(NULL, NULL, &model, &g_error), GF_INVALID_ARGUMENT, "path is NULL");
  expect(gf_model_load(argv[1], NULL, NULL, &g_error), GF_INVALID_ARGUMENT, "model is NULL");
  expect(gf_model_run(model, &g_error), GF_INVALID_ARGUMENT, "model is NULL");
  options.struct_size = 4000;
  expect(gf_model_load(argv[1], &options, &model, &g_error), GF_INVALID_ARGUMENT, "struct_size is 4000");
  options.struct_size = sizeof options;
  options.flags = 1u << 31;
  expect(gf_model_load(argv[1], &options, &model, &g_error), GF_INVALID_ARGUMENT, "0x80000000");
  expect(gf_model_load("/no/such.gf", NULL, &model, &g_error), GF_NOT_FOUND, "/no/such.gf");
  expect(gf_model_load_memory("junk", 4, NULL, &model, &g_error), GF_BAD_FILE, NULL);
  expect(gf_model_load(argv[1], NULL, &model, &g_error), GF_OK, NULL);
  expect(gf_model_input(model, "pixels", GF_FLOAT32, &data, NULL, &g_error), GF_NOT_FOUND, "pixels");
  expect(gf_model_input(model, "image", GF_INT8, &data, NULL, &g_error), GF_TYPE_MISMATCH, "float32");
  expect(gf_model_session(model, "train", &session, &g_error), GF_NOT_FOUND, "train");
  expect(gf_model_session(model, NULL, &session, &g_error), GF_OK, NULL);
  expect(gf_session_write(session, 0, pixels, sizeof pixels - 1, &g_error), GF_SHAPE_MISMATCH, "3136 bytes");
  expect(gf_session_write(session, 7, pixels, sizeof pixels, &g_error), GF_INVALID_ARGUMENT, "no input 7");
  expect(gf_session_bind(session, GF_INPUT, 0, pixels, sizeof pixels, &g_error), GF_WRONG_PHASE, NULL);
  expect(gf_session_run((gf_session*)model, &g_error), GF_INVALID_ARGUMENT, "not a session");
  expect(gf_tables_create(&tables, &g_error), GF_OK, NULL);
  expect(gf_tables_add_op(tables, NULL, &g_error), GF_INVALID_ARGUMENT, "op is NULL");
  gf_tables_destroy(tables);
  gf_model_destroy(model);
  gf_model_destroy(NULL);
  printf("%d\n", g_right);
  return 0;
}
