// The few declarations of LiteRT's C interface that litert.cpp calls, as of LiteRT 2.3: its
// packages bring the library without headers. Nothing in the library tells its version, and older
// ones take other arguments.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {

using LiteRtStatus = int;  // 0 = ok
using LiteRtEnvironment = struct LiteRtEnvironmentT *;
using LiteRtModel = struct LiteRtModelT *;
using LiteRtOptions = struct LiteRtOptionsT *;
using LiteRtOpaqueOptions = struct LiteRtOpaqueOptionsT *;
using LiteRtCompiledModel = struct LiteRtCompiledModelT *;
using LiteRtSignature = struct LiteRtSignatureT *;
using LiteRtTensor = struct LiteRtTensorT *;
using LiteRtTensorBuffer = struct LiteRtTensorBufferT *;

struct LiteRtAny {
    int type;
    std::int64_t value;
};

struct LiteRtEnvOption {
    int tag;
    LiteRtAny value;
};

struct LiteRtLayout {
    unsigned rank : 7;
    bool has_strides : 1;
    std::int32_t dimensions[8];
    std::uint32_t strides[8];
};

struct LiteRtRankedTensorType {
    int element_type;
    LiteRtLayout layout;
};

LiteRtStatus LiteRtCreateEnvironment(int count, const LiteRtEnvOption *, LiteRtEnvironment *);
void LiteRtDestroyEnvironment(LiteRtEnvironment);

LiteRtStatus LiteRtCreateModelFromBuffer(LiteRtEnvironment, const void *, std::size_t,
                                         LiteRtModel *);
void LiteRtDestroyModel(LiteRtModel);
LiteRtStatus LiteRtGetNumModelSignatures(LiteRtModel, std::size_t *);
LiteRtStatus LiteRtGetModelSignature(LiteRtModel, std::size_t, LiteRtSignature *);
LiteRtStatus LiteRtGetNumSignatureInputs(LiteRtSignature, std::size_t *);
LiteRtStatus LiteRtGetNumSignatureOutputs(LiteRtSignature, std::size_t *);
LiteRtStatus LiteRtGetSignatureInputName(LiteRtSignature, std::size_t, const char **);
LiteRtStatus LiteRtGetSignatureOutputName(LiteRtSignature, std::size_t, const char **);
LiteRtStatus LiteRtGetSignatureInputTensorByIndex(LiteRtSignature, std::size_t, LiteRtTensor *);
LiteRtStatus LiteRtGetSignatureOutputTensorByIndex(LiteRtSignature, std::size_t, LiteRtTensor *);
LiteRtStatus LiteRtGetRankedTensorType(LiteRtTensor, LiteRtRankedTensorType *);

LiteRtStatus LiteRtCreateOptions(LiteRtOptions *);
void LiteRtDestroyOptions(LiteRtOptions);
LiteRtStatus LiteRtSetOptionsHardwareAccelerators(LiteRtOptions, int);
LiteRtStatus LiteRtCreateOpaqueOptions(const char *name, void *payload, void (*destroy)(void *),
                                       LiteRtOpaqueOptions *);
LiteRtStatus LiteRtAddOpaqueOptions(LiteRtOptions, LiteRtOpaqueOptions);

LiteRtStatus LiteRtCreateCompiledModel(LiteRtEnvironment, LiteRtModel, LiteRtOptions,
                                       LiteRtCompiledModel *);
void LiteRtDestroyCompiledModel(LiteRtCompiledModel);
LiteRtStatus LiteRtCompiledModelResizeInputTensor(LiteRtCompiledModel, std::size_t signature,
                                                  std::size_t input, const int *, std::size_t);
LiteRtStatus LiteRtGetCompiledModelOutputTensorLayouts(LiteRtCompiledModel, std::size_t signature,
                                                       std::size_t count, LiteRtLayout *,
                                                       bool update_allocation);
LiteRtStatus LiteRtRunCompiledModel(LiteRtCompiledModel, std::size_t signature, std::size_t inputs,
                                    LiteRtTensorBuffer *, std::size_t outputs,
                                    LiteRtTensorBuffer *);

LiteRtStatus LiteRtCreateTensorBufferFromHostMemory(const LiteRtRankedTensorType *, void *,
                                                    std::size_t, void (*)(void *),
                                                    LiteRtTensorBuffer *);
void LiteRtDestroyTensorBuffer(LiteRtTensorBuffer);
}
