#include "bundle.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.hpp"
#include "sha256.hpp"

namespace calexnet::inside {
namespace fs = std::filesystem;
namespace {

constexpr std::uint64_t most_manifest_bytes = std::uint64_t{64} << 20;
constexpr const char *manifest_name = "manifest.json";

// A regular file, opened to be read; a pipe, which nobody may fill, is not waited for.
class Reader {
  public:
    explicit Reader(const fs::path &path) : path_(path) {
        handle_ = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        if (handle_ < 0) throw unreadable(std::strerror(errno));
        struct stat found{};
        const bool known = ::fstat(handle_, &found) == 0 && S_ISREG(found.st_mode);
        if (!known) {
            ::close(handle_);
            throw unreadable("no regular file");
        }
        size_ = static_cast<std::uint64_t>(found.st_size);
    }
    ~Reader() { ::close(handle_); }
    Reader(const Reader &) = delete;
    Reader &operator=(const Reader &) = delete;

    std::uint64_t size() const { return size_; }

    // Read up to `size` bytes; fewer only at the file's end.
    std::size_t read(char *data, std::size_t size) {
        std::size_t have = 0;
        while (have < size) {
            const ssize_t some = ::read(handle_, data + have, size - have);
            if (some < 0 && errno == EINTR) continue;
            if (some < 0) throw unreadable(std::strerror(errno));
            if (some == 0) break;
            have += static_cast<std::size_t>(some);
        }
        return have;
    }

  private:
    Error unreadable(const char *why) const {
        return bad_bundle("cannot read " + path_.string() + ": " + why);
    }

    fs::path path_;
    int handle_;
    std::uint64_t size_;
};

void refuse_size(const fs::path &path, const File &file, std::uint64_t found) {
    if (found != file.size) {
        throw bad_bundle(path.string() + " was cut or changed: " + std::to_string(found) +
                         " bytes, not " + std::to_string(file.size) + ". Copy the bundle again");
    }
}

void refuse_changed(const fs::path &path, const File &file, const std::string &found) {
    if (found != file.sha256) {
        throw bad_bundle(path.string() + " was changed: its SHA-256 is " + found.substr(0, 12) +
                         "..., not " + file.sha256.substr(0, 12) + "... Copy the bundle again");
    }
}

// Compare a file that is not run now with its record, without holding it in memory.
void check(const fs::path &folder, const File &file) {
    const fs::path path = folder / file.path;
    Reader reader(path);
    refuse_size(path, file, reader.size());
    Sha256 hash;
    std::vector<char> some(std::size_t{1} << 16);
    while (const std::size_t count = reader.read(some.data(), some.size())) {
        hash.add(some.data(), count);
    }
    refuse_changed(path, file, hash.hexadecimal());
}

bool lies_below(const fs::path &folder, const fs::path &path) {
    std::error_code problem;  // of a ring of links, for example
    const fs::path real = fs::weakly_canonical(path, problem);
    if (problem) return false;
    const fs::path root = fs::weakly_canonical(folder, problem);
    if (problem) return false;
    const auto [end, _] = std::mismatch(root.begin(), root.end(), real.begin(), real.end());
    return end == root.end();
}

void refuse_escape(const fs::path &folder, const std::string &listed) {
    const fs::path path(listed);
    const bool climbs = std::find(path.begin(), path.end(), "..") != path.end();
    const bool inside = !listed.empty() && path.is_relative() && !climbs &&
                        listed.find('\0') == listed.npos && lies_below(folder, folder / path);
    if (!inside) {
        throw bad_bundle("a path in manifest.json leaves the bundle: " + listed +
                         ". Do not use this bundle");
    }
}

// Each target's files are told by their names' ends.
void refuse_type(const Build &build, const File &file) {
    const std::string end = fs::path(file.path).extension();
    const bool runs_onnx = build.target == "onnxruntime" || build.target == "openvino";
    const bool fits = runs_onnx                     ? end == ".onnx"
                      : build.target == "tflite"    ? end == ".tflite"
                                                    : end == ".engine";
    if (!fits) {
        throw bad_bundle("a graph of target " + build.target + " is of another type: " + file.path +
                         ". Do not use this bundle");
    }
}

std::vector<const File *> files_of(const Manifest &manifest) {
    std::vector<const File *> files;
    for (const Build &build : manifest.builds) {
        for (const Graph &segment : build.segments) files.push_back(&segment.file);
        files.push_back(&build.plain.file);
    }
    return files;
}

void refuse_types(const Manifest &manifest) {
    for (const Build &build : manifest.builds) {
        for (const Graph &segment : build.segments) refuse_type(build, segment.file);
        refuse_type(build, build.plain.file);
    }
}

void refuse_unlisted(const fs::path &folder, const std::vector<const File *> &files) {
    std::set<std::string> listed{manifest_name};
    for (const File *file : files) listed.insert(fs::path(file->path).lexically_normal());
    for (const fs::directory_entry &entry : fs::recursive_directory_iterator(folder)) {
        const std::string name = entry.path().lexically_relative(folder).generic_string();
        if ((entry.is_symlink() || !entry.is_directory()) && listed.count(name) == 0) {
            throw bad_bundle(folder.string() + " holds a file that its manifest does not list: " +
                             name + ". Remove it, or copy the bundle again");
        }
    }
}

Manifest read_manifest(const fs::path &folder) {
    std::error_code problem;
    if (!fs::is_regular_file(folder / manifest_name, problem)) {
        throw bad_bundle(folder.string() + " is not a bundle: it has no " + manifest_name);
    }
    refuse_escape(folder, manifest_name);
    Reader reader(folder / manifest_name);
    if (reader.size() > most_manifest_bytes) throw bad_bundle("manifest.json is over 64 MiB");
    std::string bytes(reader.size(), '\0');
    bytes.resize(reader.read(bytes.data(), bytes.size()));
    return parse_manifest(bytes);
}

}  // namespace

Bundle::Bundle(fs::path folder) : folder_(std::move(folder)), manifest_(read_manifest(folder_)) {
    try {
        const std::vector<const File *> files = files_of(manifest_);
        for (const File *file : files) refuse_escape(folder_, file->path);
        refuse_unlisted(folder_, files);
        refuse_types(manifest_);
        std::set<std::string> done;  // plain of layout `if` is that of the segments
        for (const File *file : files) {
            if (done.insert(file->path + ' ' + file->sha256).second) check(folder_, *file);
        }
    } catch (const fs::filesystem_error &problem) {
        throw bad_bundle(problem.what());
    }
}

std::string Bundle::read(const File &file) const {
    const fs::path path = folder_ / file.path;
    Reader reader(path);
    refuse_size(path, file, reader.size());
    std::string bytes(static_cast<std::size_t>(file.size), '\0');
    bytes.resize(reader.read(bytes.data(), bytes.size()));
    refuse_changed(path, file, sha256(bytes.data(), bytes.size()));
    return bytes;
}

}  // namespace calexnet::inside
