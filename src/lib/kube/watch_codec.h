/* kube/watch_codec.h - the bytes of a watch: lines split wherever the network cut them, and the
 * meaning of one line. No I/O. */
#pragma once
#include "core/str.h"
#include <cjson/cJSON.h>

/* Longest line: the largest object etcd takes, its managed fields and the envelope. */
enum { KUBE_WATCH_LINE_MAX = 4 * 1024 * 1024 };

typedef struct WatchSplit {
    StrBuf buf;
} WatchSplit;
void watch_split_done(WatchSplit *s);
/* Hands every whole line to fn; false from fn stops (and drops the rest). ERR_TOO_LARGE when a line
 * does not end. */
ErrCode watch_split_feed(WatchSplit *s, StrView data, bool (*fn)(void *ctx, StrView line),
                         void *ctx, Error *err);

typedef enum WatchType {
    WATCH_ADDED,
    WATCH_MODIFIED,
    WATCH_DELETED,
    WATCH_BOOKMARK,
    WATCH_ERROR,
} WatchType;
typedef struct WatchLine {
    WatchType type;
    cJSON *root;         /* to be freed with cJSON_Delete */
    const cJSON *object; /* in root */
    const char *rv;      /* in root; never empty but for WATCH_ERROR */
    int error_code;      /* WATCH_ERROR: the Status' code */
} WatchLine;
ErrCode watch_line_parse(StrView line, WatchLine *ret, Error *err) MUST_USE;
