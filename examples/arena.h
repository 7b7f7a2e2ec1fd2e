/* For the examples in C: a block of memory that is handed out in aligned pieces, and files read into one. */
#ifndef GHOSTFLOW_EXAMPLES_ARENA_H
#define GHOSTFLOW_EXAMPLES_ARENA_H

#include <ghostflow/ghostflow.h>

#include <stdio.h>
#include <stdlib.h>

typedef struct {
  void* block;
  char* at;
} arena;

static void* take(arena* a, uint64_t bytes) {
  void* p = a->at;
  a->at += (bytes + GF_ALIGNMENT - 1) / GF_ALIGNMENT * GF_ALIGNMENT;
  return p;
}

static int open_arena(arena* a, uint64_t bytes) {
  a->block = malloc((size_t)bytes + 8 * GF_ALIGNMENT);
  if (a->block == NULL) return 0;
  a->at = (char*)a->block + (GF_ALIGNMENT - (uintptr_t)a->block % GF_ALIGNMENT) % GF_ALIGNMENT;
  return 1;
}

/* Bytes of a file in memory aligned to GF_ALIGNMENT. */
static size_t read_file(const char* path, arena* a, void** bytes) {
  FILE* file = fopen(path, "rb");
  if (file == NULL || fseek(file, 0, SEEK_END) != 0) return 0;
  const long size = ftell(file);
  rewind(file);
  size_t got = 0;
  if (size > 0 && open_arena(a, (uint64_t)size)) {
    *bytes = take(a, (uint64_t)size);
    got = fread(*bytes, 1, (size_t)size, file);
  }
  fclose(file);
  return got;
}

#endif
