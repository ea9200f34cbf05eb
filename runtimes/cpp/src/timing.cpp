#include "timing.hpp"

#include <algorithm>
#include <chrono>
#include <functional>
#include <random>

namespace calexnet {
namespace {

// A block is long beside the clock's grain and what a scheduler takes away at once.
constexpr double least_seconds = 0.2;

using Pass = std::function<void(const std::byte *images, std::size_t count)>;

double ms_an_image(const Pass &pass, const std::byte *images, std::size_t count,
                   std::size_t image_bytes, std::size_t batch) {
    using Clock = std::chrono::steady_clock;
    const Clock::time_point start = Clock::now();
    std::size_t done = 0;
    double seconds = 0;
    while (seconds < least_seconds) {
        for (std::size_t first = 0; first < count; first += batch) {
            pass(images + first * image_bytes, std::min(batch, count - first));
        }
        done += count;
        seconds = std::chrono::duration<double>(Clock::now() - start).count();
    }
    return seconds * 1e3 / static_cast<double>(done);
}

}  // namespace

std::vector<Block> measure(Cascade &cascade, const void *images, std::size_t count,
                           std::size_t batch, std::size_t blocks) {
    const std::size_t image_bytes = cascade.description().image_bytes;
    std::vector<std::int32_t> labels(batch), exits(batch);
    std::vector<float> scores(batch);
    const calexnet_answers room{labels.data(), scores.data(), exits.data(), nullptr};
    const auto time = [&](bool plain) {
        const Pass pass = [&](const std::byte *some, std::size_t rows) {
            plain ? cascade.plain_into(some, rows, room) : cascade.predict_into(some, rows, room);
        };
        return ms_an_image(pass, static_cast<const std::byte *>(images), count, image_bytes, batch);
    };
    std::mt19937 draw(0);
    std::vector<Block> found;
    for (std::size_t number = 0; number <= blocks; ++number) {
        Block block{0, 0, draw() % 2 == 0};
        if (block.cascade_first) block.cascade_ms = time(false);
        block.plain_ms = time(true);
        if (!block.cascade_first) block.cascade_ms = time(false);
        if (number > 0) found.push_back(block);
    }
    return found;
}

}  // namespace calexnet
