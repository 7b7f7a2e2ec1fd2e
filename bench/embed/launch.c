/* Starts a program N times, one after another: wall time from start to end, and peak memory. A small static program, because a
 * process keeps the peak of the one that started it. Usage: launch N PROGRAM ARGUMENTS...  -> medians: milliseconds, kilobytes */
#define _DEFAULT_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "timing.h"

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const int n = atoi(argv[1]);
  double* walls = malloc((size_t)n * sizeof(double));
  double* peaks = malloc((size_t)n * sizeof(double));
  for (int i = 0; i < n; ++i) {
    struct rusage usage;
    int status = 0;
    const double begin = now_us();
    const pid_t child = vfork();
    if (child == 0) {
      dup2(open("/dev/null", O_WRONLY), 1);
      execv(argv[2], argv + 2);
      _exit(127);
    }
    if (child < 0 || wait4(child, &status, 0, &usage) != child || status != 0) return 1;
    walls[i] = (now_us() - begin) * 1e-3;
    peaks[i] = (double)usage.ru_maxrss;
  }
  printf("%.3f %.0f\n", median(walls, n), median(peaks, n));
  return 0;
}
