// A whole cascade on one runtime. Safe to share between threads.
#pragma once

#include <atomic>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "bundle.hpp"
#include "engine.hpp"
#include "lane.hpp"
#include "steps.hpp"

namespace calexnet::inside {

// Segments that run one after the other, and the lanes that batches take through them.
class Chain {
  public:
    Chain(const std::vector<const Graph *> &graphs, const Bundle &bundle, Runtime &runtime);

    // The same with engines of the caller's.
    Chain(Steps steps, std::vector<std::unique_ptr<Engine>> engines, std::size_t classes);

    // Answer any number of images, in chunks where memory wants it.
    void answer(const void *images, std::size_t count, const float *thresholds,
                std::size_t first_exit, const Answers &answers,
                std::atomic<std::uint64_t> *counters);

    void warm_up(std::size_t count);

  private:
    std::unique_ptr<Lane> take(std::size_t count);
    void give_back(std::unique_ptr<Lane> lane);

    Steps steps_;
    std::vector<std::unique_ptr<Engine>> engines_;
    std::size_t classes_, most_;
    std::mutex lock_;
    std::vector<std::unique_ptr<Lane>> idle_;
};

struct Options {
    std::string target, precision, operating_point;  // empty = the bundle's own choice
    int threads = 0;
};

class Runner {
  public:
    Runner(const std::filesystem::path &folder, const Options &options);

    const Manifest &manifest() const { return bundle_.manifest(); }
    const Build &build() const { return *build_; }
    const std::string &runtime() const { return runtime_name_; }
    const OperatingPoint &point() const { return *point_; }
    std::size_t image_bytes() const { return image_bytes_; }
    std::size_t exits() const { return manifest().branches + 1; }

    // The operating point of a name, the one it was opened with for "".
    const OperatingPoint &point_named(const std::string &name) const;

    // `thresholds` (branches, classes), or null for those of point().
    void predict(const void *images, std::size_t count, const float *thresholds,
                 const Answers &answers);
    void plain(const void *images, std::size_t count, const Answers &answers);
    void warm_up(std::size_t count) { cascade_->warm_up(count); }

    void counters(std::uint64_t *images) const;
    void reset_counters();

  private:
    void refuse_nan(const void *images, std::size_t count) const;

    Bundle bundle_;
    const Build *build_;
    const OperatingPoint *point_;
    std::unique_ptr<Runtime> engines_from_;  // before what it made: that is let go of first
    std::string runtime_name_;
    std::size_t image_bytes_;
    std::unique_ptr<Chain> cascade_, plain_;
    std::mutex plain_lock_;
    std::unique_ptr<std::atomic<std::uint64_t>[]> counters_;
};

}  // namespace calexnet::inside
