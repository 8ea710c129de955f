/* probe/deep.h - does PostgreSQL take new connections at all? One each second over the unix socket,
 * as far as the server's first answer: the postmaster accepted, forked, and the backend read what
 * we sent. Any answer is one, a refusal too. No password is sent and nothing is logged by it.
 *
 * Lives while PostgreSQL is up. Several misses in a row mean that it is frozen. */
#pragma once
#include "loop/loop.h"

typedef struct Deep Deep;
typedef struct DeepConfig {
    Loop *loop;
    const char *run_dir;
    unsigned port;
    void (*on_frozen)(void *ctx);
    void *ctx;
} DeepConfig;

Deep *deep_new(const DeepConfig *cfg);
void deep_free(Deep *d);
/* It answered before, and has missed since. NULL: false. */
bool deep_frozen(const Deep *d);
