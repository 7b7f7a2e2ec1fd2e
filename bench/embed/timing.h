/* What the programs of this folder measure with: microseconds of a steady clock, and medians. */
#ifndef GHOSTFLOW_BENCH_EMBED_TIMING_H
#define GHOSTFLOW_BENCH_EMBED_TIMING_H

#include <stdlib.h>
#include <time.h>

static inline double now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static inline int ascending(const void* a, const void* b) {
  const double x = *(const double*)a, y = *(const double*)b;
  return (x > y) - (x < y);
}

/* Sorts the n values of v. */
static inline double median(double* v, int n) {
  qsort(v, (size_t)n, sizeof *v, ascending);
  return v[n / 2];
}

#endif
