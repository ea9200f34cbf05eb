// What the library does beside the runtime, on segments that cost nothing: whether it allocates
// after warm-up, and how long it takes.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

#include "runner.hpp"

using namespace calexnet::inside;

namespace {

std::size_t allocations = 0;

void *allocate(std::size_t size, std::size_t alignment) {
    ++allocations;
    void *data = nullptr;
    if (posix_memalign(&data, alignment, size) != 0) throw std::bad_alloc();
    return data;
}

}  // namespace

void *operator new(std::size_t size) { return allocate(size, alignof(std::max_align_t)); }
void *operator new(std::size_t size, std::align_val_t alignment) {
    return allocate(size, static_cast<std::size_t>(alignment));
}
void operator delete(void *data) noexcept { std::free(data); }
void operator delete(void *data, std::size_t) noexcept { std::free(data); }
void operator delete(void *data, std::align_val_t) noexcept { std::free(data); }
void operator delete(void *data, std::size_t, std::align_val_t) noexcept { std::free(data); }

namespace {

constexpr std::size_t classes = 10, segments = 4;

// Copies the first byte of a row from what it reads to what it makes, and lets a row out at the
// segment which that byte says.
class EmptyCall : public Call {
  public:
    EmptyCall(const std::vector<Place> &inputs, const std::vector<Place> &outputs,
              std::size_t segment)
        : segment_(segment) {
        for (const Place &place : inputs) {
            if (place.tensor->name != "threshold") source_ = place;
        }
        for (const Place &place : outputs) {
            if (place.tensor->name == "exit") exit_ = static_cast<bool *>(place.data);
            if (place.tensor->name == "label") label_ = static_cast<std::int32_t *>(place.data);
            if (place.tensor->name == "carried " + std::to_string(segment)) made_ = place;
        }
    }

    void run(std::size_t rows) override {
        for (std::size_t row = 0; row < rows; ++row) {
            const std::byte said = bytes(source_)[row * source_.tensor->row_bytes];
            label_[row] = static_cast<std::int32_t>(said);
            if (exit_ != nullptr) exit_[row] = said == std::byte(segment_);
            if (made_.data != nullptr) bytes(made_)[row * made_.tensor->row_bytes] = said;
        }
    }

  private:
    static std::byte *bytes(const Place &place) { return static_cast<std::byte *>(place.data); }

    std::size_t segment_;
    Place source_{}, made_{};
    bool *exit_ = nullptr;
    std::int32_t *label_ = nullptr;
};

class EmptyEngine : public Engine {
  public:
    explicit EmptyEngine(std::size_t segment) : segment_(segment) {}

    std::unique_ptr<Call> bind(const std::vector<Place> &inputs, const std::vector<Place> &outputs,
                               std::size_t) override {
        return std::make_unique<EmptyCall>(inputs, outputs, segment_);
    }

  private:
    std::size_t segment_;
};

Tensor tensor(const std::string &name, Type type, std::vector<std::int64_t> row_shape,
              std::size_t row_bytes, bool batched = true) {
    return {name, type, batched, std::move(row_shape), row_bytes};
}

Tensor carried(std::size_t segment) {
    return tensor("carried " + std::to_string(segment), Type::float32, {16, 4, 4}, 1024);
}

Graph graph(std::size_t segment) {
    Graph made{"segment", {}, {}, {}, true, 0};
    made.inputs = {segment == 0 ? tensor("image", Type::uint8, {8, 8, 3}, 192)
                                : carried(segment - 1)};
    made.outputs = {tensor("label", Type::int32, {}, 4), tensor("score", Type::float32, {}, 4),
                    tensor("probabilities", Type::float32, {classes}, classes * 4)};
    if (segment + 1 < segments) {
        made.inputs.push_back(tensor("threshold", Type::float32, {classes}, classes * 4, false));
        made.outputs.push_back(tensor("exit", Type::boolean, {}, 1));
        made.outputs.push_back(carried(segment));
    }
    return made;
}

// A batch and its answers. The first byte of an image says where it leaves.
struct Batch {
    explicit Batch(std::size_t count)
        : images(count * 192),
          thresholds(segments * classes),
          labels(count),
          exits(count),
          scores(count),
          probabilities(count * classes) {}

    void draw() {
        for (std::size_t i = 0; i < labels.size(); ++i) {
            images[i * 192] = std::byte(static_cast<std::size_t>(std::rand()) % segments);
        }
    }

    bool is_right() const {
        for (std::size_t i = 0; i < labels.size(); ++i) {
            const int said = static_cast<int>(images[i * 192]);
            if (labels[i] != said || exits[i] != said + 1) return false;
        }
        return true;
    }

    std::vector<std::byte> images;
    std::vector<float> thresholds;
    std::vector<std::int32_t> labels, exits;
    std::vector<float> scores, probabilities;
};

void answer(Chain &chain, Batch &batch, std::atomic<std::uint64_t> *counters) {
    chain.answer(
        batch.images.data(), batch.labels.size(), batch.thresholds.data(), 1,
        {batch.labels.data(), batch.scores.data(), batch.exits.data(), batch.probabilities.data()},
        counters);
}

double ns_a_segment(Chain &chain, std::atomic<std::uint64_t> *counters) {
    Batch one(1);
    one.images[0] = std::byte(segments - 1);
    constexpr int calls = 200000;
    const auto start = std::chrono::steady_clock::now();
    for (int call = 0; call < calls; ++call) answer(chain, one, counters);
    const std::chrono::duration<double, std::nano> spent = std::chrono::steady_clock::now() - start;
    return spent.count() / calls / segments;
}

}  // namespace

int main() {
    Manifest content{};
    content.classes.resize(classes);
    content.height = content.width = 8, content.channels = 3;
    std::vector<Graph> graphs;
    std::vector<const Graph *> pointers;
    std::vector<std::unique_ptr<Engine>> engines;
    for (std::size_t segment = 0; segment < segments; ++segment) graphs.push_back(graph(segment));
    for (std::size_t segment = 0; segment < segments; ++segment) {
        pointers.push_back(&graphs[segment]);
        engines.push_back(std::make_unique<EmptyEngine>(segment));
    }
    Chain chain(steps_of(pointers, content), std::move(engines), classes);
    std::atomic<std::uint64_t> counters[segments]{};
    std::vector<Batch> batches{Batch(1), Batch(3), Batch(32), Batch(200)};

    chain.warm_up(200);
    const std::size_t before = allocations;
    for (int time = 0; time < 1000; ++time) {
        for (Batch &batch : batches) {
            batch.draw();
            answer(chain, batch, counters);
            if (!batch.is_right()) return std::puts("wrong answers"), 1;
        }
    }
    const std::size_t made = allocations - before;
    std::printf("allocations %zu\n", made);
    std::printf("ns_a_segment %.1f\n", ns_a_segment(chain, counters));
    return made == 0 ? 0 : 1;
}
