// The C interface: what is thrown inside becomes a status and a message here, and nowhere else.
#include "calexnet.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <new>

#include "error.hpp"
#include "runner.hpp"

using namespace calexnet::inside;

struct calexnet_cascade {
    Runner runner;
};

namespace {

// Of a fixed size, so that even a lack of memory can be told.
thread_local char message[1024];

// One line of whole characters, whatever a bundle has put into it.
calexnet_status tell(calexnet_status status, const char *words) noexcept {
    const int length = std::snprintf(message, sizeof message, "%s", words);
    std::size_t end = std::strlen(message);
    if (static_cast<std::size_t>(length) > end) {
        while (end > 0 && (message[end - 1] & 0x80) != 0) message[--end] = '\0';
    }
    for (char *c = message; *c != '\0'; ++c) {
        if (static_cast<unsigned char>(*c) < ' ' || *c == '\x7f') *c = ' ';
    }
    return status;
}

template <class Work>
calexnet_status guarded(Work work) noexcept {
    try {
        work();
        return CALEXNET_OK;
    } catch (const Error &error) {
        return tell(error.status, error.what());
    } catch (const std::bad_alloc &) {
        return tell(CALEXNET_NO_MEMORY, "no memory for this; try a smaller batch");
    } catch (const std::exception &fault) {
        return tell(CALEXNET_FAULT, fault.what());
    } catch (...) {
        return tell(CALEXNET_FAULT, "something unknown was thrown");
    }
}

std::string word(const char *text) { return text == nullptr ? "" : text; }

Options options_of(const calexnet_options *given) {
    if (given == nullptr) return {};
    if (given->size < sizeof(calexnet_options)) {
        throw bad_input("calexnet_options.size is not sizeof(calexnet_options)");
    }
    if (given->threads < 0) throw bad_input("threads is under 0");
    return {word(given->target), word(given->precision), word(given->operating_point),
            given->threads};
}

void require(bool given, const char *what) {
    if (!given) throw bad_input(std::string(what) + " is NULL");
}

Answers answers_of(const void *images, std::size_t count, const calexnet_answers *answers) {
    require(answers != nullptr, "answers");
    require(count == 0 || images != nullptr, "images");
    require(count == 0 || (answers->labels && answers->scores && answers->exits),
            "labels, scores or exits");
    return {answers->labels, answers->scores, answers->exits, answers->probabilities};
}

}  // namespace

calexnet_status calexnet_open(const char *folder, const calexnet_options *options,
                              calexnet_cascade **cascade) {
    return guarded([&] {
        require(cascade != nullptr, "cascade");
        *cascade = nullptr;
        require(folder != nullptr, "folder");
        *cascade = new calexnet_cascade{{folder, options_of(options)}};
    });
}

void calexnet_close(calexnet_cascade *cascade) { delete cascade; }

calexnet_status calexnet_describe(const calexnet_cascade *cascade,
                                  calexnet_description *description) {
    return guarded([&] {
        require(cascade != nullptr, "cascade");
        require(description != nullptr, "description");
        const Runner &runner = cascade->runner;
        const Manifest &content = runner.manifest();
        *description = {content.sha256.c_str(),
                        runner.build().target.c_str(),
                        runner.build().precision.c_str(),
                        runner.runtime().c_str(),
                        runner.point().name.c_str(),
                        content.height,
                        content.width,
                        content.channels,
                        content.takes_floats ? 1 : 0,
                        runner.image_bytes(),
                        content.classes.size(),
                        runner.exits()};
    });
}

const char *calexnet_class_name(const calexnet_cascade *cascade, size_t label) {
    if (cascade == nullptr || label >= cascade->runner.manifest().classes.size()) return nullptr;
    return cascade->runner.manifest().classes[label].c_str();
}

calexnet_status calexnet_thresholds(const calexnet_cascade *cascade, const char *operating_point,
                                    float *table) {
    return guarded([&] {
        require(cascade != nullptr, "cascade");
        require(table != nullptr, "table");
        const OperatingPoint &point = cascade->runner.point_named(word(operating_point));
        std::copy(point.thresholds.begin(), point.thresholds.end(), table);
    });
}

calexnet_status calexnet_predict(calexnet_cascade *cascade, const void *images, size_t count,
                                 const float *thresholds, const calexnet_answers *answers) {
    return guarded([&] {
        require(cascade != nullptr, "cascade");
        cascade->runner.predict(images, count, thresholds, answers_of(images, count, answers));
    });
}

calexnet_status calexnet_plain(calexnet_cascade *cascade, const void *images, size_t count,
                               const calexnet_answers *answers) {
    return guarded([&] {
        require(cascade != nullptr, "cascade");
        cascade->runner.plain(images, count, answers_of(images, count, answers));
    });
}

calexnet_status calexnet_warm_up(calexnet_cascade *cascade, size_t count) {
    return guarded([&] {
        require(cascade != nullptr, "cascade");
        if (count > 0) cascade->runner.warm_up(count);
    });
}

calexnet_status calexnet_counters(const calexnet_cascade *cascade, uint64_t *images) {
    return guarded([&] {
        require(cascade != nullptr, "cascade");
        require(images != nullptr, "images");
        cascade->runner.counters(images);
    });
}

calexnet_status calexnet_reset_counters(calexnet_cascade *cascade) {
    return guarded([&] {
        require(cascade != nullptr, "cascade");
        cascade->runner.reset_counters();
    });
}

const char *calexnet_message(void) { return message; }

const char *calexnet_version(void) { return CALEXNET_VERSION; }
