// Batches are numbered in the order in which they will be asked for, over the ends of epochs. Batch s lives in slot s % slots; a worker
// takes the next number whose slot is free, so order and memory are bounded without a queue of pointers.
#include "trainer/data/data_loader.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>

#include "runtime/core/checked.h"
#include "runtime/core/exception.h"

namespace gf::data {

const io::Array& Batch::operator[](std::string_view name) const {
  for (size_t f = 0; f < fields_.size(); ++f)
    if (fields_[f].name == name) return arrays_[f];
  throw Exception(Error::NotFound, "batch: there is no field '" + io::printable(name) + "'; there is " + fields_text(fields_));
}

void Batch::retype(size_t f, const Field& field) {
  fields_[f] = field;
  io::Array& a = arrays_[f];
  size_t bytes = static_cast<size_t>(dtype_bits(field.dtype)) / 8 * indices_.size();
  for (const int64_t d : field.shape) bytes *= static_cast<size_t>(d);
  a.dtype = field.dtype;
  a.shape.assign(1, size());
  a.shape.insert(a.shape.end(), field.shape.begin(), field.shape.end());
  a.data.resize(bytes);
}

void Batch::reset(const std::vector<Field>& fields, size_t count) {
  indices_.resize(count);
  fields_.resize(fields.size());
  arrays_.resize(fields.size());
  for (size_t f = 0; f < fields.size(); ++f) retype(f, fields[f]);
}

namespace {

// A batch before it is read: its samples are order[first], order[first + 1], ...
struct Step {
  int64_t epoch = 0, first = 0, count = 0;
};

struct Slot {
  enum class State { Free, Filling, Ready } state = State::Free;
  Step step;
  Batch batch;
  std::exception_ptr error;
};

// What one reading thread keeps.
struct Reader {
  SampleContext context;
  std::vector<std::span<std::byte>> to;
  std::vector<std::byte> scratch;
  Permutation order;
  int64_t order_epoch = -1;                       // and seed: what `order` was made for
  uint64_t order_seed = 0;
};

void check(const DatasetPtr& dataset, const DataLoaderSettings& s) {
  const auto bad = [](const std::string& what) { throw Exception(Error::InvalidArgument, "DataLoader: " + what); };
  if (dataset == nullptr) bad("no dataset is given (null pointer)");
  if (dataset->size() < 1) bad("the dataset is empty");
  if (s.batch_size < 1) bad("batch_size is " + std::to_string(s.batch_size) + "; it must be 1 or more");
  if (s.num_workers < 0 || s.num_workers > 256) bad("num_workers is " + std::to_string(s.num_workers) + "; it must lie between 0 and 256");
  if (s.prefetch_factor < 1 || s.prefetch_factor > 1024)
    bad("prefetch_factor is " + std::to_string(s.prefetch_factor) + "; it must lie between 1 and 1024");
  if (s.world < 1 || s.rank < 0 || s.rank >= s.world)
    bad("rank " + std::to_string(s.rank) + " of " + std::to_string(s.world) + " is none; ranks count from 0");
  int64_t together = 0;
  if (!mul_checked(s.batch_size, int64_t{s.world}, together)) bad("batch_size is " + std::to_string(s.batch_size) + ", which is absurd");
  if (s.drop_last && together > dataset->size())
    bad("a step takes " + std::to_string(together) + " samples, but the dataset has " + std::to_string(dataset->size()) +
        " and drop_last leaves out what fills no step; take smaller batches or set drop_last = false");
  for (const auto& t : s.batch_transforms)
    if (t == nullptr) bad("a batch transform is a null pointer");
  const std::vector<Field>& fields = dataset->fields();
  for (size_t f = 0; f < fields.size(); ++f)
    for (size_t g = 0; g < f; ++g)
      if (fields[f].name == fields[g].name) bad("the dataset has the field '" + io::printable(fields[f].name) + "' twice");
  if (fields.empty()) bad("the samples of the dataset have no fields");
}

// What was thrown while sample `index` was read, as a gf::Exception that says which one that was.
[[noreturn]] void rethrow_for_sample(const Dataset& dataset, int64_t index) {
  const auto place = [&](const std::string& what) {
    const std::string name = dataset.describe(index);
    const bool named = name.empty() || what.find(name) != std::string::npos;
    return "DataLoader: sample " + std::to_string(index) + (named ? "" : " (" + io::printable(name) + ")") + ": " + what;
  };
  try {
    throw;
  } catch (const Exception& e) {
    throw Exception(e.code(), place(e.what()));
  } catch (const std::bad_alloc&) {
    throw Exception(Error::OutOfMemory, place("no memory to read it"));
  } catch (const std::exception& e) {
    throw Exception(Error::BadData, place(e.what()));
  }
}

}  // namespace

struct DataLoader::Impl {
  DatasetPtr dataset;
  DataLoaderSettings settings;
  int64_t samples, together;                      // of the dataset; of a step of all ranks
  std::vector<Field> fields;                      // after the batch transforms
  std::vector<size_t> bytes;                      // of the dataset's fields

  Position position;                              // what the caller has had
  bool looping = false;                           // a range loop has begun and has not come to the end of its epoch
  bool held = false;                              // slot of `given` is in the caller's hands
  double stalled = 0;
  Reader reader;                                  // of the calling thread

  std::mutex mutex;                               // guards what follows
  std::condition_variable filled, freed;
  std::vector<Slot> slots;
  uint64_t claimed = 0, given = 0;                // numbers of the next batch to read, and of the next to give
  Position ahead;                                 // in front of batch `claimed`
  int active = 0;
  bool paused = true, stop = false;
  std::vector<Reader> readers;                    // of the threads: all there is before they begin, whenever that is
  std::vector<std::thread> threads;

  Impl(DatasetPtr d, DataLoaderSettings s) : dataset(std::move(d)), settings(std::move(s)) {
    check(dataset, settings);
    samples = dataset->size();
    together = settings.batch_size * settings.world;
    fields = dataset->fields();
    for (const Field& f : fields) bytes.push_back(field_bytes(f));
    for (const auto& t : settings.batch_transforms) fields = t->fields(std::move(fields));
    position = ahead = {settings.seed, 0, 0, samples};
    slots.resize(static_cast<size_t>(settings.num_workers * settings.prefetch_factor + 1));
    readers = std::vector<Reader>(static_cast<size_t>(settings.num_workers));
    for (Reader& r : readers) r.to.resize(bytes.size());
  }

  ~Impl() {
    {
      const std::lock_guard lock(mutex);
      stop = true;
    }
    freed.notify_all();
    for (std::thread& t : threads) t.join();
  }

  bool ended(const Position& p) const { return p.next >= samples || (settings.drop_last && samples - p.next < together); }

  // The step at p, which has not ended; p moves behind it.
  Step take(Position& p) const {
    Step step{p.epoch, p.next + settings.rank * settings.batch_size, settings.batch_size};
    if (settings.world == 1) step.count = std::min(settings.batch_size, samples - p.next);
    p.next = samples - p.next <= together ? samples : p.next + together;
    return step;
  }
  static void to_next_epoch(Position& p) {
    ++p.epoch;
    p.next = 0;
  }

  void read(Slot& slot, Reader& r, uint64_t seed) const {
    const Step& step = slot.step;
    if (settings.shuffle && (r.order_epoch != step.epoch || r.order_seed != seed)) {
      r.order = Permutation(samples, seed, Purpose::Order, step.epoch);
      r.order_epoch = step.epoch;
      r.order_seed = seed;
    }
    slot.batch.reset(dataset->fields(), static_cast<size_t>(step.count));
    r.to.resize(bytes.size());
    for (int64_t i = 0; i < step.count; ++i) {
      const int64_t place = (step.first + i) % samples, index = settings.shuffle ? r.order[place] : place;
      slot.batch.indices()[static_cast<size_t>(i)] = index;
      for (size_t f = 0; f < bytes.size(); ++f)
        r.to[f] = std::span(slot.batch.arrays()[f].data).subspan(static_cast<size_t>(i) * bytes[f], bytes[f]);
      r.context.draws = Draws(seed, Purpose::Sample, step.epoch, index);
      try {
        dataset->read(index, r.context, r.to);
      } catch (...) {
        rethrow_for_sample(*dataset, index);
      }
    }
    Draws draws(seed, Purpose::Batch, step.epoch, step.first);
    for (const auto& t : settings.batch_transforms) t->apply(slot.batch, draws, r.scratch);
  }

  void read_or_keep_error(Slot& slot, Reader& r, uint64_t seed) const {
    slot.error = nullptr;
    try {
      read(slot, r, seed);
    } catch (...) {
      slot.error = std::current_exception();
    }
  }

  void work(Reader& mine) {
    std::unique_lock lock(mutex);
    for (;;) {
      freed.wait(lock, [&] { return stop || (!paused && claimed < given + slots.size()); });
      if (stop) return;
      Slot& slot = slots[static_cast<size_t>(claimed++ % slots.size())];
      slot.state = Slot::State::Filling;
      if (ended(ahead)) to_next_epoch(ahead);
      slot.step = take(ahead);
      const uint64_t seed = ahead.seed;
      ++active;
      lock.unlock();
      read_or_keep_error(slot, mine, seed);
      lock.lock();
      --active;
      slot.state = Slot::State::Ready;
      filled.notify_all();
    }
  }

  // Nothing is read ahead any more; what was is forgotten.
  void flush() {
    std::unique_lock lock(mutex);
    paused = true;
    filled.wait(lock, [&] { return active == 0; });
    for (Slot& s : slots) s.state = Slot::State::Free;
    claimed = given = 0;
    held = false;
  }

  void start() {
    ahead = position;
    try {
      while (threads.size() < static_cast<size_t>(settings.num_workers)) threads.emplace_back([this, &r = readers[threads.size()]] { work(r); });
    } catch (const std::system_error&) {  // fewer do the same, more slowly
      if (threads.empty()) throw Exception(Error::OutOfMemory, "DataLoader: the system gives no thread; set num_workers = 0");
    }
    paused = false;
    freed.notify_all();
  }

  // The slot of batch `given`, read.
  Slot& wait() {
    if (settings.num_workers == 0) {
      Slot& slot = slots[0];
      Position p = position;
      slot.step = take(p);
      read_or_keep_error(slot, reader, p.seed);
      return slot;
    }
    std::unique_lock lock(mutex);
    if (paused) start();
    Slot& slot = slots[static_cast<size_t>(given % slots.size())];
    filled.wait(lock, [&] { return slot.state == Slot::State::Ready; });
    return slot;
  }

  void release() {
    if (!held) return;
    held = false;
    {
      const std::lock_guard lock(mutex);
      slots[static_cast<size_t>(given++ % slots.size())].state = Slot::State::Free;
    }
    freed.notify_one();
  }

  const Batch* next() {
    release();
    if (ended(position)) {
      to_next_epoch(position);
      looping = false;
      return nullptr;
    }
    const auto begin = std::chrono::steady_clock::now();
    Slot& slot = wait();
    stalled += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    if (slot.error != nullptr) {
      const std::exception_ptr error = slot.error;
      flush();
      std::rethrow_exception(error);
    }
    (void)take(position);
    held = true;
    return &slot.batch;
  }

  void go_to(const Position& p) {
    flush();
    position = p;
    looping = false;
  }
};

DataLoader::DataLoader(DatasetPtr dataset, DataLoaderSettings settings) : impl_(std::make_unique<Impl>(std::move(dataset), std::move(settings))) {}
DataLoader::~DataLoader() = default;
DataLoader::DataLoader(DataLoader&&) noexcept = default;
DataLoader& DataLoader::operator=(DataLoader&&) noexcept = default;

const Batch* DataLoader::next() { return impl_->next(); }
const Batch& DataLoader::cycle() {
  const Batch* batch = next();
  return batch != nullptr ? *batch : *next();
}

int64_t DataLoader::size() const {
  const int64_t rest = impl_->settings.drop_last ? 0 : impl_->together - 1;
  return impl_->samples / impl_->together + (impl_->samples % impl_->together + rest) / impl_->together;
}
const Dataset& DataLoader::dataset() const { return *impl_->dataset; }
const DataLoaderSettings& DataLoader::settings() const { return impl_->settings; }
const std::vector<Field>& DataLoader::fields() const { return impl_->fields; }

Position DataLoader::position() const { return impl_->position; }

void DataLoader::restore(const Position& p) {
  const std::string where = "DataLoader: position epoch " + std::to_string(p.epoch) + ", sample " + std::to_string(p.next);
  if (p.samples != 0 && p.samples != impl_->samples)
    throw Exception(Error::InvalidArgument, where + " is one in a dataset of " + std::to_string(p.samples) + " samples; this one has " +
                                                std::to_string(impl_->samples));
  if (p.epoch < 0 || p.epoch > INT32_MAX || p.next < 0 || p.next > impl_->samples)
    throw Exception(Error::InvalidArgument, where + " does not lie in a dataset of " + std::to_string(impl_->samples) + " samples");
  impl_->go_to({p.seed, p.epoch, p.next, impl_->samples});
}

void DataLoader::set_epoch(int64_t epoch) { restore({impl_->position.seed, epoch, 0, 0}); }

double DataLoader::stall_seconds() const { return impl_->stalled; }

uint64_t DataLoader::memory_bytes() const {
  uint64_t of_sample = sizeof(int64_t);
  for (size_t f = 0; f < impl_->fields.size(); ++f)
    of_sample += f < impl_->bytes.size() ? std::max(impl_->bytes[f], field_bytes(impl_->fields[f])) : field_bytes(impl_->fields[f]);
  return of_sample * static_cast<uint64_t>(impl_->settings.batch_size) * impl_->slots.size();
}

DataLoader::Iterator DataLoader::begin() {
  if (impl_->looping) set_epoch(impl_->position.epoch + 1);
  impl_->looping = true;
  return Iterator(this);
}

}  // namespace gf::data
