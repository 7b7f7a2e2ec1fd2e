// Classifies five pictures and prints what it sees: "digit 7: 7 (1000 of 1000)". Exit status 0 when all are right.
#include "examples/bare_metal/classifier.h"
#include "examples/bare_metal/console.h"
#include "examples/bare_metal/pictures.h"
#include "runtime/core/format.h"

int main() {
  char line[320];
  gf::ErrorDetail detail;
  if (digits::start(detail) != gf::Error::Ok) {
    gf::format_text(line, sizeof line, "%s: %s\n", gf::error_name(detail.error), detail.text);
    console_write(line);
    return 1;
  }
  gf::format_text(line, sizeof line, "%u bytes of static memory for the runtime\n", digits::arena_bytes());
  console_write(line);
  int wrong = 0;
  for (const digits::Picture& picture : digits::kPictures) {
    float probabilities[digits::kClasses];
    if (digits::classify(picture.pixels, probabilities, detail) != gf::Error::Ok) return 1;
    int best = 0;
    for (int i = 1; i < digits::kClasses; ++i)
      if (probabilities[i] > probabilities[best]) best = i;
    gf::format_text(line, sizeof line, "digit %d: %d (%d of 1000)\n", picture.label, best,
                    static_cast<int>(probabilities[best] * 1000.0f + 0.5f));
    console_write(line);
    if (best != picture.label) ++wrong;
  }
  return wrong;
}
