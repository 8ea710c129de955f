/* central/fleet/orders.h - what to say to a site about one operation now: the pure part of the
 * comparison. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum {
    ORDERS_UNANSWERED_MS = 5000, /* sent, and nothing came back */
    ORDERS_SILENT_MS = 20000,    /* it was heard of, but not for so long: ask how it stands */
};

/* What is known of it on this stream; times on the loop's clock, 0: not yet. */
typedef struct OrderSeen {
    uint64_t sent_ms, heard_ms, word_ms;
} OrderSeen;
typedef struct OrderRow {
    bool aborting;               /* a person said abort, and it can still be */
    bool waiting;                /* at `step` */
    int64_t step, continue_step; /* continue_step 0: nobody said continue */
} OrderRow;

enum { ORDER_REQUEST = 1, ORDER_CONTINUE = 2, ORDER_ABORT = 4 };
/* Bits: the request itself goes before a word. */
unsigned orders_decide(OrderRow row, OrderSeen seen, uint64_t now_ms);
