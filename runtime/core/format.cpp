#include "runtime/core/format.h"

#include <cstdint>

namespace gf {
namespace {

constexpr int kDigits = 6;  // of %g

class Writer {
 public:
  Writer(char* out, size_t capacity) : out_(out), left_(capacity == 0 ? 0 : capacity - 1) {}

  void put(char c) {
    if (left_ == 0) return;
    out_[count_++] = c;
    --left_;
  }
  void text(const char* s, size_t most) {
    if (s == nullptr) s = "(null)";
    for (; most != 0 && *s != '\0'; --most) put(*s++);
  }
  void number(uint64_t value) {
    char digits[20];
    int n = 0;
    do digits[n++] = static_cast<char>('0' + value % 10);
    while ((value /= 10) != 0);
    while (n > 0) put(digits[--n]);
  }
  void number(int64_t value) {
    if (value < 0) put('-');
    number(value < 0 ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value));
  }
  void real(double value);

  size_t count() const { return count_; }

 private:
  char* out_;
  size_t left_;
  size_t count_ = 0;
};

// As %g of C: six significant digits without trailing zeros, an exponent below 1e-4 and from 1e6.
void Writer::real(double value) {
  if (value != value) return text("nan", 3);
  if (value < 0 || (value == 0 && 1 / value < 0)) {
    put('-');
    value = -value;
  }
  if (value == 0) return put('0');
  if (value > 1.7976931348623157e308) return text("inf", 3);
  const double given = value;
  int exponent = 0;  // value becomes a number in [1, 10) times ten to this
  struct Power {
    double factor;
    int exponent;
  };
  constexpr Power kPowers[] = {{1e256, 256}, {1e128, 128}, {1e64, 64}, {1e32, 32}, {1e16, 16},
                               {1e8, 8},     {1e4, 4},     {1e2, 2},   {1e1, 1}};
  for (const Power& p : kPowers) {
    if (value >= p.factor) {
      value /= p.factor;
      exponent += p.exponent;
    } else if (value * p.factor < 10) {
      value *= p.factor;
      exponent -= p.exponent;
    }
  }
  double scaled = value * 1e5;
  int steps = exponent < 5 ? 5 - exponent : exponent - 5;
  if (steps <= 22) {  // powers of ten that are exact: one rounding instead of several, so that ties are seen as ties
    double power = 1;
    for (; steps > 0; --steps) power *= 10;
    scaled = exponent < 5 ? given * power : given / power;
  }
  auto mantissa = static_cast<uint32_t>(scaled);
  const double rest = scaled - mantissa;
  if (rest > 0.5 || (rest == 0.5 && mantissa % 2 == 1)) ++mantissa;
  if (mantissa == 1000000) {
    mantissa = 100000;
    ++exponent;
  }
  char digits[kDigits];
  for (int i = kDigits; i-- > 0; mantissa /= 10) digits[i] = static_cast<char>('0' + mantissa % 10);
  int used = kDigits;
  while (used > 1 && digits[used - 1] == '0') --used;
  const bool scientific = exponent < -4 || exponent >= kDigits;
  int point = scientific ? 1 : exponent + 1;  // digits before the point
  if (point <= 0) text("0.", 2);
  for (int zero = point; zero < 0; ++zero) put('0');
  for (int i = 0; i < used || i < point; ++i) {
    if (i == point && i > 0) put('.');
    put(i < used ? digits[i] : '0');
  }
  if (!scientific) return;
  put('e');
  put(exponent < 0 ? '-' : '+');
  if (exponent < 0) exponent = -exponent;
  if (exponent < 10) put('0');
  number(static_cast<uint64_t>(exponent));
}

}  // namespace

size_t format_text_list(char* out, size_t capacity, const char* format, va_list arguments) {
  if (capacity == 0) return 0;
  Writer w(out, capacity);
  bool known = true;
  for (const char* f = format; known && *f != '\0'; ++f) {
    if (*f != '%') {
      w.put(*f);
      continue;
    }
    ++f;
    size_t most = SIZE_MAX;
    if (*f == '.') {
      ++f;
      if (*f == '*') {
        const int given = va_arg(arguments, int);
        if (given >= 0) most = static_cast<size_t>(given);
        ++f;
      } else {
        for (most = 0; *f >= '0' && *f <= '9'; ++f) most = most * 10 + static_cast<size_t>(*f - '0');
      }
    }
    const bool wide = f[0] == 'l' && f[1] == 'l';
    const bool sized = f[0] == 'z' && f[1] == 'u';
    if (wide) f += 2;
    if (sized) ++f;
    if (*f == 's') w.text(va_arg(arguments, const char*), most);
    else if (*f == 'd') w.number(wide ? int64_t{va_arg(arguments, long long)} : int64_t{va_arg(arguments, int)});
    else if (*f == 'u')
      w.number(sized  ? uint64_t{va_arg(arguments, size_t)}
               : wide ? uint64_t{va_arg(arguments, unsigned long long)}
                      : uint64_t{va_arg(arguments, unsigned)});
    else if (*f == 'g') w.real(va_arg(arguments, double));
    else if (*f == '%') w.put('%');
    else known = false;
  }
  out[w.count()] = '\0';
  return w.count();
}

size_t format_text(char* out, size_t capacity, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const size_t count = format_text_list(out, capacity, format, arguments);
  va_end(arguments);
  return count;
}

}  // namespace gf
