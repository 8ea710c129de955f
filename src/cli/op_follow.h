/* cli/op_follow.h - attach to an operation: live on a terminal, a line a step elsewhere.
 *
 * Leaving (ctrl-C, q, the end of the time) never stops it. A lost link to central is said, tried
 * again, and gone on from. */
#pragma once
#include "cli.h"

typedef struct OpFollow {
    const cJSON *op;   /* as it was answered last */
    uint64_t limit_ms; /* 0: none */
} OpFollow;
/* Until it has ended; prints how it ended and gives the exit status (op_exit; 130 and 143 when it
 * was left by a signal). */
int op_follow(Cli *c, const OpFollow *f);
/* What a command says of an operation that it does not wait for. */
int op_report(Cli *c, cJSON *op);
