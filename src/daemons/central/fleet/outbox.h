/* central/fleet/outbox.h - what to send about one cluster: the pure part of the comparison. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

typedef struct OutboxRow {
    int64_t desired, acked;
    bool deleted; /* a tombstone */
} OutboxRow;

typedef enum OutboxVerdict { OUTBOX_NOTHING, OUTBOX_CONFIG, OUTBOX_DELETE } OutboxVerdict;
/* site: the version the site said (Hello) or acknowledged on this stream, -1 not known to it; sent:
 * the newest sent on this stream, 0 none. */
OutboxVerdict outbox_decide(OutboxRow row, int64_t site, int64_t sent);
