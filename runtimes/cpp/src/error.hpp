// The one exception of the library; c_api.cpp turns it into a status and a message.
#pragma once

#include <stdexcept>
#include <string>

#include "calexnet.h"

namespace calexnet::inside {

class Error : public std::runtime_error {
  public:
    Error(calexnet_status code, const std::string &message)
        : std::runtime_error(message), status(code) {}

    const calexnet_status status;
};

// What is not as the manifest says, or as a manifest must be.
inline Error bad_bundle(const std::string &message) { return {CALEXNET_BAD_BUNDLE, message}; }

inline Error bad_input(const std::string &message) { return {CALEXNET_BAD_INPUT, message}; }

}  // namespace calexnet::inside
