#include "lane.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace calexnet::inside {

Answers Answers::from(std::size_t image, std::size_t classes) const {
    return {labels + image, scores + image, exits + image,
            probabilities == nullptr ? nullptr : probabilities + image * classes};
}

Lane::Lane(const Steps &steps, const std::vector<std::unique_ptr<Engine>> &engines,
           std::size_t classes, std::size_t room)
    : steps_(steps),
      classes_(classes),
      room_(room),
      positions_(room),
      staying_(room),
      left_(engines.size()) {
    for (const Tensor *tensor : steps_.carried) carried_.emplace_back(tensor->row_bytes * room);
    for (std::size_t segment = 0; segment < engines.size(); ++segment) {
        const Graph &graph = *steps_.steps[segment].graph;
        Gate &gate = gates_.emplace_back(classes, room);
        gate.call =
            engines[segment]->bind(places(graph.inputs, gate), places(graph.outputs, gate), room);
    }
}

void *Lane::Gate::place(const std::string &name) const {
    if (name == "threshold") return threshold.data();
    if (name == "label") return label.data();
    if (name == "score") return score.data();
    if (name == "exit") return exit.data();
    return name == "probabilities" ? probabilities.data() : nullptr;
}

std::vector<Place> Lane::places(const std::vector<Tensor> &tensors, const Gate &gate) const {
    std::vector<Place> made;
    for (const Tensor &tensor : tensors) {
        void *own = gate.place(tensor.name);
        made.push_back({&tensor, own ? own : carried_[steps_.number(tensor.name)].data()});
    }
    return made;
}

void Lane::answer(const void *images, std::size_t count, const float *thresholds,
                  std::size_t first_exit, const Answers &answers) {
    std::memcpy(carried_[0].data(), images, count * steps_.carried[0]->row_bytes);
    std::iota(positions_.begin(), positions_.begin() + static_cast<std::ptrdiff_t>(count), 0);
    std::fill(left_.begin(), left_.end(), 0);
    std::size_t rows = count;
    for (std::size_t segment = 0; rows > 0; ++segment) {
        const Step &step = steps_.steps[segment];
        if (step.has_gate) {
            std::memcpy(gates_[segment].threshold.data(), thresholds + segment * classes_,
                        classes_ * sizeof(float));
        }
        gates_[segment].call->run(rows);
        const std::size_t stay = let_out_all_that_may(segment, rows, first_exit + segment, answers);
        left_[segment] = rows - stay;
        if (0 < stay && stay < rows) gather(step.keeps, stay);
        rows = stay;
    }
}

std::size_t Lane::let_out_all_that_may(std::size_t segment, std::size_t rows, std::size_t exit,
                                       const Answers &answers) {
    const Gate &gate = gates_[segment];
    const bool everyone = !steps_.steps[segment].has_gate;
    std::size_t stay = 0;
    for (std::size_t row = 0; row < rows; ++row) {
        if (everyone || gate.exit.data()[row] != std::byte{0}) {
            let_out(gate, row, exit, answers);
        } else {
            positions_[stay] = positions_[row];
            staying_[stay++] = row;
        }
    }
    return stay;
}

void Lane::let_out(const Gate &gate, std::size_t row, std::size_t exit,
                   const Answers &answers) const {
    const std::size_t image = positions_[row];
    answers.labels[image] = reinterpret_cast<const std::int32_t *>(gate.label.data())[row];
    answers.scores[image] = reinterpret_cast<const float *>(gate.score.data())[row];
    answers.exits[image] = static_cast<std::int32_t>(exit);
    if (answers.probabilities != nullptr) {
        std::memcpy(answers.probabilities + image * classes_,
                    gate.probabilities.data() + row * classes_ * sizeof(float),
                    classes_ * sizeof(float));
    }
}

void Lane::gather(const std::vector<std::size_t> &tensors, std::size_t rows) {
    for (const std::size_t number : tensors) {
        const std::size_t bytes = steps_.carried[number]->row_bytes;
        std::byte *data = carried_[number].data();
        for (std::size_t row = 0; row < rows; ++row) {
            if (staying_[row] != row)
                std::memcpy(data + row * bytes, data + staying_[row] * bytes, bytes);
        }
    }
}

void Lane::warm_up(std::size_t most) {
    for (std::size_t number = 0; number < carried_.size(); ++number) {
        std::memset(carried_[number].data(), 0, steps_.carried[number]->row_bytes * room_);
    }
    for (const Gate &gate : gates_) {
        std::memset(gate.threshold.data(), 0, classes_ * sizeof(float));
        for (std::size_t rows = std::min(most, room_); rows > 0; --rows) gate.call->run(rows);
    }
}

}  // namespace calexnet::inside
