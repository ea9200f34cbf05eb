/* Every misuse of the C interface ends in a code with words, and the cascade stays usable. That
 * this is C says that calexnet.h is. */
#include "calexnet.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static int failed = 0;

static void expect(calexnet_status wanted, calexnet_status got, const char *words, int line) {
    if (got == wanted && (words == NULL || strstr(calexnet_message(), words) != NULL)) return;
    printf("line %d: status %d (%s), not %d (%s)\n", line, got, calexnet_message(), wanted, words);
    failed = 1;
}

static int usable(calexnet_cascade *cascade, const void *images) {
    int32_t label = -1, exit = -1;
    float score = -1;
    const calexnet_answers answers = {&label, &score, &exit, NULL};
    return calexnet_predict(cascade, images, 1, NULL, &answers) == CALEXNET_OK && label >= 0 &&
           exit >= 1 && score >= 0;
}

int main(int count, char **words) {
    calexnet_cascade *cascade = NULL;
    calexnet_description what;
    calexnet_options options = {sizeof options, NULL, NULL, NULL, 1};
    static unsigned char images[1 << 16];
    float table[64], score;
    int32_t label, exit;
    calexnet_answers answers = {&label, &score, &exit, NULL};
    if (count != 2) return 2;

    expect(CALEXNET_BAD_INPUT, calexnet_open(words[1], NULL, NULL), "cascade is NULL", __LINE__);
    expect(CALEXNET_BAD_INPUT, calexnet_open(NULL, NULL, &cascade), "folder is NULL", __LINE__);
    expect(CALEXNET_BAD_BUNDLE, calexnet_open("/nowhere", NULL, &cascade), "no manifest", __LINE__);
    options.size = 4;
    expect(CALEXNET_BAD_INPUT, calexnet_open(words[1], &options, &cascade), "size", __LINE__);
    options.size = sizeof options, options.threads = -1;
    expect(CALEXNET_BAD_INPUT, calexnet_open(words[1], &options, &cascade), "threads", __LINE__);
    options.threads = 1, options.target = "abacus";
    expect(CALEXNET_BAD_INPUT, calexnet_open(words[1], &options, &cascade), "no such", __LINE__);
    options.target = NULL, options.operating_point = "luck";
    expect(CALEXNET_BAD_INPUT, calexnet_open(words[1], &options, &cascade), "luck", __LINE__);
    if (cascade != NULL) failed = 1;
    options.operating_point = NULL;
    expect(CALEXNET_OK, calexnet_open(words[1], &options, &cascade), NULL, __LINE__);
    if (cascade == NULL) return puts("nothing opened"), 1;

    expect(CALEXNET_BAD_INPUT, calexnet_describe(NULL, &what), "cascade", __LINE__);
    expect(CALEXNET_BAD_INPUT, calexnet_describe(cascade, NULL), "description", __LINE__);
    expect(CALEXNET_OK, calexnet_describe(cascade, &what), NULL, __LINE__);
    expect(CALEXNET_BAD_INPUT, calexnet_thresholds(cascade, "luck", table), "luck", __LINE__);
    expect(CALEXNET_BAD_INPUT, calexnet_thresholds(cascade, NULL, NULL), "table", __LINE__);
    expect(CALEXNET_OK, calexnet_thresholds(cascade, NULL, table), NULL, __LINE__);
    if (calexnet_class_name(cascade, what.classes) != NULL) failed = 1;
    if (calexnet_class_name(cascade, 0) == NULL) failed = 1;

    expect(CALEXNET_BAD_INPUT, calexnet_predict(NULL, images, 1, NULL, &answers), "cascade",
           __LINE__);
    expect(CALEXNET_BAD_INPUT, calexnet_predict(cascade, NULL, 1, NULL, &answers), "images",
           __LINE__);
    expect(CALEXNET_BAD_INPUT, calexnet_predict(cascade, images, 1, NULL, NULL), "answers",
           __LINE__);
    answers.scores = NULL;
    expect(CALEXNET_BAD_INPUT, calexnet_predict(cascade, images, 1, NULL, &answers), "scores",
           __LINE__);
    expect(CALEXNET_OK, calexnet_predict(cascade, NULL, 0, NULL, &answers), NULL, __LINE__);
    answers.scores = &score, table[0] = NAN;
    expect(CALEXNET_BAD_INPUT, calexnet_predict(cascade, images, 1, table, &answers), "NaN",
           __LINE__);
    expect(CALEXNET_BAD_INPUT, calexnet_counters(cascade, NULL), "images", __LINE__);
    expect(CALEXNET_BAD_INPUT, calexnet_warm_up(NULL, 1), "cascade", __LINE__);
    expect(CALEXNET_OK, calexnet_warm_up(cascade, 4), NULL, __LINE__);
    expect(CALEXNET_OK, calexnet_plain(cascade, images, 1, &answers), NULL, __LINE__);
    if ((size_t)exit != what.exits) failed = puts("plain took another exit");
    if (!usable(cascade, images)) failed = puts("not usable afterwards");
    calexnet_close(cascade);
    calexnet_close(NULL);
    return failed != 0;
}
