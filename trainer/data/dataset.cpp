#include "trainer/data/dataset.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "runtime/core/exception.h"

namespace gf::data {
namespace {

void expect_dataset(const DatasetPtr& dataset, const char* who) {
  if (dataset == nullptr) throw Exception(Error::InvalidArgument, std::string(who) + ": no dataset is given (null pointer)");
}

}  // namespace

std::string Dataset::describe(int64_t) const { return {}; }

std::string PictureFormat::text() const {
  return std::to_string(channels) + " x " + std::to_string(height) + " x " + std::to_string(width) + (floats ? " float32" : " uint8");
}

void Picture::reset(const PictureFormat& next) {
  static_cast<PictureFormat&>(*this) = next;
  if (floats) values.resize(static_cast<size_t>(count()));
  else pixels.resize(static_cast<size_t>(count()));
}

size_t field_bytes(const Field& field) {
  if (field.name.empty()) throw Exception(Error::InvalidArgument, "dataset: a field has no name; name it as the input that it feeds");
  if (dtype_bits(field.dtype) < 8)
    throw Exception(Error::Unsupported, "dataset: field '" + io::printable(field.name) + "' has elements of type " + dtype_name(field.dtype) +
                                            "; whole bytes are needed");
  return static_cast<size_t>(io::byte_size(field.dtype, field.shape, "dataset: field '" + io::printable(field.name) + "'"));
}

std::string fields_text(const std::vector<Field>& fields) {
  std::string text;
  for (const Field& f : fields)
    text += (text.empty() ? "" : ", ") + io::printable(f.name) + " " + dtype_name(f.dtype) + " " + io::shape_text(f.shape);
  return text;
}

std::vector<io::NamedArray> sample(const Dataset& dataset, int64_t index, uint64_t seed, int64_t epoch) {
  if (index < 0 || index >= dataset.size())
    throw Exception(Error::InvalidArgument, "dataset: there is no sample " + std::to_string(index) + " of " + std::to_string(dataset.size()));
  std::vector<io::NamedArray> out;
  for (const Field& f : dataset.fields()) out.push_back({f.name, io::Array::zeros(f.dtype, f.shape)});
  std::vector<std::span<std::byte>> to;
  for (io::NamedArray& a : out) to.emplace_back(a.array.data);
  SampleContext context;
  context.draws = Draws(seed, Purpose::Sample, epoch, index);
  dataset.read(index, context, to);
  return out;
}

TensorDataset::TensorDataset(std::vector<io::NamedArray> arrays) : arrays_(std::move(arrays)) {
  if (arrays_.empty()) throw Exception(Error::InvalidArgument, "TensorDataset: no arrays are given");
  for (const io::NamedArray& a : arrays_) {
    const std::string who = "TensorDataset: array '" + io::printable(a.name) + "'";
    if (a.array.shape.empty()) throw Exception(Error::ShapeMismatch, who + " is one number; its first dimension must count the samples");
    if (a.array.shape[0] != arrays_[0].array.shape[0])
      throw Exception(Error::ShapeMismatch, who + " of shape " + io::shape_text(a.array.shape) + " has " + std::to_string(a.array.shape[0]) +
                                                " samples where '" + io::printable(arrays_[0].name) + "' has " +
                                                std::to_string(arrays_[0].array.shape[0]));
    for (const Field& f : fields_)
      if (f.name == a.name) throw Exception(Error::InvalidArgument, who + " is there twice");
    fields_.push_back({a.name, a.array.dtype, {a.array.shape.begin() + 1, a.array.shape.end()}});
    (void)field_bytes(fields_.back());
  }
  size_ = arrays_[0].array.shape[0];
}

void TensorDataset::read(int64_t index, SampleContext&, std::span<const std::span<std::byte>> to) const {
  for (size_t f = 0; f < arrays_.size(); ++f)
    if (!to[f].empty()) std::memcpy(to[f].data(), arrays_[f].array.data.data() + static_cast<size_t>(index) * to[f].size(), to[f].size());
}

Subset::Subset(DatasetPtr dataset, std::vector<int64_t> indices) : dataset_(std::move(dataset)), indices_(std::move(indices)) {
  expect_dataset(dataset_, "Subset");
  for (const int64_t i : indices_)
    if (i < 0 || i >= dataset_->size())
      throw Exception(Error::InvalidArgument, "Subset: there is no sample " + std::to_string(i) + " of " + std::to_string(dataset_->size()));
}

void Subset::read(int64_t index, SampleContext& context, std::span<const std::span<std::byte>> to) const {
  dataset_->read(indices_[static_cast<size_t>(index)], context, to);
}
std::string Subset::describe(int64_t index) const { return dataset_->describe(indices_[static_cast<size_t>(index)]); }

ConcatDataset::ConcatDataset(std::vector<DatasetPtr> datasets) : datasets_(std::move(datasets)) {
  if (datasets_.empty()) throw Exception(Error::InvalidArgument, "ConcatDataset: no datasets are given");
  int64_t end = 0;
  for (size_t d = 0; d < datasets_.size(); ++d) {
    expect_dataset(datasets_[d], "ConcatDataset");
    const auto &mine = datasets_[d]->fields(), &first = datasets_[0]->fields();
    if (mine != first) {
      const bool types = mine.size() == first.size() &&
                         !std::equal(mine.begin(), mine.end(), first.begin(), [](const Field& a, const Field& b) { return a.dtype == b.dtype; });
      throw Exception(types ? Error::TypeMismatch : Error::ShapeMismatch, "ConcatDataset: dataset " + std::to_string(d) + " has " +
                                                                              fields_text(mine) + " where the first has " + fields_text(first));
    }
    ends_.push_back(end += datasets_[d]->size());
  }
}

std::pair<size_t, int64_t> ConcatDataset::place_of(int64_t index) const {
  const auto at = static_cast<size_t>(std::upper_bound(ends_.begin(), ends_.end(), index) - ends_.begin());
  return {at, index - (at == 0 ? 0 : ends_[at - 1])};
}
void ConcatDataset::read(int64_t index, SampleContext& context, std::span<const std::span<std::byte>> to) const {
  const auto [which, inside] = place_of(index);
  datasets_[which]->read(inside, context, to);
}
std::string ConcatDataset::describe(int64_t index) const {
  const auto [which, inside] = place_of(index);
  return datasets_[which]->describe(inside);
}

std::vector<std::shared_ptr<Subset>> random_split(DatasetPtr dataset, const std::vector<int64_t>& lengths, uint64_t seed) {
  expect_dataset(dataset, "random_split");
  const int64_t size = dataset->size();
  int64_t left = size;
  for (const int64_t length : lengths) {
    if (length < 0 || length > left)
      throw Exception(Error::InvalidArgument, "random_split: lengths must be 0 or more and sum to the " + std::to_string(size) + " samples of the dataset");
    left -= length;
  }
  if (left != 0)
    throw Exception(Error::InvalidArgument, "random_split: the lengths leave " + std::to_string(left) + " of " + std::to_string(size) +
                                                " samples over; add a part for them");
  const Permutation order(size, seed, Purpose::Split, 0);
  std::vector<std::shared_ptr<Subset>> parts;
  int64_t place = 0;
  for (const int64_t length : lengths) {
    std::vector<int64_t> indices;
    indices.reserve(static_cast<size_t>(length));
    for (int64_t i = 0; i < length; ++i) indices.push_back(order[place++]);
    parts.push_back(std::make_shared<Subset>(dataset, std::move(indices)));
  }
  return parts;
}

std::vector<std::shared_ptr<Subset>> random_split(DatasetPtr dataset, const std::vector<double>& shares, uint64_t seed) {
  expect_dataset(dataset, "random_split");
  const auto size = static_cast<double>(dataset->size());
  double sum = 0;
  std::vector<int64_t> lengths;
  for (const double share : shares) {
    if (!(share >= 0 && share <= 1)) throw Exception(Error::InvalidArgument, "random_split: shares must lie between 0 and 1");
    sum += share;
    lengths.push_back(static_cast<int64_t>(std::floor(size * share)));
  }
  if (!(std::fabs(sum - 1) < 1e-6)) throw Exception(Error::InvalidArgument, "random_split: the shares sum to " + std::to_string(sum) + ", not 1");
  const int64_t over = dataset->size() - std::accumulate(lengths.begin(), lengths.end(), int64_t{0});
  for (int64_t i = 0; i < over; ++i) ++lengths[static_cast<size_t>(i) % lengths.size()];
  return random_split(std::move(dataset), lengths, seed);
}

}  // namespace gf::data
