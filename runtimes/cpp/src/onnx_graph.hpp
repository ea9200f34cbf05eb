// What an ONNX file holds, enough to refuse it before ONNX Runtime sees it.
#pragma once

#include <string>

namespace calexnet::inside {

// Refuse what Python's calexnet/files/onnxgraph.py refuses: weights in other files, which a runtime
// would read wherever they lie, functions and operators of its own, and what is beyond a limit.
// `name` is the file's, for messages.
void refuse_foreign(const std::string &name, const std::string &bytes);

}  // namespace calexnet::inside
