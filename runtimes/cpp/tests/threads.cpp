// One cascade shared between threads, each with batches and thresholds of its own, answers as
// alone.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <thread>
#include <vector>

#include "calexnet.hpp"

namespace {

constexpr std::size_t images = 48;

bool same(const calexnet::Answers &one, const calexnet::Answers &other) {
    return one.labels == other.labels && one.scores == other.scores && one.exits == other.exits;
}

}  // namespace

int main(int count, char **words) {
    if (count != 4) return 2;
    calexnet::Options options;
    options.target = words[2], options.precision = words[3], options.threads = 1;
    calexnet::Cascade cascade(words[1], options);
    const calexnet_description &what = cascade.description();
    std::mt19937 draw(1);
    std::vector<unsigned char> bytes(images * what.image_bytes);
    for (unsigned char &byte : bytes) byte = static_cast<unsigned char>(draw());
    const std::vector<float> never((what.exits - 1) * what.classes, 2.0F);

    std::vector<calexnet::Answers> usual, last;
    for (std::size_t rows = 1; rows <= images; ++rows) {
        usual.push_back(cascade.predict(bytes.data(), rows));
        last.push_back(cascade.predict(bytes.data(), rows, true, never.data()));
    }
    cascade.reset_counters();

    std::atomic<int> wrong{0};
    const auto work = [&](unsigned seed) {
        std::mt19937 mine(seed);
        for (int call = 0; call < 200; ++call) {
            const std::size_t rows = 1 + mine() % images;
            const bool strict = mine() % 2 == 0;
            const auto found =
                cascade.predict(bytes.data(), rows, strict, strict ? never.data() : nullptr);
            if (!same(found, (strict ? last : usual)[rows - 1])) ++wrong;
        }
    };
    std::vector<std::thread> threads;
    for (unsigned seed = 0; seed < 4; ++seed) threads.emplace_back(work, seed);
    for (std::thread &thread : threads) thread.join();
    std::printf("wrong %d\n", wrong.load());
    return wrong != 0;
}
