// calexnet-run: a bundle's answers, and its times, on a board without Python.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "calexnet.hpp"
#include "timing.hpp"

namespace {

constexpr const char *usage =
    "usage: calexnet-run BUNDLE IMAGES.raw [--target NAME] [--precision NAME]\n"
    "    [--operating-point NAME] [--threads N] [--batch N] [--plain] [--probabilities]\n"
    "    [--time OUT.json] [--blocks N]\n"
    "\n"
    "IMAGES.raw holds images one after the other, as the bundle takes them: uint8 (n, H, W, C).\n"
    "Prints a line an image: label, name, score, exit, and the probabilities if asked for.\n"
    "--time measures the cascade beside the plain backbone in blocks and writes both as JSON.\n";

class UsageError : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct Arguments {
    std::string bundle, images, time;
    calexnet::Options options;
    std::size_t batch = 1, blocks = 20;
    bool plain = false, probabilities = false, help = false;
};

std::size_t whole(const std::string &option, const std::string &text, std::size_t least) {
    const bool digits = !text.empty() && text.size() < 8 &&
                        text.find_first_not_of("0123456789") == std::string::npos;
    const std::size_t number = digits ? std::stoul(text) : 0;
    if (!digits || number < least) {
        throw UsageError(option + " needs a whole number of at least " + std::to_string(least) +
                         ", got '" + text + "'");
    }
    return number;
}

void take_option(Arguments &found, const std::string &option, const std::string &value) {
    if (option == "--target")
        found.options.target = value;
    else if (option == "--precision")
        found.options.precision = value;
    else if (option == "--operating-point")
        found.options.operating_point = value;
    else if (option == "--threads")
        found.options.threads = static_cast<int>(whole(option, value, 1));
    else if (option == "--batch")
        found.batch = whole(option, value, 1);
    else if (option == "--blocks")
        found.blocks = whole(option, value, 1);
    else if (option == "--time")
        found.time = value;
    else
        throw UsageError("unknown option " + option);
}

Arguments arguments_of(const std::vector<std::string> &words) {
    Arguments found;
    std::vector<std::string> places;
    for (std::size_t i = 0; i < words.size(); ++i) {
        const std::string &word = words[i];
        if (word == "--help" || word == "-h")
            found.help = true;
        else if (word == "--plain")
            found.plain = true;
        else if (word == "--probabilities")
            found.probabilities = true;
        else if (word.rfind("--", 0) != 0)
            places.push_back(word);
        else if (i + 1 == words.size())
            throw UsageError(word + " needs a value");
        else
            take_option(found, word, words[++i]);
    }
    if (found.help) return found;
    if (places.size() != 2)
        throw UsageError("a bundle and a file of images are needed; see --help");
    found.bundle = places[0], found.images = places[1];
    return found;
}

std::vector<char> images_of(const std::string &path, std::size_t image_bytes) {
    std::ifstream file(path, std::ios::binary);
    std::vector<char> bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    if (!file) throw UsageError("cannot read " + path);
    if (bytes.empty() || bytes.size() % image_bytes != 0) {
        throw UsageError(path + " has " + std::to_string(bytes.size()) +
                         " bytes, not a multiple of the " + std::to_string(image_bytes) +
                         " of one image");
    }
    return bytes;
}

void print(const calexnet::Cascade &cascade, const calexnet::Answers &answers) {
    const std::size_t classes = cascade.description().classes;
    for (std::size_t i = 0; i < answers.labels.size(); ++i) {
        const auto label = static_cast<std::size_t>(answers.labels[i]);
        std::printf("%zu\t%s\t%.9g\t%d", label, cascade.class_name(label).c_str(),
                    static_cast<double>(answers.scores[i]), static_cast<int>(answers.exits[i]));
        for (std::size_t k = 0; !answers.probabilities.empty() && k < classes; ++k) {
            std::printf("\t%.9g", static_cast<double>(answers.probabilities[i * classes + k]));
        }
        std::printf("\n");
    }
}

void predict(calexnet::Cascade &cascade, const Arguments &given, const char *images,
             std::size_t count) {
    for (std::size_t first = 0; first < count; first += given.batch) {
        const std::size_t rows = std::min(given.batch, count - first);
        const char *some = images + first * cascade.description().image_bytes;
        print(cascade, given.plain ? cascade.plain(some, rows, given.probabilities)
                                   : cascade.predict(some, rows, given.probabilities));
    }
}

nlohmann::ordered_json record_of(const calexnet::Cascade &cascade, const Arguments &given,
                                 std::size_t images) {
    const calexnet_description &what = cascade.description();
    return {{"schema", 1},
            {"calexnet", calexnet_version()},
            {"bundle", what.sha256},
            {"target", what.target},
            {"precision", what.precision},
            {"runtime", what.runtime},
            {"operating_point", what.operating_point},
            {"threads", given.options.threads},
            {"batch", given.batch},
            {"images", images}};
}

void time(calexnet::Cascade &cascade, const Arguments &given, const char *images,
          std::size_t count) {
    nlohmann::ordered_json record = record_of(cascade, given, count);
    cascade.reset_counters();
    cascade.predict(images, count);
    record["exits"] = cascade.counters();
    for (const calexnet::Block &block :
         calexnet::measure(cascade, images, count, given.batch, given.blocks)) {
        record["blocks"].push_back({{"cascade_ms", block.cascade_ms},
                                    {"plain_ms", block.plain_ms},
                                    {"cascade_first", block.cascade_first}});
    }
    // Whole or not at all, as every file of ours.
    const std::string partial = given.time + ".partial";
    std::ofstream(partial) << record.dump(1) << '\n' << std::flush;
    std::error_code problem;
    std::filesystem::rename(partial, given.time, problem);
    if (problem) throw UsageError("cannot write " + given.time + ": " + problem.message());
}

int run(const Arguments &given) {
    if (given.help) {
        std::fputs(usage, stdout);
        return 0;
    }
    calexnet::Cascade cascade(given.bundle, given.options);
    const std::size_t image_bytes = cascade.description().image_bytes;
    const std::vector<char> images = images_of(given.images, image_bytes);
    const std::size_t count = images.size() / image_bytes;
    given.time.empty() ? predict(cascade, given, images.data(), count)
                       : time(cascade, given, images.data(), count);
    return 0;
}

// As calexnet's Python commands end.
int exit_code(calexnet_status status) {
    const bool users = status == CALEXNET_BAD_BUNDLE || status == CALEXNET_BAD_INPUT;
    return users ? 2 : status == CALEXNET_RUNTIME ? 4 : 70;
}

int fail(const std::exception &problem, int code) {
    std::cerr << "calexnet-run: " << problem.what() << '\n';
    return code;
}

}  // namespace

int main(int count, char **words) {
    try {
        return run(arguments_of({words + 1, words + count}));
    } catch (const UsageError &problem) {
        return fail(problem, 2);
    } catch (const calexnet::Error &problem) {
        return fail(problem, exit_code(problem.status()));
    } catch (const std::exception &problem) {
        return fail(problem, 70);
    }
}
