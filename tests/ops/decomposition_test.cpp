// cholesky, qr, eigh, svd: NumPy's values (data/decompositions.json, make_decomposition_goldens.py); products and orthogonality of what
// comes out; matrices that have no such form, or many.
#include <limits>

#include "tests/ops/golden_cases.h"
#include "tests/support/random_tensor.h"

namespace gf::test {
namespace {

/// The matrices of a batch, in float64.
struct Matrices {
  int64_t rows = 0, cols = 0;
  std::vector<double> v;

  explicit Matrices(const HostTensor& t) : rows(t.shape.end()[-2]), cols(t.shape.end()[-1]), v(numbers(t)) {}
  Matrices(int64_t r, int64_t c, std::vector<double> values) : rows(r), cols(c), v(std::move(values)) {}
  static std::vector<double> numbers(const HostTensor& t) {
    std::vector<double> v(static_cast<size_t>(t.count()));
    cpu::load(t.dtype, t.data.data(), 0, 1, t.count(), v.data());
    return v;
  }
  int64_t count() const { return static_cast<int64_t>(v.size()) / (rows * cols); }
  double at(int64_t b, int64_t i, int64_t j) const { return v[static_cast<size_t>((b * rows + i) * cols + j)]; }
  Matrices transposed() const {
    Matrices t(cols, rows, v);
    for (int64_t b = 0; b < count(); ++b)
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < cols; ++j) t.v[static_cast<size_t>((b * cols + j) * rows + i)] = at(b, i, j);
    return t;
  }
  Matrices times(const Matrices& o) const {
    Matrices p(rows, o.cols, std::vector<double>(static_cast<size_t>(count() * rows * o.cols)));
    for (int64_t b = 0; b < count(); ++b)
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < o.cols; ++j)
          for (int64_t k = 0; k < cols; ++k) p.v[static_cast<size_t>((b * rows + i) * o.cols + j)] += at(b, i, k) * o.at(b, k, j);
    return p;
  }
  /// Column j times number j of `scales`, [batch, cols].
  Matrices scaled(const std::vector<double>& scales) const {
    Matrices p = *this;
    for (int64_t b = 0; b < count(); ++b)
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < cols; ++j) p.v[static_cast<size_t>((b * rows + i) * cols + j)] *= scales[static_cast<size_t>(b * cols + j)];
    return p;
  }
  Matrices identity() const {
    Matrices p = *this;
    for (int64_t k = 0; k < static_cast<int64_t>(v.size()); ++k) p.v[static_cast<size_t>(k)] = k / cols % rows == k % cols ? 1 : 0;
    return p;
  }
};

void expect_equal(const Matrices& a, const Matrices& b, double tolerance, const char* what) {
  ASSERT_EQ(a.v.size(), b.v.size()) << what;
  double most = 0;
  for (const double v : b.v) most = std::max(most, std::fabs(v));
  for (size_t i = 0; i < a.v.size(); ++i) ASSERT_NEAR(a.v[i], b.v[i], tolerance * std::max(most, 1e-300)) << what << "[" << i << "]";
}
void expect_orthonormal(const Matrices& columns, double tolerance, const char* what) {
  const Matrices product = columns.transposed().times(columns);
  expect_equal(product, product.identity(), tolerance, what);
}
/// The component of largest magnitude of every column is positive.
void expect_signs(const Matrices& m) {
  for (int64_t b = 0; b < m.count(); ++b)
    for (int64_t j = 0; j < m.cols; ++j) {
      double largest = 0;
      for (int64_t i = 0; i < m.rows; ++i)
        if (std::fabs(m.at(b, i, j)) > std::fabs(largest)) largest = m.at(b, i, j);
      ASSERT_GT(largest, 0) << "column " << j;
    }
}

Matrices lower_mirrored(Matrices m) {
  for (int64_t b = 0; b < m.count(); ++b)
    for (int64_t i = 0; i < m.rows; ++i)
      for (int64_t j = i + 1; j < m.cols; ++j) m.v[static_cast<size_t>((b * m.rows + i) * m.cols + j)] = m.at(b, j, i);
  return m;
}

const OpDef& op_named(const std::string& name) {
  return name == "cholesky" ? op_def<op::Cholesky> : name == "qr" ? op_def<op::Qr> : name == "eigh" ? op_def<op::Eigh> : op_def<op::Svd>;
}

/// What is true of any correct result, whatever its vectors.
void expect_properties(const std::string& name, const HostTensor& x, const std::vector<HostTensor>& y, double tolerance) {
  const Matrices a(x);
  if (name == "cholesky") {
    const Matrices l(y[0]);
    expect_equal(l.times(l.transposed()), lower_mirrored(a), tolerance, "l l^T");
    for (int64_t i = 0; i < l.rows; ++i)
      for (int64_t j = i + 1; j < l.cols; ++j) ASSERT_EQ(l.at(0, i, j), 0);
  } else if (name == "qr") {
    const Matrices q(y[0]), r(y[1]);
    expect_equal(q.times(r), a, tolerance, "q r");
    expect_orthonormal(q, tolerance, "q");
    for (int64_t i = 0; i < r.rows; ++i)
      for (int64_t j = 0; j <= i; ++j) ASSERT_TRUE(i == j ? r.at(0, i, j) >= 0 : r.at(0, i, j) == 0);
  } else if (name == "eigh") {
    const Matrices v(y[1]);
    expect_equal(v.scaled(Matrices::numbers(y[0])).times(v.transposed()), lower_mirrored(a), tolerance, "v w v^T");
    expect_orthonormal(v, tolerance, "v");
    expect_signs(v);
  } else {
    const Matrices u(y[0]), vh(y[2]);
    expect_equal(u.scaled(Matrices::numbers(y[1])).times(vh), a, tolerance, "u s vh");
    expect_orthonormal(u, tolerance, "u");
    expect_orthonormal(vh.transposed(), tolerance, "v");
    expect_signs(u);
  }
}

HostTensor tensor_of(const json& t, DType type) { return tensor(type, t["shape"].get<std::vector<int64_t>>(), t["data"].get<std::vector<double>>()); }

TEST(Decompositions, LikeNumpy) {
  const json cases = golden_cases("decompositions");
  for (const DType type : {DType::F64, DType::F32}) {
    const double tolerance = type == DType::F64 ? 1e-13 : 2e-6;
    for (const json& c : cases) {
      const auto name = c["op"].get<std::string>();
      SCOPED_TRACE(name + " of " + c["inputs"][0]["shape"].dump() + " " + dtype_name(type));
      const HostTensor x = tensor_of(c["inputs"][0], type);
      const auto y = evaluate(op_named(name), {}, {x}, default_tables());
      expect_properties(name, x, y, 20 * tolerance);
      ASSERT_EQ(y.size(), c["outputs"].size());
      for (size_t i = 0; i < y.size(); ++i) {
        if (c["outputs"][i].is_null()) continue;
        const HostTensor want = tensor_of(c["outputs"][i], type);
        // vectors move by rounding over the gaps between values, which float32 inputs round already
        EXPECT_TRUE(close(y[i], want, tolerance * 1000, tolerance * 1000)) << "output " << i;
      }
    }
  }
}

// A batch of 7 on several threads is the same as one matrix after the other.
TEST(Decompositions, ThreadsDoNotMatter) {
  Random random(5);
  std::vector<double> values(7 * 6 * 6);
  for (double& v : values) v = random.uniform(-1, 1);
  for (const char* name : {"qr", "eigh", "svd"}) {
    SCOPED_TRACE(name);
    RoughParallel rough;
    EvaluateOptions options;
    options.parallel = rough.get();
    const auto whole = evaluate(op_named(name), {}, {tensor(DType::F64, {7, 6, 6}, values)}, default_tables(), options);
    for (int64_t b = 0; b < 7; ++b) {
      const double* first = values.data() + b * 36;
      const std::vector<double> one(first, first + 36);
      const auto alone = evaluate(op_named(name), {}, {tensor(DType::F64, {6, 6}, one)}, default_tables());
      for (size_t i = 0; i < alone.size(); ++i) {
        const size_t bytes = alone[i].data.size();
        EXPECT_EQ(std::memcmp(whole[i].data.data() + static_cast<size_t>(b) * bytes, alone[i].data.data(), bytes), 0) << b;
      }
    }
  }
}

TEST(Decompositions, EmptyAndOtherTypes) {
  for (const char* name : {"cholesky", "qr", "eigh", "svd"})
    for (const std::vector<int64_t>& shape : {std::vector<int64_t>{0, 3, 3}, std::vector<int64_t>{2, 0, 0}})
      EXPECT_EQ(evaluate(op_named(name), {}, {HostTensor::zeros(DType::F32, shape)}, default_tables())[0].count(), 0) << name;
  EXPECT_EQ(evaluate(op_def<op::Qr>, {}, {HostTensor::zeros(DType::F32, {0, 3})}, default_tables())[1].shape, (std::vector<int64_t>{0, 3}));
  for (const DType type : {DType::F16, DType::BF16}) {
    const HostTensor x = tensor(type, {2, 2}, {4, 2, 2, 5});
    EXPECT_TRUE(close(run_one<op::Cholesky>({x}), tensor(type, {2, 2}, {2, 0, 1, 2}), 0, 0));
    EXPECT_TRUE(close(run_one<op::Eigh>({tensor(type, {2, 2}, {3, 0, 0, 1})}), tensor(type, {2}, {1, 3}), 0, 0));
  }
}

// Squares of such numbers overflow or vanish; the results do not.
TEST(Decompositions, LargeAndSmall) {
  const std::vector<double> base{3, 1, 0.5, 1, -2, 0.25, 0.5, 0.25, 1};
  for (const double factor : {1e250, 1e-250, 1e-305}) {
    std::vector<double> values = base;
    for (double& v : values) v *= factor;
    const HostTensor x = tensor(DType::F64, {3, 3}, values);
    for (const char* name : {"qr", "eigh", "svd"}) {
      SCOPED_TRACE(std::string(name) + " " + std::to_string(factor));
      expect_properties(name, x, evaluate(op_named(name), {}, {x}, default_tables()), 1e-13);
    }
  }
}

TEST(Decompositions, NotFinite) {
  for (const double bad : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    const HostTensor x = tensor(DType::F64, {2, 2}, {1, 0, bad, 1});
    for (const char* name : {"qr", "eigh", "svd"})
      for (const HostTensor& y : evaluate(op_named(name), {}, {x}, default_tables()))
        for (const double v : Matrices::numbers(y)) EXPECT_TRUE(std::isnan(v)) << name;
    expect_error<op::Cholesky>(Error::BadData, "its leading minor of order 2 is not above 0", {x});
  }
}

TEST(Decompositions, Errors) {
  const HostTensor wide = f32({2, 3}, {1, 2, 3, 4, 5, 6});
  expect_error<op::Cholesky>(Error::ShapeMismatch, "matrices must be square", {wide});
  expect_error<op::Eigh>(Error::ShapeMismatch, "matrices must be square", {wide});
  expect_error<op::Svd>(Error::ShapeMismatch, "", {f32({2}, {1, 2})});
  expect_error<op::Qr>(Error::TypeMismatch, "", {i64({1, 1}, {1})});
  // the first of several that are not, whatever the order of the threads
  const HostTensor batch = f32({3, 2, 2}, {1, 0, 0, 1, 1, 2, 2, 1, -1, 0, 0, 1});
  expect_error<op::Cholesky>(Error::BadData, "cholesky: matrix 1 is not positive definite: its leading minor of order 2 is not above 0", {batch});
}

}  // namespace
}  // namespace gf::test
