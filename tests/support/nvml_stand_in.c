/* A stand-in for NVIDIA's libnvidia-ml.so.1, for the functions that calexnet calls through pynvml.
 * What it answers is set by environment variables; names and structures are those of nvml.h.
 *
 * NVML_COUNT      GPUs, 1 by default             NVML_INIT      what nvmlInit answers, 0
 * NVML_WATTS      power, 100                     NVML_TICK_MS   of the energy counter, 20
 * NVML_ENERGY, NVML_INSTANT, NVML_AVERAGE, NVML_USAGE, NVML_OTHERS   what these answer, 0
 * NVML_LOST_MS    from then on the GPU is lost   NVML_FOREIGN   pid of another process
 * NVML_REASONS    throttle reasons, 0            NVML_NAMES     with a second kind of GPU
 * NVML_MIG        whether each is divided, 0; MIG-0 and MIG-1 are parts of GPU 0 and 1
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SUCCESS = 0, INVALID = 2, NOT_SUPPORTED = 3, INSUFFICIENT_SIZE = 7, GPU_IS_LOST = 15 };
enum { FIELD_AVERAGE = 185, FIELD_INSTANT = 186 };

typedef struct {
  uint32_t field, scope;
  int64_t timestamp, latency_us;
  int value_type, answer;
  union { double d; uint32_t ui; uint64_t ull; } value;
} field_value;

typedef struct { unsigned pid; unsigned long long memory; unsigned gpu, compute; } process_info;
typedef struct { unsigned long long total, free, used; } memory_info;
typedef struct { unsigned gpu, memory; } utilization;

static double started_ms;
static long gpus[8];

static long setting(const char *name, long otherwise) {
  const char *text = getenv(name);
  return text ? atol(text) : otherwise;
}

static double now_ms(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return at.tv_sec * 1e3 + at.tv_nsec / 1e6;
}

static int answer(const char *name) {
  long lost = setting("NVML_LOST_MS", -1);
  if (lost >= 0 && now_ms() - started_ms >= lost) return GPU_IS_LOST;
  return (int)setting(name, SUCCESS);
}

int nvmlInitWithFlags(unsigned flags) {
  if (started_ms == 0) started_ms = now_ms();
  return (int)setting("NVML_INIT", SUCCESS);
}
int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
int nvmlShutdown(void) { return SUCCESS; }

const char *nvmlErrorString(int code) {
  switch (code) {
    case SUCCESS: return "Success";
    case NOT_SUPPORTED: return "Not Supported";
    case GPU_IS_LOST: return "GPU is lost";
    default: return "Error";
  }
}

int nvmlDeviceGetCount_v2(unsigned *count) {
  *count = (unsigned)setting("NVML_COUNT", 1);
  return SUCCESS;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) {
  if (index >= setting("NVML_COUNT", 1)) return INVALID;
  gpus[index] = index;
  *handle = &gpus[index];
  return SUCCESS;
}
int nvmlDeviceGetName(void *handle, char *name, unsigned length) {
  int second = getenv("NVML_NAMES") && *(long *)handle == 1;
  snprintf(name, length, second ? "Stand-in small" : "Stand-in large");
  return SUCCESS;
}
int nvmlDeviceGetUUID(void *handle, char *uuid, unsigned length) {
  snprintf(uuid, length, "GPU-%ld8932f93-0000-0000", *(long *)handle);
  return SUCCESS;
}
int nvmlDeviceGetHandleByUUID(const char *uuid, void **handle) {
  long index = atol(uuid + 4);
  if (strncmp(uuid, "MIG-", 4) || uuid[4] < '0' || uuid[4] > '1' || uuid[5]) return INVALID;
  gpus[index] = index;
  *handle = &gpus[index];
  return SUCCESS;
}
int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(void *part, void **whole) {
  *whole = part;
  return SUCCESS;
}
int nvmlDeviceGetIndex(void *handle, unsigned *index) {
  *index = (unsigned)*(long *)handle;
  return SUCCESS;
}
int nvmlDeviceGetMigMode(void *handle, unsigned *now, unsigned *next) {
  *now = *next = (unsigned)setting("NVML_MIG", 0);
  return getenv("NVML_MIG") ? SUCCESS : NOT_SUPPORTED;
}
int nvmlSystemGetDriverVersion(char *version, unsigned length) {
  snprintf(version, length, "580.00");
  return SUCCESS;
}

int nvmlDeviceGetTotalEnergyConsumption(void *handle, unsigned long long *millijoules) {
  double tick_ms = (double)setting("NVML_TICK_MS", 20);
  double ticks = (double)(long long)((now_ms() - started_ms) / tick_ms);
  *millijoules = 1000000 + (unsigned long long)(ticks * tick_ms * setting("NVML_WATTS", 100));
  return answer("NVML_ENERGY");
}
int nvmlDeviceGetPowerUsage(void *handle, unsigned *milliwatts) {
  *milliwatts = (unsigned)setting("NVML_WATTS", 100) * 1000;
  return answer("NVML_USAGE");
}
int nvmlDeviceGetFieldValues(void *handle, int count, field_value *values) {
  for (int i = 0; i < count; i++) {
    values[i].value.ui = (uint32_t)setting("NVML_WATTS", 100) * 1000;
    values[i].answer = values[i].field == FIELD_INSTANT   ? answer("NVML_INSTANT")
                       : values[i].field == FIELD_AVERAGE ? answer("NVML_AVERAGE")
                                                          : NOT_SUPPORTED;
  }
  return SUCCESS;
}

int nvmlDeviceGetEnforcedPowerLimit(void *handle, unsigned *milliwatts) {
  *milliwatts = 350000;
  return answer("NVML_OTHERS");
}
int nvmlDeviceGetMemoryInfo(void *handle, memory_info *memory) {
  memset(memory, 0, sizeof *memory);
  memory->total = 8ull << 30;
  return answer("NVML_OTHERS");
}
int nvmlDeviceGetTemperature(void *handle, int sensor, unsigned *celsius) {
  *celsius = 61;
  return answer("NVML_OTHERS");
}
int nvmlDeviceGetClockInfo(void *handle, int kind, unsigned *mhz) {
  *mhz = kind == 1 ? 1410 : 1215;
  return answer("NVML_OTHERS");
}
int nvmlDeviceGetUtilizationRates(void *handle, utilization *busy) {
  busy->gpu = 42;
  busy->memory = 7;
  return answer("NVML_OTHERS");
}
int nvmlDeviceGetCurrentClocksThrottleReasons(void *handle, unsigned long long *reasons) {
  *reasons = (unsigned long long)setting("NVML_REASONS", 0);
  return answer("NVML_OTHERS");
}
int nvmlDeviceGetComputeRunningProcesses_v3(void *handle, unsigned *count, process_info *found) {
  unsigned running = getenv("NVML_FOREIGN") ? 2 : 0;
  if (running > *count) {
    *count = running;
    return INSUFFICIENT_SIZE;
  }
  if (running) {
    memset(found, 0, running * sizeof *found);
    found[0].pid = (unsigned)getpid();
    found[1].pid = (unsigned)setting("NVML_FOREIGN", 0);
  }
  *count = running;
  return answer("NVML_OTHERS");
}
