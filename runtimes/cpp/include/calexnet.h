/* calexnet in C: a bundle's cascade, in layout segments, answers batches of images.
 *
 * Every function that can fail returns a calexnet_status; calexnet_message() says in words what the
 * last failure of the calling thread was. No exception leaves the library. A calexnet_cascade may
 * be shared between threads: predictions run side by side, each on memory of its own. Only
 * calexnet_close needs it alone. */
#ifndef CALEXNET_H
#define CALEXNET_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum calexnet_status {
    CALEXNET_OK = 0,
    CALEXNET_BAD_BUNDLE = 1, /* missing, damaged, altered, or not of this kind */
    CALEXNET_BAD_INPUT = 2,  /* an argument that cannot be used */
    CALEXNET_RUNTIME = 3,    /* the runtime is not in this build, or failed */
    CALEXNET_NO_MEMORY = 4,
    CALEXNET_FAULT = 5 /* a fault of this library */
} calexnet_status;

typedef struct calexnet_cascade calexnet_cascade;

/* How to open a bundle. All zero but `size` is a good choice. */
typedef struct calexnet_options {
    size_t size;                 /* sizeof(calexnet_options); fields may be added at the end */
    const char *target;          /* "onnxruntime", "tflite"; NULL = the first that can run here */
    const char *precision;       /* "fp32", "int8"; NULL = the first of the target */
    const char *operating_point; /* NULL = the bundle's default */
    int threads;                 /* within an operator; 0 = as the runtime likes */
} calexnet_options;

/* What a cascade takes and gives. Strings and the struct's content live as long as the cascade. */
typedef struct calexnet_description {
    const char *sha256; /* the bundle's hash, which names it */
    const char *target;
    const char *precision;
    const char *runtime; /* name and version */
    const char *operating_point;
    size_t height, width, channels;
    int takes_floats;   /* 0: images are uint8 (n, H, W, C); 1: float32 (n, C, H, W), normalised */
    size_t image_bytes; /* of one image */
    size_t classes;
    size_t exits; /* numbered from 1; the last is the backbone's own head */
} calexnet_description;

/* Where answers go: arrays of the caller's, a row an image, in the order of the images. */
typedef struct calexnet_answers {
    int32_t *labels;      /* (n,) */
    float *scores;        /* (n,) */
    int32_t *exits;       /* (n,), from 1 */
    float *probabilities; /* (n, classes); NULL = not asked for */
} calexnet_answers;

/* Check all of a bundle and load one build of it. `options` may be NULL. */
calexnet_status calexnet_open(const char *folder, const calexnet_options *options,
                              calexnet_cascade **cascade);

/* Let go of a cascade; NULL is fine. */
void calexnet_close(calexnet_cascade *cascade);

calexnet_status calexnet_describe(const calexnet_cascade *cascade,
                                  calexnet_description *description);

/* Name of a class; NULL if there is none of that number. */
const char *calexnet_class_name(const calexnet_cascade *cascade, size_t label);

/* Write the threshold table of an operating point, float32 (exits - 1, classes); infinity = never.
 * NULL = the one that the cascade was opened with. */
calexnet_status calexnet_thresholds(const calexnet_cascade *cascade, const char *operating_point,
                                    float *table);

/* Answer `count` images. `thresholds` is a table as above for this call alone, or NULL for the one
 * that the cascade was opened with. After a failure the cascade stays usable. */
calexnet_status calexnet_predict(calexnet_cascade *cascade, const void *images, size_t count,
                                 const float *thresholds, const calexnet_answers *answers);

/* The same by the backbone alone, as if every image took the last exit. Loaded on the first call.
 */
calexnet_status calexnet_plain(calexnet_cascade *cascade, const void *images, size_t count,
                               const calexnet_answers *answers);

/* Have memory for batches of up to `count` images, and run every segment once on each number of
 * survivors up to 128. From then on calls of one thread allocate nothing here; what the runtime
 * allocates is its own affair. */
calexnet_status calexnet_warm_up(calexnet_cascade *cascade, size_t count);

/* Write how many images have left at each exit so far, uint64 (exits,). */
calexnet_status calexnet_counters(const calexnet_cascade *cascade, uint64_t *images);

calexnet_status calexnet_reset_counters(calexnet_cascade *cascade);

/* What the last failure of this thread was, in one line; good until its next failure. */
const char *calexnet_message(void);

const char *calexnet_version(void);

#ifdef __cplusplus
}
#endif
#endif
