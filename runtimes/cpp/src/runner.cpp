#include "runner.hpp"

#include <algorithm>
#include <cmath>

#include "error.hpp"

namespace calexnet::inside {
namespace {

// More rows than this are not warmed up one by one: the runtimes keep no more sizes either.
constexpr std::size_t most_warmed = 128;

bool fits(const Build &build, const Options &options) {
    return build.layout == "segments" &&
           (options.target.empty() || options.target == build.target) &&
           (options.precision.empty() || options.precision == build.precision);
}

std::string names_of(const std::vector<Build> &builds) {
    std::string names;
    for (const Build &build : builds) {
        names += (names.empty() ? "" : ", ") + build.target + " " + build.precision;
        if (build.layout != "segments") names += " " + build.layout;
    }
    return names;
}

// The first build that is wanted and whose runtime is in this library.
std::pair<const Build *, std::unique_ptr<Runtime>> choose(const Manifest &content,
                                                          const Options &options) {
    const Build *found = nullptr;
    for (const Build &build : content.builds) {
        if (!fits(build, options)) continue;
        found = found == nullptr ? &build : found;
        if (auto runtime = open_runtime(build.target, options.threads)) {
            return {&build, std::move(runtime)};
        }
    }
    if (found != nullptr) {
        throw Error(CALEXNET_RUNTIME, "this build of calexnet has no runtime for " + found->target);
    }
    throw bad_input("the bundle holds no such build in layout segments, but " +
                    names_of(content.builds));
}

const OperatingPoint &find_point(const Build &build, const std::string &name) {
    std::string known;
    for (const OperatingPoint &point : build.points) {
        if (point.name == name) return point;
        known += (known.empty() ? "" : ", ") + point.name;
    }
    throw bad_input("unknown operating point " + name + "; there are " + known);
}

std::vector<const Graph *> graphs_of(const Build &build) {
    std::vector<const Graph *> graphs;
    for (const Graph &graph : build.segments) graphs.push_back(&graph);
    return graphs;
}

std::vector<std::unique_ptr<Engine>> load(const std::vector<const Graph *> &graphs,
                                          const Bundle &bundle, Runtime &runtime) {
    std::vector<std::unique_ptr<Engine>> engines;
    for (const Graph *graph : graphs)
        engines.push_back(runtime.load(*graph, bundle.read(graph->file)));
    return engines;
}

}  // namespace

Chain::Chain(const std::vector<const Graph *> &graphs, const Bundle &bundle, Runtime &runtime)
    : Chain(steps_of(graphs, bundle.manifest()), load(graphs, bundle, runtime),
            bundle.manifest().classes.size()) {}

Chain::Chain(Steps steps, std::vector<std::unique_ptr<Engine>> engines, std::size_t classes)
    : steps_(std::move(steps)),
      engines_(std::move(engines)),
      classes_(classes),
      most_(steps_.most_rows()) {}

void Chain::answer(const void *images, std::size_t count, const float *thresholds,
                   std::size_t first_exit, const Answers &answers,
                   std::atomic<std::uint64_t> *counters) {
    std::size_t done = 0;
    for (std::size_t parts = (count + most_ - 1) / most_; parts > 0; --parts) {
        const std::size_t some = (count - done) / parts;
        std::unique_ptr<Lane> lane = take(some);
        const auto *from =
            static_cast<const std::byte *>(images) + done * steps_.carried[0]->row_bytes;
        lane->answer(from, some, thresholds, first_exit, answers.from(done, classes_));
        for (std::size_t segment = 0; counters != nullptr && segment < engines_.size(); ++segment) {
            counters[segment].fetch_add(lane->left()[segment], std::memory_order_relaxed);
        }
        give_back(std::move(lane));  // not after an error: nobody knows its state then
        done += some;
    }
}

void Chain::warm_up(std::size_t count) {
    std::unique_ptr<Lane> lane = take(std::min(count, most_));
    lane->warm_up(most_warmed);
    give_back(std::move(lane));
}

std::unique_ptr<Lane> Chain::take(std::size_t count) {
    std::unique_ptr<Lane> lane;
    {
        const std::lock_guard<std::mutex> held(lock_);
        const auto fitting = std::find_if(idle_.begin(), idle_.end(),
                                          [&](const auto &one) { return one->room() >= count; });
        const auto chosen = fitting == idle_.end() && !idle_.empty() ? idle_.begin() : fitting;
        if (chosen != idle_.end()) {
            lane = std::move(*chosen);
            idle_.erase(chosen);
        }
    }
    if (lane != nullptr && lane->room() >= count) return lane;
    lane.reset();  // a small one makes place for a larger one
    std::size_t room = 1;
    while (room < count) room *= 2;
    return std::make_unique<Lane>(steps_, engines_, classes_, std::min(room, most_));
}

void Chain::give_back(std::unique_ptr<Lane> lane) {
    const std::lock_guard<std::mutex> held(lock_);
    idle_.push_back(std::move(lane));
}

Runner::Runner(const std::filesystem::path &folder, const Options &options)
    : bundle_(folder),
      counters_(std::make_unique<std::atomic<std::uint64_t>[]>(manifest().branches + 1)) {
    std::tie(build_, engines_from_) = choose(manifest(), options);
    point_ = &find_point(*build_, options.operating_point.empty() ? manifest().default_point
                                                                  : options.operating_point);
    runtime_name_ = engines_from_->name();
    cascade_ = std::make_unique<Chain>(graphs_of(*build_), bundle_, *engines_from_);
    image_bytes_ = manifest().height * manifest().width * manifest().channels *
                   (manifest().takes_floats ? sizeof(float) : 1);
}

const OperatingPoint &Runner::point_named(const std::string &name) const {
    return name.empty() ? *point_ : find_point(*build_, name);
}

void Runner::predict(const void *images, std::size_t count, const float *thresholds,
                     const Answers &answers) {
    const std::size_t numbers = manifest().branches * manifest().classes.size();
    if (thresholds != nullptr &&
        std::any_of(thresholds, thresholds + numbers, [](float one) { return std::isnan(one); })) {
        throw bad_input("the threshold table has NaN in it");
    }
    refuse_nan(images, count);
    cascade_->answer(images, count, thresholds ? thresholds : point_->thresholds.data(), 1, answers,
                     counters_.get());
}

void Runner::plain(const void *images, std::size_t count, const Answers &answers) {
    refuse_nan(images, count);
    {
        const std::lock_guard<std::mutex> held(plain_lock_);
        if (plain_ == nullptr) {
            const std::vector<const Graph *> graphs{&build_->plain};
            plain_ = std::make_unique<Chain>(graphs, bundle_, *engines_from_);
        }
    }
    plain_->answer(images, count, nullptr, exits(), answers, nullptr);
}

void Runner::counters(std::uint64_t *images) const {
    for (std::size_t exit = 0; exit < exits(); ++exit) images[exit] = counters_[exit];
}

void Runner::reset_counters() {
    for (std::size_t exit = 0; exit < exits(); ++exit) counters_[exit] = 0;
}

void Runner::refuse_nan(const void *images, std::size_t count) const {
    if (!manifest().takes_floats) return;
    const auto *numbers = static_cast<const float *>(images);
    const std::size_t end = count * image_bytes_ / sizeof(float);
    if (std::any_of(numbers, numbers + end, [](float one) { return std::isnan(one); })) {
        throw bad_input("the images have NaN in them");
    }
}

}  // namespace calexnet::inside
