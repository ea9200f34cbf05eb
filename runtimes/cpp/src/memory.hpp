// Bytes aligned as vector instructions and the runtimes like them.
#pragma once

#include <cstddef>
#include <memory>
#include <new>

namespace calexnet::inside {

class Memory {
  public:
    explicit Memory(std::size_t bytes)
        : data_(static_cast<std::byte *>(::operator new(bytes + beyond, alignment))) {}

    std::byte *data() const { return data_.get(); }

  private:
    static constexpr std::align_val_t alignment{64};
    static constexpr std::size_t beyond = 64;  // XNNPACK reads a vector past the end
    struct Free {
        void operator()(std::byte *data) const { ::operator delete(data, alignment); }
    };
    std::unique_ptr<std::byte, Free> data_;
};

}  // namespace calexnet::inside
