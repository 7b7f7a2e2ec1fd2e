// Classifies five pictures and prints what it sees: "digit 7: 7 (1000 of 1000)". Exit status 0 when all are right.
#include "examples/bare_metal/classifier.h"
#include "examples/bare_metal/console.h"
#include "examples/bare_metal/pictures.h"

namespace {

void write_number(uint32_t value) {
  char text[11];
  char* at = text + sizeof text;
  *--at = '\0';
  do *--at = static_cast<char>('0' + value % 10);
  while ((value /= 10) != 0);
  console_write(at);
}

}  // namespace

int main() {
  gf::ErrorDetail detail;
  if (digits::start(detail) != gf::Error::Ok) {
    console_write(gf::error_name(detail.error));
    console_write("\n");
    return 1;
  }
  write_number(digits::arena_bytes());
  console_write(" bytes of static memory for the runtime\n");
  int wrong = 0;
  for (const digits::Picture& picture : digits::kPictures) {
    float probabilities[digits::kClasses];
    if (digits::classify(picture.pixels, probabilities, detail) != gf::Error::Ok) return 1;
    int best = 0;
    for (int i = 1; i < digits::kClasses; ++i)
      if (probabilities[i] > probabilities[best]) best = i;
    console_write("digit ");
    write_number(static_cast<uint32_t>(picture.label));
    console_write(": ");
    write_number(static_cast<uint32_t>(best));
    console_write(" (");
    write_number(static_cast<uint32_t>(probabilities[best] * 1000.0f + 0.5f));
    console_write(" of 1000)\n");
    if (best != picture.label) ++wrong;
  }
  return wrong;
}
