/* cli/live.h - follow topics of central's WebSocket until something says stop. */
#pragma once
#include "out.h"

typedef struct Live Live;
typedef struct LiveSpec {
    const char *topics;  /* "clusters", "events" */
    uint64_t timeout_ms; /* 0: none */
    /* One message: {"type","topic","cursor","items"}. Return true to stop. */
    bool (*on_message)(void *ctx, const char *type, const cJSON *items);
    void *ctx;
} LiveSpec;

/* Runs the loop. ERR_TIMEOUT when the time is over; a broken link is taken up again from the cursor
 * while time is left. */
ErrCode live_follow(Cli *c, const LiveSpec *spec, Error *err) MUST_USE;

/* A table of objects by id that follows snapshot, upsert and delete. */
void live_merge(cJSON *table, const char *type, const cJSON *items);
