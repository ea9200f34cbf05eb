// The contract of a runtime: one compiled segment, run on memory that lies where it lies.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "manifest.hpp"

namespace calexnet::inside {

// A segment bound to memory. For one thread.
class Call {
  public:
    virtual ~Call() = default;

    // Run on the first `rows` samples, at least one.
    virtual void run(std::size_t rows) = 0;
};

// A tensor and where its rows lie; memory is aligned to 64 bytes.
struct Place {
    const Tensor *tensor;
    void *data;
};

// One segment in one runtime. Safe to share between threads.
class Engine {
  public:
    virtual ~Engine() = default;

    // Bind it to memory for `room` samples.
    virtual std::unique_ptr<Call> bind(const std::vector<Place> &inputs,
                                       const std::vector<Place> &outputs, std::size_t room) = 0;
};

// A runtime that is in this build.
class Runtime {
  public:
    virtual ~Runtime() = default;

    // Name and version.
    virtual std::string name() const = 0;

    // Load a graph. `bytes` are its file's, and need not outlive the call; `graph` must.
    virtual std::unique_ptr<Engine> load(const Graph &graph, const std::string &bytes) = 0;
};

// Each where it is in this build. `threads` within an operator; 0 = as the runtime likes.
std::unique_ptr<Runtime> open_onnxruntime(int threads);
std::unique_ptr<Runtime> open_litert(int threads);

// The runtime of a target; null where it is not in this build.
std::unique_ptr<Runtime> open_runtime(const std::string &target, int threads);

}  // namespace calexnet::inside
