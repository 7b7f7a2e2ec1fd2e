/* Ops and kernels of your own for GhostFlow, in C. Make a gf_tables, add to it, and name it in the options of gf_model_load or
 * gf_program_load. Callbacks get a gf_node, valid during the call only, and ask it for tensors and attributes.
 * Callbacks must not throw or longjmp. `infer` and `prepare` run while a session is made (infer also when shapes change),
 * `run` in gf_session_run on its thread: no heap there, or the library's promise is void.
 * Rules of ghostflow.h hold. */
#ifndef GHOSTFLOW_GHOSTFLOW_CUSTOM_H
#define GHOSTFLOW_GHOSTFLOW_CUSTOM_H

#include "runtime/include/ghostflow/ghostflow.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gf_node gf_node;

/* ------------------------------------------------------------------------------------------------ what callbacks may ask */

int32_t gf_node_input_count(const gf_node* node);
int32_t gf_node_output_count(const gf_node* node);
/** Input `index`. In infer and prepare, `data` is there for constants only. Errors: NOT_FOUND (absent), INVALID_ARGUMENT. */
gf_status gf_node_input(const gf_node* node, int32_t index, gf_tensor* tensor);
/** Output `index`; not in infer. Its data is writable in run. Errors: NOT_FOUND (nobody reads it), WRONG_PHASE. */
gf_status gf_node_output(const gf_node* node, int32_t index, gf_tensor* tensor);
/** Attributes by name, with their defaults when the model says nothing. Errors: NOT_FOUND, TYPE_MISMATCH. */
gf_status gf_node_int(const gf_node* node, const char* name, int64_t* value);
gf_status gf_node_float(const gf_node* node, const char* name, double* value);
gf_status gf_node_string(const gf_node* node, const char* name, const char** text, size_t* size);
gf_status gf_node_ints(const gf_node* node, const char* name, const int64_t** values, size_t* count);
gf_status gf_node_floats(const gf_node* node, const char* name, const float** values, size_t* count);
/** Ends the callback with an error and a sentence; returns `status`, which the callback returns in turn. In prepare,
 *  GF_UNSUPPORTED refuses the node (another kernel may take it), and `text` must be a string constant. */
gf_status gf_node_fail(gf_node* node, gf_status status, const char* text);

/** infer only: type and shape of output `index`. `min_dims` NULL: equal to `dims`. Both ends of each interval must hold for every
 *  input within its own. Errors: WRONG_PHASE, INVALID_ARGUMENT. */
gf_status gf_node_set_output(gf_node* node, int32_t index, gf_dtype dtype, int32_t rank, const int64_t* dims, const int64_t* min_dims);

/** init and run: memory of the node that lives as long as the session; zeroed before init. NULL otherwise. */
void* gf_node_data(const gf_node* node);
/** run only: scratch_bytes, and scratch_bytes_per_worker of worker `worker`; contents are lost between runs. */
void* gf_node_scratch(const gf_node* node);
void* gf_node_worker_scratch(const gf_node* node, int32_t worker);
/** run only: body(argument, task, worker) once for each task in [0, tasks), on the session's threads. Elsewhere nothing happens. */
void gf_node_parallel(const gf_node* node, int64_t tasks, void (*body)(void* argument, int64_t task, int worker), void* argument);

/* ------------------------------------------------------------------------------------------------ ops and kernels */

typedef GF_ENUM(gf_attribute_type) { GF_ATTRIBUTE_INT = 1, GF_ATTRIBUTE_FLOAT = 2, GF_ATTRIBUTE_STRING = 3, GF_ATTRIBUTE_INTS = 4, GF_ATTRIBUTE_FLOATS = 5 } gf_attribute_type;

/** At most 16 an op. `number` is what files hold: unique in the op, at least 1, never reused. Lists default to empty. */
typedef struct gf_attribute {
  const char* name;
  int32_t number;
  int32_t type;                /* gf_attribute_type */
  int64_t default_int;
  double default_float;
  const char* default_string;  /* NULL: "" */
} gf_attribute;

typedef struct gf_op {
  size_t struct_size;          /* GF_OP_INIT */
  const char* name;            /* what files hold; with a prefix of yours: "example.mirror" */
  int32_t min_inputs, max_inputs, min_outputs, max_outputs;   /* max -1: any number */
  const gf_attribute* attributes;
  int32_t attribute_count;
  gf_status (*infer)(void* context, gf_node* node);           /* must set every output */
  void* context;
} gf_op;
#define GF_OP_INIT {sizeof(gf_op), 0, 1, 1, 1, 1, 0, 0, 0, 0}

/** What prepare asks for; zeroed before. All memory is aligned to GF_ALIGNMENT. */
typedef struct gf_kernel_plan {
  uint64_t data_bytes;
  uint64_t scratch_bytes;
  uint64_t scratch_bytes_per_worker;
  uint32_t inplace_inputs;     /* bit i: output 0 may take over the memory of input i */
} gf_kernel_plan;

typedef struct gf_kernel {
  size_t struct_size;          /* GF_KERNEL_INIT */
  const char* op;              /* an op of yours or of the library: "add" */
  const char* name;            /* shown by tools */
  int32_t rank;                /* the highest that accepts wins: 0..9 reference, from 10 tuned; at most 65535 */
  gf_status (*prepare)(void* context, gf_node* node, gf_kernel_plan* plan);   /* accepts or refuses the types and shapes */
  gf_status (*init)(void* context, gf_node* node);                            /* or NULL */
  gf_status (*run)(void* context, gf_node* node);
  void (*destroy)(void* data);                                                /* or NULL; after a successful init */
  void* context;
} gf_kernel;
#define GF_KERNEL_INIT {sizeof(gf_kernel), 0, 0, 10, 0, 0, 0, 0, 0}

/** All ops and kernels of the library, to add to until the first model or program uses it. Descriptions are copied (strings too);
 *  contexts must outlive all use. Models, programs and sessions keep what they use: the table may go before them. */
gf_status gf_tables_create(gf_tables** tables, gf_error* error);
void gf_tables_destroy(gf_tables* tables);
/** Errors: INVALID_ARGUMENT (a name that is taken, a missing function, arity), WRONG_PHASE (in use already). */
gf_status gf_tables_add_op(gf_tables* tables, const gf_op* op, gf_error* error);
/** Errors: NOT_FOUND (op), INVALID_ARGUMENT, WRONG_PHASE. */
gf_status gf_tables_add_kernel(gf_tables* tables, const gf_kernel* kernel, gf_error* error);

#ifdef __cplusplus
}
#endif
#endif /* GHOSTFLOW_GHOSTFLOW_CUSTOM_H */
