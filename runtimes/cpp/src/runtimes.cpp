#include "engine.hpp"

namespace calexnet::inside {

std::unique_ptr<Runtime> open_runtime(const std::string &target, [[maybe_unused]] int threads) {
#ifdef CALEXNET_WITH_ONNXRUNTIME
    if (target == "onnxruntime") return open_onnxruntime(threads);
#endif
#ifdef CALEXNET_WITH_LITERT
    if (target == "tflite") return open_litert(threads);
#endif
    return nullptr;
}

}  // namespace calexnet::inside
