// A bundle on disk: its manifest read, every file checked before any runtime sees a byte.
#pragma once

#include <filesystem>
#include <string>

#include "manifest.hpp"

namespace calexnet::inside {

class Bundle {
  public:
    // Open the bundle in `folder` after checking all of it.
    explicit Bundle(std::filesystem::path folder);

    const Manifest &manifest() const { return manifest_; }

    // The bytes of a file, checked against the manifest once more: these are what is run.
    std::string read(const File &file) const;

  private:
    std::filesystem::path folder_;
    Manifest manifest_;
};

}  // namespace calexnet::inside
