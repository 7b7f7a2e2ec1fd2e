#include "trainer/parallel/queue.h"

#include <algorithm>
#include <cstring>

namespace gf::parallel {
namespace {

constexpr int64_t kFew = 512;
constexpr int64_t kBlock = 2048;  // numbers that are added at a time: they stay in the first cache

// Where the pieces of the ranks begin, and the end.
std::vector<int64_t> pieces_of(int64_t count, int ranks) {
  std::vector<int64_t> bounds;
  for (int r = 0; r <= ranks; ++r) bounds.push_back(count / ranks * r + std::min<int64_t>(r, count % ranks));
  return bounds;
}
std::vector<int64_t> equal_pieces(int64_t each, int ranks) {
  std::vector<int64_t> bounds;
  for (int r = 0; r <= ranks; ++r) bounds.push_back(each * r);
  return bounds;
}

// to = parts[0] + parts[1] + ..., in this order; `to` is one of the parts.
template <class T>
void add_in_order(T* to, std::span<const T* const> parts, int64_t count) {
  T sum[kBlock];
  for (int64_t first = 0; first < count; first += kBlock) {
    const int64_t n = std::min(kBlock, count - first);
    std::copy_n(parts[0] + first, n, sum);
    for (const T* part : parts.subspan(1))
      for (int64_t i = 0; i < n; ++i) sum[i] += part[first + i];
    std::copy_n(sum, n, to + first);
  }
}

void check_type(DType type) {
  if (type != DType::F32 && type != DType::F64)
    throw Exception(Error::TypeMismatch, std::string("sums over ranks are of float32 and float64, not of ") + dtype_name(type));
}

}  // namespace

TransferQueue::TransferQueue(const std::function<std::unique_ptr<Link>()>& make) {
  thread_ = std::thread([this, make] { work(make); });
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return ready_ || error_ != nullptr; });
  if (ready_) {
    rank_ = link_->rank();
    size_ = link_->size();
    return;
  }
  lock.unlock();
  thread_.join();
  std::rethrow_exception(error_);
}

TransferQueue::~TransferQueue() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    cancelled_ = done_ != begun_;  // nobody will wait for it any more
    link_->wake();
  }
  changed_.notify_all();
  thread_.join();
}

void TransferQueue::work(const std::function<std::unique_ptr<Link>()>& make) {
  std::unique_lock lock(mutex_);
  try {
    lock.unlock();
    auto link = make();
    lock.lock();
    link_ = std::move(link);
    ready_ = true;
  } catch (...) {
    lock.lock();
    error_ = std::current_exception();
  }
  changed_.notify_all();
  while (ready_) {
    changed_.wait(lock, [&] { return stop_ || (error_ == nullptr && !jobs_.empty()); });
    if (stop_) break;
    const Begun begun = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    std::exception_ptr error;
    try {
      begun.job(*link_);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    ++done_;
    if (observer_) observer_(done_, begun.begin_ns, now_ns());
    if (error != nullptr) error_ = error;
    changed_.notify_all();
  }
  lock.unlock();
  link_ = nullptr;
}

Ticket TransferQueue::begin(Job job) {
  const std::lock_guard lock(mutex_);
  if (error_ != nullptr) std::rethrow_exception(error_);
  jobs_.push_back({std::move(job), observer_ ? now_ns() : 0});
  changed_.notify_all();
  return ++begun_;
}
void TransferQueue::wait(Ticket ticket) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return error_ != nullptr || done_ >= ticket; });
  if (error_ != nullptr) std::rethrow_exception(error_);
}
void TransferQueue::observe(Observer observer) {
  const std::lock_guard lock(mutex_);
  observer_ = std::move(observer);
}
void TransferQueue::abort(const std::string& message) {
  cancelled_ = true;
  link_->abort(message);
  link_->wake();
}

// Everybody's piece of this rank comes, the sum takes its place.
template <class T>
void TransferQueue::reduce(Link& link, T* data, std::span<const int64_t> bounds) {
  const auto piece = [&](int r) { return static_cast<size_t>(bounds[static_cast<size_t>(r) + 1] - bounds[static_cast<size_t>(r)]); };
  const auto begin = [&](int r) { return data + bounds[static_cast<size_t>(r)]; };
  const size_t own = piece(rank());
  pieces_.resize(std::max(pieces_.size(), static_cast<size_t>(size()) * own * sizeof(T)));
  T* const others = reinterpret_cast<T*>(pieces_.data());
  std::vector<const T*> parts;
  sends_.clear();
  receives_.clear();
  for (int r = 0; r < size(); ++r) {
    T* const here = r == rank() ? begin(r) : others + static_cast<size_t>(r) * own;
    parts.push_back(here);
    if (r == rank()) continue;
    if (piece(r) != 0) sends_.push_back({r, begin(r), static_cast<int64_t>(piece(r) * sizeof(T))});
    if (own != 0) receives_.push_back({r, here, static_cast<int64_t>(own * sizeof(T))});
  }
  exchange(link);
  add_in_order(begin(rank()), std::span<const T* const>(parts), static_cast<int64_t>(own));
}

// Few numbers: everybody gets all of everybody's, and adds them himself. One message each way, not two.
template <class T>
void TransferQueue::add_all(Link& link, T* data, int64_t count) {
  const size_t n = static_cast<size_t>(count);
  pieces_.resize(std::max(pieces_.size(), static_cast<size_t>(size()) * n * sizeof(T)));
  T* const all = reinterpret_cast<T*>(pieces_.data());
  std::copy_n(data, n, all + static_cast<size_t>(rank()) * n);
  const auto bytes = static_cast<int64_t>(n * sizeof(T));
  gather(link, pieces_.data(), equal_pieces(bytes, size()));
  std::vector<const T*> parts;
  for (int r = 0; r < size(); ++r) parts.push_back(all + static_cast<size_t>(r) * n);
  add_in_order(data, std::span<const T* const>(parts), count);
}

// Everybody gets everybody's piece. Bounds are bytes.
void TransferQueue::gather(Link& link, std::byte* data, std::span<const int64_t> bounds) {
  sends_.clear();
  receives_.clear();
  const auto message = [&](int peer, int piece) {
    const auto p = static_cast<size_t>(piece);
    return Message{peer, data + bounds[p], bounds[p + 1] - bounds[p]};
  };
  for (int r = 0; r < size(); ++r) {
    if (r == rank()) continue;
    if (message(r, rank()).bytes != 0) sends_.push_back(message(r, rank()));
    if (message(r, r).bytes != 0) receives_.push_back(message(r, r));
  }
  exchange(link);
}

Ticket TransferQueue::all_reduce(void* data, int64_t count, DType type) {
  check_type(type);
  return begin([this, data, count, type](Link& link) {
    if (count <= kFew) {
      if (type == DType::F32) add_all(link, static_cast<float*>(data), count);
      else add_all(link, static_cast<double*>(data), count);
      return;
    }
    std::vector<int64_t> bounds = pieces_of(count, size());
    if (type == DType::F32) reduce(link, static_cast<float*>(data), bounds);
    else reduce(link, static_cast<double*>(data), bounds);
    for (int64_t& b : bounds) b *= dtype_bits(type) / 8;
    gather(link, static_cast<std::byte*>(data), bounds);
  });
}
Ticket TransferQueue::reduce_scatter(void* data, int64_t each, DType type) {
  check_type(type);
  return begin([this, data, each, type](Link& link) {
    const std::vector<int64_t> bounds = equal_pieces(each, size());
    if (type == DType::F32) reduce(link, static_cast<float*>(data), bounds);
    else reduce(link, static_cast<double*>(data), bounds);
  });
}
Ticket TransferQueue::all_gather(void* data, int64_t each) {
  return begin([this, data, each](Link& link) { gather(link, static_cast<std::byte*>(data), equal_pieces(each, size())); });
}
Ticket TransferQueue::broadcast(void* data, int64_t bytes, int root) {
  if (root < 0 || root >= size()) throw Exception(Error::InvalidArgument, "broadcast: there is no rank " + std::to_string(root));
  return begin([this, data, bytes, root](Link& link) {
    sends_.clear();
    receives_.clear();
    if (bytes == 0) return;
    if (rank() != root) receives_.push_back({root, data, bytes});
    for (int r = 0; r < size() && rank() == root; ++r)
      if (r != root) sends_.push_back({r, data, bytes});
    exchange(link);
  });
}

}  // namespace gf::parallel
