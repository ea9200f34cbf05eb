// calexnet in C++17: the C interface of calexnet.h with owners and exceptions. Header only.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "calexnet.h"

namespace calexnet {

class Error : public std::runtime_error {
  public:
    Error(calexnet_status status, const char *message)
        : std::runtime_error(message), status_(status) {}

    calexnet_status status() const noexcept { return status_; }

  private:
    calexnet_status status_;
};

inline void require(calexnet_status status) {
    if (status != CALEXNET_OK) throw Error(status, calexnet_message());
}

// How to open a bundle; an empty word leaves the choice to the bundle.
struct Options {
    std::string target, precision, operating_point;
    int threads = 0;
};

// Answers for a batch, in the order of its images.
struct Answers {
    std::vector<std::int32_t> labels;
    std::vector<float> scores;
    std::vector<std::int32_t> exits;   // from 1
    std::vector<float> probabilities;  // (n, classes), if asked for
};

// A bundle's cascade. Safe to share between threads.
class Cascade {
  public:
    explicit Cascade(const std::string &folder, const Options &options = {}) {
        const auto word = [](const std::string &text) {
            return text.empty() ? nullptr : text.c_str();
        };
        const calexnet_options given{sizeof(calexnet_options), word(options.target),
                                     word(options.precision), word(options.operating_point),
                                     options.threads};
        calexnet_cascade *opened = nullptr;
        require(calexnet_open(folder.c_str(), &given, &opened));
        cascade_.reset(opened);
        require(calexnet_describe(opened, &description_));
    }

    const calexnet_description &description() const noexcept { return description_; }

    std::string class_name(std::size_t label) const {
        const char *name = calexnet_class_name(cascade_.get(), label);
        return name == nullptr ? "" : name;
    }

    // The table of an operating point, (exits - 1, classes); "" = the one it was opened with.
    std::vector<float> thresholds(const std::string &point = "") const {
        std::vector<float> table((description_.exits - 1) * description_.classes);
        const char *name = point.empty() ? nullptr : point.c_str();
        require(calexnet_thresholds(cascade_.get(), name, table.data()));
        return table;
    }

    // Raw images as description() says; `thresholds` for this call alone, null = the usual ones.
    Answers predict(const void *images, std::size_t count, bool probabilities = false,
                    const float *thresholds = nullptr) {
        Answers answers = room(count, probabilities);
        predict_into(images, count, pointers(answers), thresholds);
        return answers;
    }

    // The same into memory of the caller's: nothing is allocated.
    void predict_into(const void *images, std::size_t count, const calexnet_answers &answers,
                      const float *thresholds = nullptr) {
        require(calexnet_predict(cascade_.get(), images, count, thresholds, &answers));
    }

    // The backbone alone.
    Answers plain(const void *images, std::size_t count, bool probabilities = false) {
        Answers answers = room(count, probabilities);
        plain_into(images, count, pointers(answers));
        return answers;
    }

    void plain_into(const void *images, std::size_t count, const calexnet_answers &answers) {
        require(calexnet_plain(cascade_.get(), images, count, &answers));
    }

    void warm_up(std::size_t count) { require(calexnet_warm_up(cascade_.get(), count)); }

    std::vector<std::uint64_t> counters() const {
        std::vector<std::uint64_t> images(description_.exits);
        require(calexnet_counters(cascade_.get(), images.data()));
        return images;
    }

    void reset_counters() { require(calexnet_reset_counters(cascade_.get())); }

  private:
    struct Close {
        void operator()(calexnet_cascade *cascade) const noexcept { calexnet_close(cascade); }
    };

    Answers room(std::size_t count, bool probabilities) const {
        return {std::vector<std::int32_t>(count), std::vector<float>(count),
                std::vector<std::int32_t>(count),
                std::vector<float>(probabilities ? count * description_.classes : 0)};
    }

    static calexnet_answers pointers(Answers &answers) {
        float *table = answers.probabilities.empty() ? nullptr : answers.probabilities.data();
        return {answers.labels.data(), answers.scores.data(), answers.exits.data(), table};
    }

    std::unique_ptr<calexnet_cascade, Close> cascade_;
    calexnet_description description_{};
};

}  // namespace calexnet
