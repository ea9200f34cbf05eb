// What each segment of a cascade reads, makes and leaves to be gathered, worked out once.
#pragma once

#include <cstddef>
#include <vector>

#include "manifest.hpp"

namespace calexnet::inside {

// One segment as a lane drives it; tensors are numbers in Steps::carried.
struct Step {
    const Graph *graph;
    bool has_gate;                   // a threshold and an exit; of the tail everyone leaves
    std::vector<std::size_t> keeps;  // carried tensors that exist after it and are read later
};

struct Steps {
    std::vector<Step> steps;
    std::vector<const Tensor *> carried;  // the image first

    // The number of a carried tensor; carried.size() if there is none of that name.
    std::size_t number(const std::string &name) const;

    // The largest batch to take at once, for what memory a lane may take.
    std::size_t most_rows() const;
};

// The steps of a cascade, or of the plain backbone as a cascade of one.
Steps steps_of(const std::vector<const Graph *> &graphs, const Manifest &content);

}  // namespace calexnet::inside
