// Engines on ONNX Runtime, on the processor.
#include <onnxruntime_cxx_api.h>

#include <algorithm>
#include <map>

#include "engine.hpp"
#include "error.hpp"
#include "onnx_graph.hpp"

namespace calexnet::inside {
namespace {

// Bindings that a call keeps, one a batch size.
constexpr std::size_t most_bound = 128;

ONNXTensorElementDataType element_type(Type type) {
    switch (type) {
        case Type::float32:
            return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
        case Type::float16:
            return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16;
        case Type::int32:
            return ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32;
        case Type::int8:
            return ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8;
        case Type::uint8:
            return ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8;
        case Type::boolean:
            return ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL;
    }
    throw Error(CALEXNET_FAULT, "a type without a name");
}

// Tensors of one side of a graph, as ONNX Runtime's values at each batch size.
class Side {
  public:
    Side(const std::vector<Place> &places, std::size_t slots) : places_(places) {
        for (const Place &place : places_) {
            names_.push_back(place.tensor->name.c_str());
            shapes_.push_back(place.tensor->row_shape);
            if (place.tensor->batched) shapes_.back().insert(shapes_.back().begin(), 1);
        }
        values_.resize(slots);
        for (std::vector<Ort::Value> &slot : values_) {
            for (std::size_t i = 0; i < places_.size(); ++i) slot.emplace_back(nullptr);
        }
    }

    void make(std::size_t slot, std::size_t rows) {
        for (std::size_t i = 0; i < places_.size(); ++i) {
            const Tensor &tensor = *places_[i].tensor;
            const std::size_t bytes = tensor.row_bytes * (tensor.batched ? rows : 1);
            if (tensor.batched) shapes_[i][0] = static_cast<std::int64_t>(rows);
            values_[slot][i] =
                Ort::Value::CreateTensor(memory_, places_[i].data, bytes, shapes_[i].data(),
                                         shapes_[i].size(), element_type(tensor.type));
        }
    }

    std::size_t size() const { return places_.size(); }
    const char *const *names() const { return names_.data(); }
    Ort::Value *values(std::size_t slot) { return values_[slot].data(); }

  private:
    std::vector<Place> places_;
    std::vector<const char *> names_;
    std::vector<std::vector<std::int64_t>> shapes_;
    std::vector<std::vector<Ort::Value>> values_;
    Ort::MemoryInfo memory_ = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
};

class OnnxRuntimeCall : public Call {
  public:
    OnnxRuntimeCall(Ort::Session &session, const Graph &graph, const std::vector<Place> &inputs,
                    const std::vector<Place> &outputs, std::size_t room)
        : session_(session),
          graph_(graph),
          bound_(std::min(room, most_bound), 0),
          inputs_(inputs, bound_.size()),
          outputs_(outputs, bound_.size()) {}

    // A size has one slot that is its own up to 128, so that what is made once is found again.
    void run(std::size_t rows) override try {
        const std::size_t slot = rows % bound_.size();
        if (bound_[slot] != rows) {
            bound_[slot] = 0;
            inputs_.make(slot, rows);
            outputs_.make(slot, rows);
            bound_[slot] = rows;
        }
        session_.Run(options_, inputs_.names(), inputs_.values(slot), inputs_.size(),
                     outputs_.names(), outputs_.values(slot), outputs_.size());
    } catch (const Ort::Exception &problem) {
        throw Error(CALEXNET_RUNTIME, "onnxruntime failed in " + graph_.name + " for " +
                                          std::to_string(rows) + " images: " + problem.what());
    }

  private:
    Ort::Session &session_;
    const Graph &graph_;
    std::vector<std::size_t> bound_;
    Side inputs_, outputs_;
    Ort::RunOptions options_;
};

class OnnxRuntimeEngine : public Engine {
  public:
    OnnxRuntimeEngine(const Graph &graph, Ort::Session session)
        : graph_(graph), session_(std::move(session)) {}

    std::unique_ptr<Call> bind(const std::vector<Place> &inputs, const std::vector<Place> &outputs,
                               std::size_t room) override {
        return std::make_unique<OnnxRuntimeCall>(session_, graph_, inputs, outputs, room);
    }

  private:
    const Graph &graph_;
    Ort::Session session_;
};

using Signature = std::map<std::string, Ort::TypeInfo>;

Signature inputs_of(const Ort::Session &session) {
    Ort::AllocatorWithDefaultOptions allocator;
    Signature found;
    for (std::size_t i = 0; i < session.GetInputCount(); ++i) {
        found.emplace(session.GetInputNameAllocated(i, allocator).get(),
                      session.GetInputTypeInfo(i));
    }
    return found;
}

Signature outputs_of(const Ort::Session &session) {
    Ort::AllocatorWithDefaultOptions allocator;
    Signature found;
    for (std::size_t i = 0; i < session.GetOutputCount(); ++i) {
        found.emplace(session.GetOutputNameAllocated(i, allocator).get(),
                      session.GetOutputTypeInfo(i));
    }
    return found;
}

// Whether a graph's own tensor says nothing else; a dimension that it leaves open is under 0.
bool agrees(const Tensor &tensor, const Ort::TypeInfo &found) {
    if (found.GetONNXType() != ONNX_TYPE_TENSOR) return false;
    const auto shaped = found.GetTensorTypeAndShapeInfo();
    std::vector<std::int64_t> shape = shaped.GetShape(), wanted = tensor.row_shape;
    if (tensor.batched) wanted.insert(wanted.begin(), -1);
    return shaped.GetElementType() == element_type(tensor.type) &&
           std::equal(
               shape.begin(), shape.end(), wanted.begin(), wanted.end(),
               [](std::int64_t there, std::int64_t size) { return there < 0 || there == size; });
}

// Memory is laid out as the manifest says, so the graph's tensors must be those. Whether a
// dimension that the graph leaves open is what the manifest says, ONNX Runtime compares whenever it
// writes.
void refuse_misfit(const Graph &graph, const std::vector<Tensor> &recorded,
                   const Signature &found) {
    bool fits = recorded.size() == found.size();
    for (const Tensor &tensor : recorded) {
        const auto place = found.find(tensor.name);
        fits = fits && place != found.end() && agrees(tensor, place->second);
    }
    if (!fits) throw bad_bundle(graph.file.path + " has other tensors than the manifest says");
}

class OnnxRuntime : public Runtime {
  public:
    explicit OnnxRuntime(int threads) {
        options_.SetLogSeverityLevel(3);
        options_.SetIntraOpNumThreads(threads);
        options_.SetInterOpNumThreads(1);
        // The sessions of a cascade take turns: idle threads of one must not spin against the next.
        options_.AddConfigEntry("session.force_spinning_stop", "1");
    }

    std::string name() const override { return "onnxruntime-" + Ort::GetVersionString(); }

    std::unique_ptr<Engine> load(const Graph &graph, const std::string &bytes) override try {
        refuse_foreign(graph.file.path, bytes);
        Ort::Session session(environment_, bytes.data(), bytes.size(), options_);
        refuse_misfit(graph, graph.inputs, inputs_of(session));
        refuse_misfit(graph, graph.outputs, outputs_of(session));
        return std::make_unique<OnnxRuntimeEngine>(graph, std::move(session));
    } catch (const Ort::Exception &problem) {
        throw bad_bundle(name() + " refuses " + graph.file.path + ": " + problem.what());
    }

  private:
    Ort::Env environment_{ORT_LOGGING_LEVEL_ERROR, "calexnet"};
    Ort::SessionOptions options_;
};

}  // namespace

std::unique_ptr<Runtime> open_onnxruntime(int threads) {
    if (OrtGetApiBase()->GetApi(ORT_API_VERSION) == nullptr) {
        throw Error(CALEXNET_RUNTIME,
                    std::string("onnxruntime ") + OrtGetApiBase()->GetVersionString() +
                        " is older than the headers that calexnet was built with");
    }
    return std::make_unique<OnnxRuntime>(threads);
}

}  // namespace calexnet::inside
