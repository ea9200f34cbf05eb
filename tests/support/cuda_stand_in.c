/* A stand-in for NVIDIA's libcuda.so.1, for the functions by which calexnet names the GPU.
 * Names and numbers are those of cuda.h; what it answers is set by environment variables.
 *
 * DRIVER_INIT   what cuInit answers, 0      DRIVER_COUNT    GPUs, 1 by default
 * DRIVER_CUDA   its version, 12060          DRIVER_NAME     of the GPU, "Orin"
 */
#include <stdlib.h>
#include <string.h>

enum { SUCCESS = 0, NO_DEVICE = 100, INVALID_DEVICE = 101, SYSTEM_MISMATCH = 803 };
enum { CAPABILITY_MAJOR = 75, CAPABILITY_MINOR = 76 };

static int setting(const char *name, int otherwise) {
  const char *text = getenv(name);
  return text ? atoi(text) : otherwise;
}

int cuInit(unsigned flags) { return flags ? 1 : setting("DRIVER_INIT", SUCCESS); }

int cuDriverGetVersion(int *version) {
  *version = setting("DRIVER_CUDA", 12060);
  return SUCCESS;
}

int cuDeviceGetCount(int *count) {
  *count = setting("DRIVER_COUNT", 1);
  return SUCCESS;
}

int cuDeviceGet(int *device, int ordinal) {
  *device = 40 + ordinal;
  return ordinal < setting("DRIVER_COUNT", 1) ? SUCCESS : INVALID_DEVICE;
}

int cuDeviceGetName(char *name, int size, int device) {
  const char *text = getenv("DRIVER_NAME");
  if (device != 40) return INVALID_DEVICE;
  strncpy(name, text ? text : "Orin", size - 1);
  return SUCCESS;
}

int cuDeviceGetAttribute(int *value, int which, int device) {
  if (device != 40) return INVALID_DEVICE;
  *value = which == CAPABILITY_MAJOR ? 8 : which == CAPABILITY_MINOR ? 7 : -1;
  return SUCCESS;
}

int cuGetErrorString(int status, const char **words) {
  *words = status == NO_DEVICE         ? "no CUDA-capable device is detected"
           : status == SYSTEM_MISMATCH ? "system has unsupported display driver / cuda driver combination"
                                       : NULL;
  return *words ? SUCCESS : 1;
}
