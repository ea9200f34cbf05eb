// Times of the cascade beside the plain backbone, measured in turns.
#pragma once

#include <cstddef>
#include <vector>

#include "calexnet.hpp"

namespace calexnet {

// ms an image in one block, all the block's images together.
struct Block {
    double cascade_ms, plain_ms;
    bool cascade_first;
};

// Measure `blocks` times each, next to one another and in an order that is drawn, so that what
// drifts or comes now and then meets both alike. The first block, which warms up, is left out.
std::vector<Block> measure(Cascade &cascade, const void *images, std::size_t count,
                           std::size_t batch, std::size_t blocks);

}  // namespace calexnet
