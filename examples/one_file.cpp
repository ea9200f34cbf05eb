// A cascade in layout `if` on ONNX Runtime for C++; no code of calexnet.
//
// For bundles that take raw images, not for those exported with --input float. ORT: what ONNX Runtime's own archive
// unpacks to, or Debian 13's libonnxruntime-dev.
//
//   c++ -std=c++17 one_file.cpp -I ORT/include -L ORT/lib -lonnxruntime -o one_file
//   ./one_file if.onnx IMAGE THRESHOLDS HEIGHT WIDTH CHANNELS BRANCHES CLASSES
//
// IMAGE holds height x width x channels bytes; THRESHOLDS branches x classes float32, infinity = never leaves there.
#include <onnxruntime_cxx_api.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

static std::vector<char> read(const char* path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(std::string("cannot read ") + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

static void answer_image(char** argv) {
  std::vector<char> pixels = read(argv[2]), table = read(argv[3]);
  int64_t image_shape[] = {1, std::atoi(argv[4]), std::atoi(argv[5]), std::atoi(argv[6])};
  int64_t table_shape[] = {std::atoi(argv[7]), std::atoi(argv[8])};

  Ort::Env env;
  Ort::Session session(env, argv[1], Ort::SessionOptions{});
  auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  Ort::Value inputs[] = {
      Ort::Value::CreateTensor<uint8_t>(memory, reinterpret_cast<uint8_t*>(pixels.data()), pixels.size(), image_shape, 4),
      Ort::Value::CreateTensor<float>(memory, reinterpret_cast<float*>(table.data()), table.size() / 4, table_shape, 2)};
  const char* given[] = {"image", "thresholds"};
  const char* asked[] = {"label", "score", "exit"};
  auto answer = session.Run(Ort::RunOptions{nullptr}, given, inputs, 2, asked, 3);
  std::printf("label %d, score %f, exit %d\n", *answer[0].GetTensorData<int32_t>(),
              *answer[1].GetTensorData<float>(), *answer[2].GetTensorData<int32_t>());
}

int main(int argc, char** argv) {
  if (argc != 9) return std::fprintf(stderr, "usage: see the first lines of the source\n"), 2;
  try {
    answer_image(argv);
  } catch (const std::exception& problem) {  // a missing file, one of another size, or ONNX Runtime's own
    return std::fprintf(stderr, "one_file: %s\n", problem.what()), 2;
  }
}
