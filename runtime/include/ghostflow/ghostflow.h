/* GhostFlow in C (C99 and later): runs .gf files. Two levels over one engine:
 *   gf_model    owns everything: load, fill inputs, run, read outputs;
 *   gf_program, gf_weights, gf_state, gf_session: the memory of each is the caller's (gf_session_needs tells how much).
 * Rules that hold for every function below, unless its comment says otherwise:
 *   - A function that can fail returns a gf_status. `error` may be NULL; when given, it is filled on failure.
 *   - No C++ exception and no signal comes out. NULL where an object is needed is GF_INVALID_ARGUMENT.
 *   - Objects are made by *_create / *_load and end with *_destroy, which takes NULL. What an object was made from (bytes,
 *     memory, tables, program, weights, state, threads) must outlive it. Strings that are returned belong to the object.
 *   - An object belongs to one thread at a time; gf_program and gf_weights may be shared by any number of threads.
 *   - Sizes are bytes; shapes are elements, outermost first (row-major; images NHWC or as the model says); times nanoseconds.
 *   - Structs that begin with struct_size are initialised with their *_INIT macro (or sizeof); another size is
 *     GF_INVALID_ARGUMENT, so a program built for a newer library fails cleanly. */
#ifndef GHOSTFLOW_GHOSTFLOW_H
#define GHOSTFLOW_GHOSTFLOW_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#define GF_ENUM(name) enum name : int32_t  /* any number may come from C */
#else
#define GF_ENUM(name) enum name
#endif

/** Grows with every change of the binary interface; equal numbers fit together. */
#define GF_ABI_VERSION 1
/** GF_ABI_VERSION of the library that is linked: compare it with the header's. Any thread. */
uint32_t gf_abi_version(void);
/** "0.1.0". Any thread. */
const char* gf_version_string(void);

/* ------------------------------------------------------------------------------------------------------------ vocabulary */

/** What went wrong. Values are stable. */
typedef GF_ENUM(gf_status) {
  GF_OK = 0,
  /* the caller's arguments */
  GF_INVALID_ARGUMENT = 1,
  GF_NOT_FOUND = 2,            /* no entry, input, output, state or file of that name */
  GF_SHAPE_MISMATCH = 3,
  GF_TYPE_MISMATCH = 4,
  GF_BUFFER_TOO_SMALL = 5,
  GF_MISALIGNED = 6,
  GF_WRONG_PHASE = 7,          /* call order: run before bind, ... */
  GF_SHAPE_OUT_OF_BOUNDS = 8,
  /* the file */
  GF_BAD_FILE = 20, GF_BAD_VERSION = 21, GF_BAD_CHECKSUM = 22, GF_BAD_GRAPH = 23, GF_BAD_ATTRIBUTE = 24,
  GF_LIMIT_EXCEEDED = 25,
  /* what this build lacks */
  GF_UNSUPPORTED = 40, GF_UNKNOWN_OP = 41, GF_NOT_IMPLEMENTED = 42,
  /* resources */
  GF_OUT_OF_MEMORY = 60, GF_IO_ERROR = 61,
  GF_BUSY = 62,                /* in use by another thread at the same time */
  /* while running */
  GF_INDEX_OUT_OF_RANGE = 80, GF_DIVISION_BY_ZERO = 81, GF_BAD_DATA = 82, GF_CANCELLED = 83, GF_NON_FINITE = 84,
  GF_INTERNAL = 99             /* a bug in GhostFlow; please report */
} gf_status;

/** "ShapeMismatch" and so on; never NULL. Any thread. */
const char* gf_status_name(gf_status status);

/** A failure in full. Written on failure only. */
typedef struct gf_error {
  int32_t status;              /* gf_status */
  int32_t node;                /* index of the node in its entry, -1 when none is to blame */
  char text[240];              /* UTF-8 sentence without control characters: what, where, what to do */
} gf_error;

/** Element types. Values are stable. Sub-byte types are packed, low bits first. */
typedef GF_ENUM(gf_dtype) {
  GF_ANY = 0,
  GF_FLOAT32 = 1, GF_FLOAT64 = 2, GF_FLOAT16 = 3, GF_BFLOAT16 = 4,
  GF_INT8 = 5, GF_UINT8 = 6, GF_INT16 = 7, GF_UINT16 = 8, GF_INT32 = 9, GF_UINT32 = 10, GF_INT64 = 11, GF_UINT64 = 12,
  GF_BOOL = 13, GF_STRING = 14, GF_INT4 = 15, GF_UINT4 = 16, GF_INT2 = 17, GF_UINT2 = 18,
  GF_FLOAT8E4M3FN = 19, GF_FLOAT8E4M3FNUZ = 20, GF_FLOAT8E5M2 = 21, GF_FLOAT8E5M2FNUZ = 22, GF_FLOAT4E2M1 = 23,
  GF_FLOAT8E8M0 = 24, GF_COMPLEX64 = 25, GF_COMPLEX128 = 26
} gf_dtype;
/** "float32" and so on; "invalid" for numbers that are none. Never NULL. Any thread. */
const char* gf_dtype_name(gf_dtype dtype);

#define GF_MAX_RANK 8
/** Alignment in bytes that all memory for weights, state and sessions, and the bytes of a program, must have. */
#define GF_ALIGNMENT 64

/** A tensor of an entry, a session, a State or a node. Filled by the library. */
typedef struct gf_tensor {
  size_t struct_size;          /* GF_TENSOR_INIT */
  const char* name;            /* NUL-terminated, "" when it has none */
  int32_t dtype;               /* gf_dtype */
  int32_t rank;                /* 0 for a scalar */
  int64_t dims[GF_MAX_RANK];   /* current size; the largest, where it is not decided yet */
  int64_t min_dims[GF_MAX_RANK];  /* smallest size; equal to dims where it is decided */
  void* data;                  /* NULL where there is none (yet) */
  uint64_t bytes;              /* of the elements at `dims` */
} gf_tensor;
#define GF_TENSOR_INIT {sizeof(gf_tensor), 0, 0, 0, {0}, {0}, 0, 0}

typedef GF_ENUM(gf_kind) { GF_INPUT = 0, GF_OUTPUT = 1, GF_STATE = 2 } gf_kind;

/** Where objects and set-up memory come from. Both functions or none; `allocate` returns `bytes` (> 0) bytes aligned to
 *  `alignment` (a power of two), or NULL. Never called while a session runs. */
typedef struct gf_allocator {
  void* (*allocate)(void* context, size_t bytes, size_t alignment);
  void (*release)(void* context, void* memory, size_t bytes);
  void* context;
} gf_allocator;

/** The caller's threads. `run` calls body(argument, task, worker) once for each task in [0, tasks), worker in [0, threads),
 *  no two at a time with one worker, and returns when all are done. */
typedef struct gf_parallel {
  void (*run)(void* context, int64_t tasks, void (*body)(void* argument, int64_t task, int worker), void* argument);
  void* context;
  int32_t threads;
} gf_parallel;

typedef GF_ENUM(gf_log_level) { GF_LOG_DEBUG = 0, GF_LOG_INFO = 1, GF_LOG_WARNING = 2, GF_LOG_ERROR = 3 } gf_log_level;
/** Receives one line without a newline, on the thread of the call it is about. Not called while a session runs. */
typedef void (*gf_log_function)(void* context, gf_log_level level, const char* text);

typedef struct gf_tables gf_tables;    /* ops and kernels (ghostflow_custom.h); NULL stands for those of the library */
typedef struct gf_model gf_model;
typedef struct gf_program gf_program;
typedef struct gf_weights gf_weights;
typedef struct gf_state gf_state;
typedef struct gf_session gf_session;

/** Flags of options. */
enum {
  GF_STRICT = 1,               /* refuse portable reference kernels */
  GF_VERIFY_DATA = 2,          /* check the checksum over every byte of the file */
  GF_EXTERNAL_INPUTS = 4,      /* inputs are bound to caller memory (zero copy) */
  GF_EXTERNAL_OUTPUTS = 8,
  GF_IN_PLACE = 16             /* gf_model_load_memory: use the bytes where they are */
};

/* ------------------------------------------------------------------------------------------------------------ gf_model */

typedef struct gf_model_options {
  size_t struct_size;          /* GF_MODEL_OPTIONS_INIT */
  uint32_t flags;              /* GF_STRICT | ... */
  int32_t threads;             /* 0: all physical cores; up to 1024. Ignored when `parallel` is given */
  gf_parallel parallel;
  uint64_t pool_bytes;         /* for values whose size has no bound; 0: 64 MiB */
  const gf_tables* tables;
  gf_log_function log;         /* or NULL */
  void* log_context;
} gf_model_options;
#define GF_MODEL_OPTIONS_INIT {sizeof(gf_model_options), 0, 0, {0, 0, 0}, 0, 0, 0, 0}

/** Maps and checks a .gf file. `options` may be NULL. The file must not shrink while the model lives (replace it by renaming
 *  another over it). Errors: NOT_FOUND, IO_ERROR, BAD_FILE and the other file errors, UNKNOWN_OP, OUT_OF_MEMORY. */
gf_status gf_model_load(const char* path, const gf_model_options* options, gf_model** model, gf_error* error);
/** The same from memory. The bytes are copied, unless GF_IN_PLACE is set: then they must be aligned to GF_ALIGNMENT, and stay
 *  as they are until the model is destroyed. A build with assertions notices most changes of them and says WRONG_PHASE. */
gf_status gf_model_load_memory(const void* bytes, size_t size, const gf_model_options* options, gf_model** model, gf_error* error);
void gf_model_destroy(gf_model* model);

/** Memory of input `name` of the entry "main" (or of the only entry), to write into: `bytes` bytes of `dtype`. A dtype of GF_ANY
 *  fits all. The address stays until the input's shape changes. Errors: NOT_FOUND, TYPE_MISMATCH, WRONG_PHASE (external). */
gf_status gf_model_input(gf_model* model, const char* name, gf_dtype dtype, void** data, size_t* bytes, gf_error* error);
/** The same for an output; its contents are those of the last run. */
gf_status gf_model_output(gf_model* model, const char* name, gf_dtype dtype, const void** data, size_t* bytes, gf_error* error);
/** Runs "main". Errors: as gf_session_run, and those of the first set-up of the session. */
gf_status gf_model_run(gf_model* model, gf_error* error);

/** Session of `entry` (NULL: "main"), made on first use; it belongs to the model and is never destroyed by the caller.
 *  Errors: NOT_FOUND, UNSUPPORTED (a node no kernel takes), OUT_OF_MEMORY, BUSY (another thread is setting one up). */
gf_status gf_model_session(gf_model* model, const char* entry, gf_session** session, gf_error* error);
/** The model's program and State; they belong to it. NULL: no model, or it has no State. */
const gf_program* gf_model_program(const gf_model* model);
gf_state* gf_model_state(gf_model* model);

/* ------------------------------------------------------------------------------------------------------------ gf_program */

typedef struct gf_program_options {
  size_t struct_size;          /* GF_PROGRAM_OPTIONS_INIT */
  uint32_t flags;              /* GF_VERIFY_DATA */
  const gf_tables* tables;
  gf_allocator allocator;      /* for this program and all that is made from it; none: malloc */
} gf_program_options;
#define GF_PROGRAM_OPTIONS_INIT {sizeof(gf_program_options), 0, 0, {0, 0, 0}}

/** Checks a .gf file completely and uses it in place. `bytes`: aligned to GF_ALIGNMENT, unchanged while the program lives.
 *  Errors: MISALIGNED, the file errors, UNKNOWN_OP. */
gf_status gf_program_load(const void* bytes, size_t size, const gf_program_options* options, gf_program** program, gf_error* error);
void gf_program_destroy(gf_program* program);

/** Entry points. -1: no program. */
int32_t gf_program_entry_count(const gf_program* program);
/** NULL when there is no such entry. */
const char* gf_program_entry_name(const gf_program* program, int32_t entry);
/** How many inputs or outputs `entry` (NULL: "main") has, or states the program; -1 when there is no such entry. */
int32_t gf_program_count(const gf_program* program, const char* entry, gf_kind kind);
/** One of them, with the interval of each dimension and no data. Errors: NOT_FOUND (entry), INVALID_ARGUMENT (index). */
gf_status gf_program_tensor(const gf_program* program, const char* entry, gf_kind kind, int32_t index, gf_tensor* tensor, gf_error* error);
/** Metadata by key ("labels", "license", "image", ...). The text is not NUL-terminated. Errors: NOT_FOUND. */
gf_status gf_program_metadata(const gf_program* program, const char* key, const char** text, size_t* size, gf_error* error);
/** Line `index` of the metadata "labels": the name of class `index`. Errors: NOT_FOUND. */
gf_status gf_program_label(const gf_program* program, int32_t index, const char** text, size_t* size, gf_error* error);

/* ------------------------------------------------------------------------------------------------------------ threads */

typedef struct gf_threads gf_threads;  /* a pool that sessions may share; they then take turns */
/** `count` threads, the caller's own among them; 0: all physical cores. `allocator` may be NULL. Idle threads sleep.
 *  Errors: INVALID_ARGUMENT (count), OUT_OF_MEMORY (the system refused a thread). */
gf_status gf_threads_create(int32_t count, const gf_allocator* allocator, gf_threads** threads, gf_error* error);
void gf_threads_destroy(gf_threads* threads);

/* ------------------------------------------------------------------------------- gf_weights, gf_state, gf_session: your memory */

typedef struct gf_session_options {
  size_t struct_size;          /* GF_SESSION_OPTIONS_INIT */
  uint32_t flags;              /* GF_STRICT | GF_EXTERNAL_INPUTS | GF_EXTERNAL_OUTPUTS */
  const gf_threads* threads;   /* or NULL */
  gf_parallel parallel;        /* used when `threads` is NULL; none: the calling thread alone */
  uint64_t pool_bytes;         /* for values whose size has no bound; 0: refuse entries that have them */
} gf_session_options;
#define GF_SESSION_OPTIONS_INIT {sizeof(gf_session_options), 0, 0, {0, 0, 0}, 0}

/** Bytes of each kind of memory. All blocks are aligned to GF_ALIGNMENT; one byte less is GF_BUFFER_TOO_SMALL. */
typedef struct gf_needs {
  size_t struct_size;          /* GF_NEEDS_INIT */
  uint64_t weights_bytes;      /* packed constants, shared by all sessions of the program */
  uint64_t state_bytes;        /* shared by sessions that work on one State; 0: the program has none */
  uint64_t session_bytes;      /* records of the session */
  uint64_t activation_bytes;   /* may be shared by sessions that never run at once */
  uint64_t scratch_bytes;      /* likewise */
  uint64_t pool_bytes;
} gf_needs;
#define GF_NEEDS_INIT {sizeof(gf_needs), 0, 0, 0, 0, 0, 0}

/** What a session of `entry` (NULL: "main") will need with exactly these options (NULL: defaults). Errors: NOT_FOUND, UNSUPPORTED. */
gf_status gf_session_needs(const gf_program* program, const char* entry, const gf_session_options* options, gf_needs* needs, gf_error* error);
/** Packs the constants of all entries into `memory` for sessions of these options. Errors: BUFFER_TOO_SMALL, MISALIGNED. */
gf_status gf_weights_create(const gf_program* program, const gf_session_options* options, void* memory, size_t bytes,
                            gf_weights** weights, gf_error* error);
void gf_weights_destroy(gf_weights* weights);
/** Lays out State and sets its initial values. Errors: BUFFER_TOO_SMALL, MISALIGNED. */
gf_status gf_state_create(const gf_program* program, void* memory, size_t bytes, gf_state** state, gf_error* error);
void gf_state_destroy(gf_state* state);

/** Memory of one session; sizes as gf_needs says (blocks of size 0 may be NULL). */
typedef struct gf_session_memory {
  size_t struct_size;          /* GF_SESSION_MEMORY_INIT */
  void* session;      size_t session_bytes;
  void* activations;  size_t activation_bytes;
  void* scratch;      size_t scratch_bytes;
  void* pool;         size_t pool_bytes;
} gf_session_memory;
#define GF_SESSION_MEMORY_INIT {sizeof(gf_session_memory), 0, 0, 0, 0, 0, 0, 0, 0}

/** An entry made ready to run. `state` may be NULL when the program has none. Errors: NOT_FOUND, INVALID_ARGUMENT (State or
 *  weights do not fit), BUFFER_TOO_SMALL, MISALIGNED, UNSUPPORTED. */
gf_status gf_session_create(const gf_program* program, const char* entry, const gf_weights* weights, gf_state* state,
                            const gf_session_options* options, const gf_session_memory* memory, gf_session** session, gf_error* error);
/** Not for sessions that belong to a gf_model (which ignores it). */
void gf_session_destroy(gf_session* session);

/* ------------------------------------------------------------------------------------------------------------ running */

/** How many inputs or outputs; -1: no session. */
int32_t gf_session_count(const gf_session* session, gf_kind kind);
/** Index of the input or output of that name, or -1. */
int32_t gf_session_find(const gf_session* session, gf_kind kind, const char* name);
/** An input (write into its data before a run) or output (read after a run) as it is now. Data in memory of the session is
 *  aligned to GF_ALIGNMENT. Errors: INVALID_ARGUMENT (index). */
gf_status gf_session_tensor(const gf_session* session, gf_kind kind, int32_t index, gf_tensor* tensor, gf_error* error);
/** New shape of a dynamic input, inside its bounds; no memory is allocated. Errors: SHAPE_MISMATCH, SHAPE_OUT_OF_BOUNDS, BUSY. */
gf_status gf_session_set_shape(gf_session* session, int32_t input, const int64_t* dims, int32_t rank, gf_error* error);
/** Copies exactly the bytes of the input in its current shape. Errors: SHAPE_MISMATCH (another number of bytes), WRONG_PHASE,
 *  BUSY. */
gf_status gf_session_write(gf_session* session, int32_t input, const void* data, size_t bytes, gf_error* error);
/** Copies an output; `bytes` must be at least its bytes. Errors: BUFFER_TOO_SMALL, BUSY, WRONG_PHASE (nothing there yet). */
gf_status gf_session_read(const gf_session* session, int32_t output, void* data, size_t bytes, gf_error* error);
/** Caller memory for an input or output of a session made with GF_EXTERNAL_*: room for the largest shape, aligned to the
 *  element; read or written by every later run until bound anew. Errors: WRONG_PHASE, BUFFER_TOO_SMALL, MISALIGNED, BUSY. */
gf_status gf_session_bind(gf_session* session, gf_kind kind, int32_t index, void* data, size_t bytes, gf_error* error);

/** Runs once: no heap, no locks but the pool's. Errors: WRONG_PHASE (something is not bound), BUSY (another thread runs it),
 *  CANCELLED, and those that data cause (INDEX_OUT_OF_RANGE, DIVISION_BY_ZERO, BAD_DATA). After an error State is as before. */
gf_status gf_session_run(gf_session* session, gf_error* error);
/** `cancel` 1: a run that is going on, and every later one, stops between nodes with CANCELLED; 0: no more. Any thread. */
void gf_session_cancel(gf_session* session, int cancel);
/** Called after every node with its times on the monotonic clock, on the thread of the run; must not call the session.
 *  NULL ends it. Errors: BUSY. */
typedef void (*gf_profile_function)(void* context, int32_t node, uint64_t begin_ns, uint64_t end_ns);
gf_status gf_session_set_profile(gf_session* session, gf_profile_function function, void* context, gf_error* error);

/** What create decided for a node. */
typedef struct gf_node_report {
  size_t struct_size;          /* GF_NODE_REPORT_INIT */
  const char* op;
  const char* kernel;          /* "" for control flow */
  const char* refused;         /* why the best other kernel was not taken; "" when there was none */
  const char* name;            /* of the node in the file */
} gf_node_report;
#define GF_NODE_REPORT_INIT {sizeof(gf_node_report), 0, 0, 0, 0}
/** -1: no session. */
int32_t gf_session_node_count(const gf_session* session);
gf_status gf_session_node(const gf_session* session, int32_t node, gf_node_report* report, gf_error* error);

/* ------------------------------------------------------------------------------------------------------------ State */

/** Copies one state in or out, dense, in the shape that gf_program_tensor tells; `bytes` must be its size exactly.
 *  Errors: NOT_FOUND, SHAPE_MISMATCH. */
gf_status gf_state_read(const gf_state* state, const char* name, void* data, size_t bytes, gf_error* error);
gf_status gf_state_write(gf_state* state, const char* name, const void* data, size_t bytes, gf_error* error);
/** Back to the initial values. */
gf_status gf_state_reset(gf_state* state, gf_error* error);
/** All states in one checked block: its size (0: no state), writing it, and taking it back, which changes either everything or,
 *  on an error, nothing. Errors: BUFFER_TOO_SMALL; BAD_FILE, BAD_CHECKSUM, SHAPE_MISMATCH (saved by another program). */
size_t gf_state_save_bytes(const gf_state* state);
gf_status gf_state_save(const gf_state* state, void* data, size_t bytes, gf_error* error);
gf_status gf_state_restore(gf_state* state, const void* data, size_t bytes, gf_error* error);

#ifdef __cplusplus
}
#endif
#endif /* GHOSTFLOW_GHOSTFLOW_H */
