// Memory for one batch on its way through a cascade, and the segments bound to it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "engine.hpp"
#include "memory.hpp"
#include "steps.hpp"

namespace calexnet::inside {

// Where the answers for a batch go.
struct Answers {
    std::int32_t *labels;
    float *scores;
    std::int32_t *exits;
    float *probabilities;  // null = not asked for

    // The same from a later image on.
    Answers from(std::size_t image, std::size_t classes) const;
};

// For one thread at a time. Tensors are gathered where they lie: a row that stays moves towards the
// front, and never onto one that is still to be read.
class Lane {
  public:
    Lane(const Steps &steps, const std::vector<std::unique_ptr<Engine>> &engines,
         std::size_t classes, std::size_t room);

    std::size_t room() const { return room_; }

    // How many images left at each exit, the last time.
    const std::vector<std::size_t> &left() const { return left_; }

    // Answer 1 to room() images.
    void answer(const void *images, std::size_t count, const float *thresholds,
                std::size_t first_exit, const Answers &answers);

    // Run every segment on each number of rows up to `most`, on whatever lies there.
    void warm_up(std::size_t most);

  private:
    // A segment's own memory: its gate's threshold and what it answers.
    struct Gate {
        Gate(std::size_t classes, std::size_t room)
            : threshold(classes * sizeof(float)),
              label(room * sizeof(std::int32_t)),
              score(room * sizeof(float)),
              exit(room),
              probabilities(room * classes * sizeof(float)) {}

        void *place(const std::string &name) const;

        Memory threshold, label, score, exit, probabilities;
        std::unique_ptr<Call> call;
    };

    std::vector<Place> places(const std::vector<Tensor> &tensors, const Gate &gate) const;
    void let_out(const Gate &gate, std::size_t row, std::size_t exit, const Answers &answers) const;
    std::size_t let_out_all_that_may(std::size_t segment, std::size_t rows, std::size_t exit,
                                     const Answers &answers);
    void gather(const std::vector<std::size_t> &tensors, std::size_t rows);

    const Steps &steps_;
    std::size_t classes_, room_;
    std::vector<Memory> carried_;
    std::vector<Gate> gates_;
    std::vector<std::size_t> positions_;  // of the rows in the caller's batch
    std::vector<std::size_t> staying_;    // rows that stay, rising
    std::vector<std::size_t> left_;
};

}  // namespace calexnet::inside
