#include "manifest.hpp"

#include <algorithm>
#include <limits>
#include <set>

#include <nlohmann/json.hpp>

#include "error.hpp"
#include "sha256.hpp"

namespace calexnet::inside {
namespace {

using nlohmann::json;

constexpr int most_depth = 64;
constexpr std::int64_t most_row_bytes = std::int64_t{1} << 31;

// Parse as strictly as Python's reader does: no byte order mark, no key twice, no deep nesting.
json strict_json(std::string_view bytes) {
    if (bytes.substr(0, 3) == "\xEF\xBB\xBF") throw bad_bundle("manifest.json begins with a BOM");
    std::vector<std::set<std::string>> keys;
    const auto look = [&keys](int depth, json::parse_event_t event, json &parsed) {
        const bool opens =
            event == json::parse_event_t::object_start || event == json::parse_event_t::array_start;
        if (opens && depth >= most_depth) throw bad_bundle("manifest.json is nested too deep");
        if (event == json::parse_event_t::object_start) keys.emplace_back();
        if (event == json::parse_event_t::object_end) keys.pop_back();
        if (event == json::parse_event_t::key &&
            !keys.back().insert(parsed.get<std::string>()).second) {
            throw bad_bundle("manifest.json has the key " + parsed.dump() + " twice");
        }
        return true;
    };
    return json::parse(bytes.begin(), bytes.end(), look);
}

bool is_hash(const std::string &text) {
    return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

// The SHA-256 of the file's bytes, its own `sha256` as 64 zeros.
std::string own_hash(std::string_view bytes, const std::string &recorded) {
    const std::size_t place = bytes.find(recorded);
    if (!is_hash(recorded) || place == bytes.npos ||
        bytes.find(recorded, place + 1) != bytes.npos) {
        return "";
    }
    std::string blank(bytes);
    blank.replace(place, 64, 64, '0');
    return sha256(blank.data(), blank.size());
}

void refuse_altered(std::string_view bytes, const json &document) {
    const auto recorded = document.at("sha256").get<std::string>();
    if (own_hash(bytes, recorded) != recorded) {
        throw bad_bundle("manifest.json was altered: its content does not have the SHA-256 " +
                         recorded.substr(0, 12) +
                         "... that it says of itself. Copy the bundle "
                         "again; after an edit on purpose, or for a bundle of an earlier version: "
                         "calexnet seal BUNDLE");
    }
}

// A whole number of at least `least`; JSON's doubles and negatives are refused, not rounded.
std::size_t whole(const json &value, std::size_t least) {
    if (!value.is_number_unsigned()) throw bad_bundle("a size in manifest.json is " + value.dump());
    const auto number = value.get<std::uint64_t>();
    if (number < least || number > std::uint64_t{most_row_bytes}) {
        throw bad_bundle("a size in manifest.json is " + value.dump());
    }
    return static_cast<std::size_t>(number);
}

Type type_of(const std::string &dtype) {
    static const std::pair<const char *, Type> known[] = {
        {"float32", Type::float32}, {"float16", Type::float16}, {"int32", Type::int32},
        {"int8", Type::int8},       {"uint8", Type::uint8},     {"bool", Type::boolean}};
    for (const auto &[name, type] : known) {
        if (dtype == name) return type;
    }
    throw bad_bundle("a tensor of unknown dtype " + dtype);
}

std::size_t item_bytes(Type type) {
    if (type == Type::float32 || type == Type::int32) return 4;
    return type == Type::float16 ? 2 : 1;
}

Tensor tensor(const json &record) {
    Tensor made{record.at("name").get<std::string>(),
                type_of(record.at("dtype").get<std::string>()),
                false,
                {},
                0};
    auto bytes = static_cast<std::int64_t>(item_bytes(made.type));
    const json &shape = record.at("shape");
    for (std::size_t axis = 0; axis < shape.size(); ++axis) {
        if (axis == 0 && shape[0].is_string()) {
            made.batched = true;
            continue;
        }
        const auto size = static_cast<std::int64_t>(whole(shape[axis], 1));
        if (size > most_row_bytes / bytes)
            throw bad_bundle("the tensor " + made.name + " is too large");
        made.row_shape.push_back(size), bytes *= size;
    }
    made.row_bytes = static_cast<std::size_t>(bytes);
    return made;
}

std::vector<Tensor> tensors(const json &records) {
    std::vector<Tensor> made;
    for (const json &record : records) made.push_back(tensor(record));
    return made;
}

Graph graph(const json &record) {
    const json &file = record.at("file");
    Graph made{record.at("name").get<std::string>(),
               {file.at("path").get<std::string>(), file.at("sha256").get<std::string>(),
                file.at("size").get<std::uint64_t>()},
               tensors(record.at("inputs")),
               tensors(record.at("outputs")),
               record.at("buckets").is_null(),
               0};
    if (record.contains("counts") && record["counts"].is_object()) {
        made.activation_bytes = record["counts"].value("activation_bytes", 0.0);
    }
    return made;
}

std::vector<OperatingPoint> points(const json &records, std::size_t branches, std::size_t classes) {
    std::vector<OperatingPoint> made;
    for (const json &record : records) {
        OperatingPoint point{record.at("name").get<std::string>(), {}};
        const json &table = record.at("thresholds");
        bool fits = table.is_array() && table.size() == branches;
        for (const json &row : table) {
            fits = fits && row.is_array() && row.size() == classes;
            for (const json &one : row) {
                point.thresholds.push_back(one.is_null() ? std::numeric_limits<float>::infinity()
                                                         : static_cast<float>(one.get<double>()));
            }
        }
        if (!fits) throw bad_bundle("the thresholds of " + point.name + " do not fit");
        made.push_back(std::move(point));
    }
    return made;
}

Build build(const json &record, const Manifest &content, const json &shared_points) {
    Build made{record.at("target").get<std::string>(),
               record.at("precision").get<std::string>(),
               record.at("layout").get<std::string>(),
               {},
               graph(record.at("plain")),
               {}};
    for (const json &segment : record.at("segments")) made.segments.push_back(graph(segment));
    const std::size_t expected = made.layout == "if" ? 1 : content.branches + 1;
    if (made.segments.size() != expected) {
        throw bad_bundle(made.target + " " + made.precision + " has " +
                         std::to_string(made.segments.size()) + " segments, not " +
                         std::to_string(expected));
    }
    const auto own = record.find("operating_points");
    const bool shares = own == record.end() || own->is_null();
    made.points = points(shares ? shared_points : *own, content.branches, content.classes.size());
    return made;
}

Manifest read(const json &document) {
    Manifest made{};
    made.sha256 = document.at("sha256").get<std::string>();
    made.classes = document.at("classes").get<std::vector<std::string>>();
    if (made.classes.empty()) throw bad_bundle("manifest.json names no classes");
    const json &preprocessing = document.at("preprocessing");
    made.height = whole(preprocessing.at("height"), 1);
    made.width = whole(preprocessing.at("width"), 1);
    made.channels = whole(preprocessing.at("mean").size(), 1);
    made.takes_floats = preprocessing.value("input", "uint8") == "float";
    made.branches = document.at("branches").size();
    made.default_point = document.at("default_operating_point").get<std::string>();
    for (const json &record : document.at("compiled")) {
        made.builds.push_back(build(record, made, document.at("operating_points")));
    }
    return made;
}

}  // namespace

Manifest parse_manifest(std::string_view bytes) {
    try {
        const json document = strict_json(bytes);
        if (!document.is_object()) throw bad_bundle("manifest.json is no object");
        const json schema = document.value("schema", json());
        if (schema != 2) {
            throw bad_bundle("manifest.json is of schema " + schema.dump() +
                             ", not 2. Export the "
                             "cascade again with a calexnet of this version");
        }
        refuse_altered(bytes, document);
        return read(document);
    } catch (const json::parse_error &problem) {  // whose words repeat the file's bytes
        throw bad_bundle("manifest.json is not JSON, at byte " + std::to_string(problem.byte) +
                         ". Copy the bundle again");
    } catch (const json::exception &problem) {
        throw bad_bundle(std::string("manifest.json cannot be read: ") + problem.what());
    }
}

}  // namespace calexnet::inside
