// The C library's functions of f64 and f32 by those of math.h, in their place: 2 kB instead of 24. f32 is computed in f64.
// Compiled with -fno-builtin, so that no function becomes a call of itself.
#include "ops/wasm/math.h"

extern "C" {

double exp(double x) { return gf::wasm::exp(x); }
double expm1(double x) { return gf::wasm::expm1(x); }
double log(double x) { return gf::wasm::log(x); }
double log1p(double x) { return gf::wasm::log1p(x); }
double pow(double x, double y) { return gf::wasm::pow(x, y); }
double sin(double x) { return gf::wasm::sin(x); }
double cos(double x) { return gf::wasm::cos(x); }
double tan(double x) { return gf::wasm::tan(x); }

float expf(float x) { return static_cast<float>(exp(static_cast<double>(x))); }
float expm1f(float x) { return static_cast<float>(expm1(static_cast<double>(x))); }
float logf(float x) { return static_cast<float>(log(static_cast<double>(x))); }
float log1pf(float x) { return static_cast<float>(log1p(static_cast<double>(x))); }
float powf(float x, float y) { return static_cast<float>(pow(static_cast<double>(x), static_cast<double>(y))); }
float sinf(float x) { return static_cast<float>(sin(static_cast<double>(x))); }
float cosf(float x) { return static_cast<float>(cos(static_cast<double>(x))); }
float tanf(float x) { return static_cast<float>(tan(static_cast<double>(x))); }
float tanhf(float x) { return static_cast<float>(tanh(static_cast<double>(x))); }

}  // extern "C"
