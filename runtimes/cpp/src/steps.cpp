#include "steps.hpp"

#include <algorithm>
#include <string>

#include "error.hpp"

namespace calexnet::inside {
namespace {

// About how many bytes the carried tensors of one lane may take, and how many a segment may write
// in one call, all its activations together.
constexpr std::size_t room_bytes = std::size_t{256} << 20;
constexpr double work_bytes = 1024.0 * (1 << 20);

bool is_answer(const std::string &name) {
    return name == "label" || name == "score" || name == "exit" || name == "probabilities";
}

Error misfit(const Graph &graph, const std::string &name) {
    return bad_bundle("the tensor " + name + " of " + graph.file.path +
                      " is not as a segment of this cascade has it");
}

bool has_form(const Tensor &tensor, Type type, bool batched, std::vector<std::int64_t> row_shape) {
    return tensor.type == type && tensor.batched == batched && tensor.row_shape == row_shape;
}

void check_input(const Graph &graph, const Tensor &tensor, const Steps &made,
                 std::int64_t classes) {
    if (tensor.name == "threshold") {
        if (!has_form(tensor, Type::float32, false, {classes})) throw misfit(graph, tensor.name);
        return;
    }
    const std::size_t source = made.number(tensor.name);
    const bool fits = source < made.carried.size() && tensor.batched &&
                      made.carried[source]->type == tensor.type &&
                      made.carried[source]->row_shape == tensor.row_shape;
    if (!fits) throw misfit(graph, tensor.name);
}

void check_output(const Graph &graph, const Tensor &tensor, std::int64_t classes) {
    const bool fits = tensor.name == "label"   ? has_form(tensor, Type::int32, true, {})
                      : tensor.name == "score" ? has_form(tensor, Type::float32, true, {})
                      : tensor.name == "exit"  ? has_form(tensor, Type::boolean, true, {})
                      : tensor.name == "probabilities"
                          ? has_form(tensor, Type::float32, true, {classes})
                          : tensor.batched;
    if (!fits) throw misfit(graph, tensor.name);
}

bool has(const std::vector<Tensor> &tensors, const std::string &name) {
    return std::any_of(tensors.begin(), tensors.end(),
                       [&](const Tensor &tensor) { return tensor.name == name; });
}

void check_gate(const Graph &graph, bool last) {
    for (const char *name : {"label", "score", "probabilities"}) {
        if (!has(graph.outputs, name)) throw misfit(graph, name);
    }
    if (has(graph.outputs, "exit") == last) throw misfit(graph, "exit");
    if (has(graph.inputs, "threshold") == last) throw misfit(graph, "threshold");
}

void check_image(const Graph &graph, const Manifest &content) {
    const auto height = static_cast<std::int64_t>(content.height);
    const auto width = static_cast<std::int64_t>(content.width);
    const auto channels = static_cast<std::int64_t>(content.channels);
    for (const Tensor &tensor : graph.inputs) {
        if (tensor.name != "image") continue;
        const bool fits = content.takes_floats
                              ? has_form(tensor, Type::float32, true, {channels, height, width})
                              : has_form(tensor, Type::uint8, true, {height, width, channels});
        if (!fits) throw misfit(graph, "image");
        return;
    }
    throw misfit(graph, "image");
}

}  // namespace

std::size_t Steps::number(const std::string &name) const {
    const auto place = std::find_if(carried.begin(), carried.end(),
                                    [&](const Tensor *tensor) { return tensor->name == name; });
    return static_cast<std::size_t>(place - carried.begin());
}

std::size_t Steps::most_rows() const {
    std::size_t row_bytes = 0;
    double moved = 0;
    for (const Tensor *tensor : carried) row_bytes += tensor->row_bytes;
    for (const Step &step : steps) moved = std::max(moved, step.graph->activation_bytes / 2);
    const double fits =
        std::min(static_cast<double>(room_bytes / row_bytes), work_bytes / std::max(1.0, moved));
    return std::max<std::size_t>(1, static_cast<std::size_t>(fits));
}

Steps steps_of(const std::vector<const Graph *> &graphs, const Manifest &content) {
    Steps made;
    const auto classes = static_cast<std::int64_t>(content.classes.size());
    check_image(*graphs.front(), content);
    for (const Tensor &tensor : graphs.front()->inputs) {
        if (tensor.name == "image") made.carried.push_back(&tensor);
    }
    for (const Graph *graph : graphs) {
        if (!graph->any_batch) {
            throw bad_bundle(graph->file.path +
                             " was built for certain batch sizes only, which "
                             "this library does not run");
        }
        check_gate(*graph, graph == graphs.back());
        for (const Tensor &tensor : graph->inputs) check_input(*graph, tensor, made, classes);
        for (const Tensor &tensor : graph->outputs) {
            check_output(*graph, tensor, classes);
            if (is_answer(tensor.name)) continue;
            if (made.number(tensor.name) < made.carried.size()) throw misfit(*graph, tensor.name);
            made.carried.push_back(&tensor);
        }
        made.steps.push_back({graph, graph != graphs.back(), {}});
    }
    for (std::size_t number = 0; number < made.carried.size(); ++number) {
        const std::string &name = made.carried[number]->name;
        std::size_t born = 0, last_read = 0;
        for (std::size_t segment = 0; segment < graphs.size(); ++segment) {
            if (has(graphs[segment]->outputs, name)) born = segment;
            if (has(graphs[segment]->inputs, name)) last_read = segment;
        }
        for (std::size_t segment = born; segment < last_read; ++segment) {
            made.steps[segment].keeps.push_back(number);
        }
    }
    return made;
}

}  // namespace calexnet::inside
