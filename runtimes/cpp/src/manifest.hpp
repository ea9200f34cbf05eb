// What a runner needs of a bundle's manifest.json; docs/formats.md describes it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace calexnet::inside {

enum class Type { float32, float16, int32, int8, uint8, boolean };

struct Tensor {
    std::string name;
    Type type;
    bool batched;                         // whether it has a row a sample
    std::vector<std::int64_t> row_shape;  // without the batch
    std::size_t row_bytes;
};

struct File {
    std::string path, sha256;
    std::uint64_t size;
};

// One compiled unit: a segment, or the plain backbone.
struct Graph {
    std::string name;
    File file;
    std::vector<Tensor> inputs, outputs;
    bool any_batch;           // not built for certain batch sizes
    double activation_bytes;  // that it moves for one sample; 0 = not counted
};

struct OperatingPoint {
    std::string name;
    std::vector<float> thresholds;  // (branches, classes), infinity = never
};

// A cascade compiled for one target at one precision.
struct Build {
    std::string target, precision, layout;
    std::vector<Graph> segments;
    Graph plain;
    std::vector<OperatingPoint> points;
};

struct Manifest {
    std::string sha256;
    std::vector<std::string> classes;
    std::size_t height, width, channels;
    bool takes_floats;
    std::size_t branches;
    std::vector<Build> builds;
    std::string default_point;
};

// Read the bytes of a manifest, after checking the hash that it carries of itself.
Manifest parse_manifest(std::string_view bytes);

}  // namespace calexnet::inside
