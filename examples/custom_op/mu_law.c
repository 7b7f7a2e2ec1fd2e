/* An op of one's own in C99: mu-law companding, as in mu_law.cpp. Runs the .gf that example_custom_op wrote.
 * Usage: example_custom_op_c mu_law.gf SAMPLE... */
#include <ghostflow/ghostflow_custom.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Which shape comes out. */
static gf_status infer(void* context, gf_node* node) {
  gf_tensor x = GF_TENSOR_INIT;
  double mu = 0;
  (void)context;
  if (gf_node_input(node, 0, &x) != GF_OK || x.dtype != GF_FLOAT32) return gf_node_fail(node, GF_TYPE_MISMATCH, "samples must be float32");
  if (gf_node_float(node, "mu", &mu) != GF_OK || !(mu > 0)) return gf_node_fail(node, GF_BAD_ATTRIBUTE, "mu must be above 0");
  return gf_node_set_output(node, 0, GF_FLOAT32, x.rank, x.dims, x.min_dims);
}

/* Accepts or refuses types and shapes (infer left nothing to refuse), and says what memory run wants. */
static gf_status prepare(void* context, gf_node* node, gf_kernel_plan* plan) {
  (void)context;
  (void)node;
  plan->inplace_inputs = 1; /* element by element: the output may lie where the input lay */
  return GF_OK;
}

/* Computes; no heap in here. */
static gf_status run(void* context, gf_node* node) {
  gf_tensor x = GF_TENSOR_INIT, y = GF_TENSOR_INIT;
  double mu = 0;
  (void)context;
  if (gf_node_input(node, 0, &x) != GF_OK || gf_node_output(node, 0, &y) != GF_OK || gf_node_float(node, "mu", &mu) != GF_OK)
    return GF_INTERNAL;
  const float* in = x.data;
  float* out = y.data;
  for (uint64_t i = 0; i < x.bytes / sizeof(float); ++i)
    out[i] = copysignf((float)(log1p(mu * fabs((double)in[i])) / log1p(mu)), in[i]);
  return GF_OK;
}

/* Library, op and kernel: what a program registers once. */
static gf_status make_tables(gf_tables** tables, gf_error* error) {
  static const gf_attribute attributes[] = {{"mu", 1, GF_ATTRIBUTE_FLOAT, 0, 255, NULL}};
  gf_op op = GF_OP_INIT;
  gf_kernel kernel = GF_KERNEL_INIT;
  op.name = kernel.op = "example.mu_law";
  op.attributes = attributes;
  op.attribute_count = 1;
  op.infer = infer;
  kernel.name = "mu_law_c";
  kernel.prepare = prepare;
  kernel.run = run;
  gf_status status = gf_tables_create(tables, error);
  if (status == GF_OK) status = gf_tables_add_op(*tables, &op, error);
  if (status == GF_OK) status = gf_tables_add_kernel(*tables, &kernel, error);
  return status;
}

int main(int argc, char** argv) {
  if (argc < 3) return fprintf(stderr, "usage: %s mu_law.gf SAMPLE...\n", argv[0]), 2;
  gf_error error = {GF_OK, -1, ""};
  gf_tables* tables = NULL;
  gf_model* model = NULL;
  gf_session* session = NULL;
  gf_model_options options = GF_MODEL_OPTIONS_INIT;
  const int64_t count = argc - 2;
  void* samples = NULL;
  const void* compressed = NULL;
  if (make_tables(&tables, &error) != GF_OK) goto end;
  options.tables = tables;
  if (gf_model_load(argv[1], &options, &model, &error) != GF_OK) goto end;
  if (gf_model_session(model, NULL, &session, &error) != GF_OK) goto end;
  if (gf_session_set_shape(session, 0, &count, 1, &error) != GF_OK) goto end;
  if (gf_model_input(model, "samples", GF_FLOAT32, &samples, NULL, &error) != GF_OK) goto end;
  for (int64_t i = 0; i < count; ++i) ((float*)samples)[i] = strtof(argv[i + 2], NULL);
  if (gf_model_run(model, &error) != GF_OK) goto end;
  if (gf_model_output(model, "compressed", GF_FLOAT32, &compressed, NULL, &error) != GF_OK) goto end;
  for (int64_t i = 0; i < count; ++i) printf("%.6f\n", (double)((const float*)compressed)[i]);
end:
  if (error.status != GF_OK) fprintf(stderr, "%s: %s\n", gf_status_name((gf_status)error.status), error.text);
  gf_model_destroy(model);
  gf_tables_destroy(tables);
  return error.status != GF_OK;
}
