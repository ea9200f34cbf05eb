#include "onnx_graph.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "error.hpp"

namespace calexnet::inside {
namespace {

// Beyond these a graph is none of ours.
constexpr int most_nodes = 100000, most_depth = 24;
constexpr std::uint64_t most_constant_bytes = (std::uint64_t{1} << 31) - 1;
constexpr std::uint64_t most_bytes_each = 16;

// Domains of operators that runtimes have built in; another is somebody's library.
constexpr std::array<std::string_view, 4> domains{"", "ai.onnx", "ai.onnx.ml", "com.microsoft"};

// A field of a protocol buffer: a number, or bytes where they lie.
struct Field {
    std::uint64_t number;
    std::uint64_t value;
    std::optional<std::string_view> bytes;
};

Error refused(const std::string &why) { return bad_bundle(why); }

// Walks through the fields of a message.
class Fields {
  public:
    explicit Fields(std::string_view data) : left_(data) {}

    std::optional<Field> next() {
        if (left_.empty()) return std::nullopt;
        const std::uint64_t tag = number();
        Field found{tag >> 3, 0, std::nullopt};
        switch (tag & 7) {
            case 0:
                found.value = number();
                break;
            case 1:
                found.bytes = take(8);
                break;
            case 2:
                found.bytes = take(number());
                break;
            case 5:
                found.bytes = take(4);
                break;
            default:
                throw cut();
        }
        return found;
    }

    // The next number of a packed list; none at its end.
    std::optional<std::uint64_t> next_number() {
        if (left_.empty()) return std::nullopt;
        return number();
    }

  private:
    static Error cut() { return refused("it is cut, or no ONNX file"); }

    std::uint64_t number() {
        std::uint64_t value = 0;
        for (unsigned place = 0; place < 10 && place < left_.size(); ++place) {
            const auto byte = static_cast<unsigned char>(left_[place]);
            value |= std::uint64_t{byte & 127U} << (7 * place);
            if (byte < 128) {
                left_.remove_prefix(place + 1);
                return value;
            }
        }
        throw cut();
    }

    std::string_view take(std::uint64_t size) {
        if (size > left_.size()) throw cut();
        const std::string_view taken = left_.substr(0, size);
        left_.remove_prefix(size);
        return taken;
    }

    std::string_view left_;
};

enum class Kind { graph, node, attribute, tensor, sparse, other };

// What message lies in a field of another; numbers as onnx.proto has them, which never change.
Kind kind_in(Kind outer, std::uint64_t number) {
    switch (outer) {
        case Kind::graph:
            return number == 1    ? Kind::node
                   : number == 5  ? Kind::tensor
                   : number == 15 ? Kind::sparse
                                  : Kind::other;
        case Kind::node:
            return number == 5 ? Kind::attribute : Kind::other;
        case Kind::attribute:
            return number == 5 || number == 10    ? Kind::tensor
                   : number == 6 || number == 11  ? Kind::graph
                   : number == 22 || number == 23 ? Kind::sparse
                                                  : Kind::other;
        case Kind::sparse:
            return number == 1 || number == 2 ? Kind::tensor : Kind::other;
        default:
            return Kind::other;
    }
}

std::string_view message(const Field &field) {
    if (!field.bytes) throw refused("it has a number where a message belongs");
    return *field.bytes;
}

void refuse_domain(std::string_view domain) {
    for (const std::string_view known : domains) {
        if (domain == known) return;
    }
    throw refused("it has operators of a domain that no runtime has built in");
}

class Walk {
  public:
    void through(std::string_view data, Kind kind, int depth) {
        if (depth > most_depth) throw refused("its graphs are nested too deep");
        if (kind == Kind::tensor) return count(data);
        if (kind == Kind::node && ++nodes_ > most_nodes) throw refused("it has too many nodes");
        Fields fields(data);
        while (const std::optional<Field> field = fields.next()) {
            const Kind inner = kind_in(kind, field->number);
            if (inner != Kind::other) {
                through(message(*field), inner, depth + (inner == Kind::graph));
            } else if (kind == Kind::node && field->number == 7) {
                refuse_domain(message(*field));
            }
        }
    }

  private:
    // Count a tensor's bytes; its numbers are in this file, and as many as its dimensions say.
    void count(std::string_view tensor) {
        std::uint64_t items = 1;
        Fields fields(tensor);
        while (const std::optional<Field> field = fields.next()) {
            if (field->number == 13 || (field->number == 14 && field->value != 0)) {
                throw refused("it has a weight that lies in another file");
            }
            if (field->number != 1) continue;
            if (!field->bytes) multiply(items, field->value);
            Fields packed(field->bytes.value_or(""));
            while (const std::optional<std::uint64_t> size = packed.next_number()) {
                multiply(items, *size);
            }
        }
        constant_bytes_ += std::max<std::uint64_t>(tensor.size(), items / most_bytes_each);
        if (constant_bytes_ > most_constant_bytes) throw refused("it has too many constants");
    }

    // A negative size is a huge one here.
    static void multiply(std::uint64_t &items, std::uint64_t size) {
        if (size > most_constant_bytes || (size > 0 && items > most_constant_bytes / size)) {
            throw refused("it has a constant of impossible size");
        }
        items *= size;
    }

    int nodes_ = 0;
    std::uint64_t constant_bytes_ = 0;
};

void look_over(const std::string &bytes) {
    std::optional<std::string_view> graph;
    Fields fields(bytes);
    while (const std::optional<Field> field = fields.next()) {
        if (field->number == 20) throw refused("it has training steps");
        if (field->number == 25) throw refused("it has functions of its own");
        if (field->number == 7) {
            if (graph) throw refused("it holds several graphs");
            graph = message(*field);
        }
        if (field->number != 8) continue;
        Fields opset(message(*field));
        while (const std::optional<Field> part = opset.next()) {
            if (part->number == 1) refuse_domain(message(*part));
        }
    }
    if (!graph) throw refused("it holds no graph");
    Walk().through(*graph, Kind::graph, 0);
}

}  // namespace

void refuse_foreign(const std::string &name, const std::string &bytes) {
    try {
        look_over(bytes);
    } catch (const Error &problem) {
        throw bad_bundle(name + " is no graph that may be run: " + problem.what() +
                         ". Do not use this bundle");
    }
}

}  // namespace calexnet::inside
