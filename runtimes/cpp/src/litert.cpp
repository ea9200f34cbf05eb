// Engines on LiteRT, on the processor.
#include <algorithm>
#include <cstring>
#include <mutex>
#include <thread>

#include "engine.hpp"
#include "error.hpp"
#include "litert_c.hpp"
#include "memory.hpp"

namespace calexnet::inside {
namespace {

// About how many bytes of weights the compiled models of one call may hold, each with its own copy;
// a model is planned for one batch size, and to change that costs more than a small segment.
constexpr std::size_t kept_bytes = std::size_t{32} << 20, most_kept = 8;

constexpr int on_the_processor = 1;

template <class Handle, void (*destroy)(Handle)>
struct Destroy {
    using pointer = Handle;
    void operator()(Handle handle) const { destroy(handle); }
};
template <class Handle, void (*destroy)(Handle)>
using Owned = std::unique_ptr<Handle, Destroy<Handle, destroy>>;

using Environment = Owned<LiteRtEnvironment, LiteRtDestroyEnvironment>;
using Model = Owned<LiteRtModel, LiteRtDestroyModel>;
using ModelOptions = Owned<LiteRtOptions, LiteRtDestroyOptions>;
using CompiledModel = Owned<LiteRtCompiledModel, LiteRtDestroyCompiledModel>;
using TensorBuffer = Owned<LiteRtTensorBuffer, LiteRtDestroyTensorBuffer>;

void require(LiteRtStatus status, const char *what) {
    if (status != 0) {
        throw Error(CALEXNET_RUNTIME,
                    std::string("litert failed to ") + what + ", status " + std::to_string(status));
    }
}

int element_type(Type type) {
    switch (type) {
        case Type::float32:
            return 1;
        case Type::int32:
            return 2;
        case Type::uint8:
            return 3;
        case Type::boolean:
            return 6;
        case Type::int8:
            return 9;
        case Type::float16:
            return 10;
    }
    throw Error(CALEXNET_FAULT, "a type without a number");
}

LiteRtRankedTensorType ranked(const Tensor &tensor, std::size_t rows) {
    LiteRtRankedTensorType made{};
    made.element_type = element_type(tensor.type);
    unsigned rank = 0;
    if (tensor.batched) made.layout.dimensions[rank++] = static_cast<std::int32_t>(rows);
    for (const std::int64_t size : tensor.row_shape) {
        made.layout.dimensions[rank++] = static_cast<std::int32_t>(size);
    }
    made.layout.rank = rank;
    return made;
}

bool same(const LiteRtLayout &one, const LiteRtLayout &other, unsigned from = 0) {
    return one.rank == other.rank &&
           std::equal(one.dimensions + from, one.dimensions + one.rank, other.dimensions + from);
}

// What every model of a graph is made from, and the order of its tensors.
struct Source {
    const Graph &graph;
    LiteRtEnvironment environment;
    int threads;
    Memory bytes;  // the model refers to them
    Model model;
    std::vector<std::string> inputs, outputs;
    std::mutex lock;  // models are made one at a time
};

Error misfit(const Source &source) {
    return bad_bundle(source.graph.file.path + " has other tensors than the manifest says");
}

void check_tensor(const Source &source, const std::vector<Tensor> &recorded,
                  const std::string &name, LiteRtTensor tensor) {
    LiteRtRankedTensorType found{};
    require(LiteRtGetRankedTensorType(tensor, &found), "read a tensor's type");
    const auto place = std::find_if(recorded.begin(), recorded.end(),
                                    [&](const Tensor &one) { return one.name == name; });
    if (place == recorded.end() || place->row_shape.size() > 7) throw misfit(source);
    const LiteRtRankedTensorType wanted = ranked(*place, 1);
    if (found.element_type != wanted.element_type ||
        !same(found.layout, wanted.layout, place->batched ? 1 : 0)) {
        throw misfit(source);
    }
}

// Read the names of the file's one signature, whose tensors must be those that the manifest says.
void read_signature(Source &source) {
    std::size_t signatures = 0, inputs = 0, outputs = 0;
    LiteRtSignature signature = nullptr;
    require(LiteRtGetNumModelSignatures(source.model.get(), &signatures), "count signatures");
    if (signatures != 1) throw misfit(source);
    require(LiteRtGetModelSignature(source.model.get(), 0, &signature), "find the signature");
    require(LiteRtGetNumSignatureInputs(signature, &inputs), "count inputs");
    require(LiteRtGetNumSignatureOutputs(signature, &outputs), "count outputs");
    if (inputs != source.graph.inputs.size() || outputs != source.graph.outputs.size()) {
        throw misfit(source);
    }
    const char *name = nullptr;
    LiteRtTensor tensor = nullptr;
    for (std::size_t i = 0; i < inputs; ++i) {
        require(LiteRtGetSignatureInputName(signature, i, &name), "read an input's name");
        require(LiteRtGetSignatureInputTensorByIndex(signature, i, &tensor), "find an input");
        check_tensor(source, source.graph.inputs, source.inputs.emplace_back(name), tensor);
    }
    for (std::size_t i = 0; i < outputs; ++i) {
        require(LiteRtGetSignatureOutputName(signature, i, &name), "read an output's name");
        require(LiteRtGetSignatureOutputTensorByIndex(signature, i, &tensor), "find an output");
        check_tensor(source, source.graph.outputs, source.outputs.emplace_back(name), tensor);
    }
}

CompiledModel compile(Source &source) {
    const std::lock_guard<std::mutex> held(source.lock);
    LiteRtOptions options = nullptr;
    require(LiteRtCreateOptions(&options), "make options");
    const ModelOptions owned(options);
    require(LiteRtSetOptionsHardwareAccelerators(options, on_the_processor), "choose a processor");
    const std::string words = "num_threads = " + std::to_string(source.threads) + "\n";
    char *payload = new char[words.size() + 1];
    std::memcpy(payload, words.c_str(), words.size() + 1);
    LiteRtOpaqueOptions threads = nullptr;
    const auto destroy = [](void *data) { delete[] static_cast<char *>(data); };
    require(LiteRtCreateOpaqueOptions("xnnpack", payload, destroy, &threads), "choose threads");
    require(LiteRtAddOpaqueOptions(options, threads), "choose threads");
    LiteRtCompiledModel model = nullptr;
    require(LiteRtCreateCompiledModel(source.environment, source.model.get(), options, &model),
            "compile the model");
    return CompiledModel(model);
}

// A compiled model, planned for one batch size on memory that stays where it is.
class Planned {
  public:
    std::size_t rows = 0;  // 0 = not planned yet
    std::uint64_t used = 0;

    void plan(Source &source, const std::vector<Place> &inputs, const std::vector<Place> &outputs,
              std::size_t batch) {
        rows = 0;
        if (!model_) model_ = compile(source);
        for (std::size_t i = 0; i < inputs.size(); ++i) {
            const LiteRtLayout layout = ranked(*inputs[i].tensor, batch).layout;
            if (!inputs[i].tensor->batched) continue;
            require(LiteRtCompiledModelResizeInputTensor(model_.get(), 0, i, layout.dimensions,
                                                         layout.rank),
                    "plan for another batch");
        }
        layouts_.resize(outputs.size());
        require(LiteRtGetCompiledModelOutputTensorLayouts(model_.get(), 0, outputs.size(),
                                                          layouts_.data(), true),
                "plan for another batch");
        for (std::size_t i = 0; i < outputs.size(); ++i) {
            if (!same(layouts_[i], ranked(*outputs[i].tensor, batch).layout)) throw misfit(source);
        }
        refer_to(inputs, batch, owned_inputs_, inputs_);
        refer_to(outputs, batch, owned_outputs_, outputs_);
        rows = batch;
    }

    void run() {
        require(LiteRtRunCompiledModel(model_.get(), 0, inputs_.size(), inputs_.data(),
                                       outputs_.size(), outputs_.data()),
                "run");
    }

  private:
    static void refer_to(const std::vector<Place> &places, std::size_t batch,
                         std::vector<TensorBuffer> &owned, std::vector<LiteRtTensorBuffer> &plain) {
        owned.clear(), plain.clear();
        for (const Place &place : places) {
            const LiteRtRankedTensorType type = ranked(*place.tensor, batch);
            const std::size_t bytes = place.tensor->row_bytes * (place.tensor->batched ? batch : 1);
            LiteRtTensorBuffer buffer = nullptr;
            require(
                LiteRtCreateTensorBufferFromHostMemory(&type, place.data, bytes, nullptr, &buffer),
                "refer to memory");
            owned.emplace_back(buffer), plain.push_back(buffer);
        }
    }

    CompiledModel model_;
    std::vector<LiteRtLayout> layouts_;
    std::vector<TensorBuffer> owned_inputs_, owned_outputs_;
    std::vector<LiteRtTensorBuffer> inputs_, outputs_;
};

class LiteRtCall : public Call {
  public:
    LiteRtCall(Source &source, std::vector<Place> inputs, std::vector<Place> outputs)
        : source_(source),
          inputs_(std::move(inputs)),
          outputs_(std::move(outputs)),
          planned_(std::clamp<std::size_t>(kept_bytes / source.graph.file.size, 1, most_kept)) {}

    void run(std::size_t rows) override try {
        Planned &planned = planned_for(rows);
        planned.used = ++clock_;
        planned.run();
    } catch (const Error &problem) {
        throw Error(problem.status, std::string(problem.what()) + " in " + source_.graph.name +
                                        " for " + std::to_string(rows) + " images");
    }

  private:
    // The one that is planned for so many rows, else the one that is longest unused.
    Planned &planned_for(std::size_t rows) {
        Planned *oldest = &planned_.front();
        for (Planned &one : planned_) {
            if (one.rows == rows) return one;
            if (one.used < oldest->used) oldest = &one;
        }
        oldest->plan(source_, inputs_, outputs_, rows);
        return *oldest;
    }

    Source &source_;
    std::vector<Place> inputs_, outputs_;
    std::vector<Planned> planned_;
    std::uint64_t clock_ = 0;
};

std::vector<Place> ordered(const std::vector<Place> &places,
                           const std::vector<std::string> &names) {
    std::vector<Place> found;
    for (const std::string &name : names) {
        found.push_back(*std::find_if(places.begin(), places.end(), [&](const Place &place) {
            return place.tensor->name == name;
        }));
    }
    return found;
}

class LiteRtEngine : public Engine {
  public:
    LiteRtEngine(const Graph &graph, const std::string &bytes, LiteRtEnvironment environment,
                 int threads)
        : source_{graph, environment, threads, Memory(bytes.size()), {}, {}, {}, {}} {
        std::memcpy(source_.bytes.data(), bytes.data(), bytes.size());
        LiteRtModel model = nullptr;
        if (LiteRtCreateModelFromBuffer(environment, source_.bytes.data(), bytes.size(), &model)) {
            throw bad_bundle("litert refuses " + graph.file.path);
        }
        source_.model.reset(model);
        read_signature(source_);
    }

    std::unique_ptr<Call> bind(const std::vector<Place> &inputs, const std::vector<Place> &outputs,
                               std::size_t) override {
        return std::make_unique<LiteRtCall>(source_, ordered(inputs, source_.inputs),
                                            ordered(outputs, source_.outputs));
    }

  private:
    Source source_;
};

class LiteRt : public Runtime {
  public:
    explicit LiteRt(int threads)
        : threads_(threads > 0
                       ? threads
                       : static_cast<int>(std::max(1U, std::thread::hardware_concurrency()))) {
        // Errors alone are logged, and no accelerator's library is looked for.
        constexpr int whole_number = 2, accelerators = 24, least_severity = 25, errors = 3;
        const LiteRtEnvOption options[] = {{accelerators, {whole_number, on_the_processor}},
                                           {least_severity, {whole_number, errors}}};
        LiteRtEnvironment environment = nullptr;
        require(LiteRtCreateEnvironment(2, options, &environment), "make an environment");
        environment_.reset(environment);
    }

    std::string name() const override { return "litert"; }

    std::unique_ptr<Engine> load(const Graph &graph, const std::string &bytes) override {
        return std::make_unique<LiteRtEngine>(graph, bytes, environment_.get(), threads_);
    }

  private:
    int threads_;
    Environment environment_;
};

}  // namespace

std::unique_ptr<Runtime> open_litert(int threads) { return std::make_unique<LiteRt>(threads); }

}  // namespace calexnet::inside
