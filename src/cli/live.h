/* cli/live.h - follow topics of central's WebSocket until something says stop. */
#pragma once
#include "out.h"

typedef struct Live Live;
typedef struct LiveSpec {
    const char *topics;  /* "clusters", "events" */
    uint64_t timeout_ms; /* 0: none */
    uint64_t since_ms;   /* clock_mono_ms at which that time began; 0: now */
    /* One message: {"type","topic","cursor","items"}. Return true to stop. */
    bool (*on_message)(void *ctx, const char *type, const cJSON *items);
    /* The link is there, or is not there any more (and is tried again); may be NULL. */
    void (*on_link)(void *ctx, bool up);
    /* Before anything else: what live_stop takes; may be NULL. */
    void (*on_start)(void *ctx, Live *lv);
    void *ctx;
} LiveSpec;

/* Runs the loop. ERR_TIMEOUT when the time is over; a broken link is taken up again from the cursor
 * while time is left. */
ErrCode live_follow(Cli *c, const LiveSpec *spec, Error *err) MUST_USE;
/* From a timer or a signal: live_follow comes to its end. */
void live_stop(Live *lv);

/* A table of objects by id that follows snapshot, upsert and delete. */
void live_merge(cJSON *table, const char *type, const cJSON *items);
