/* cli/op_view.h - an operation as text: the block that a terminal redraws, and one line a step for
 * everything else. Pure: what is shown depends on the object and the look alone. */
#pragma once
#include "codec/json.h"

typedef struct OpLook {
    bool color;
    size_t width;       /* cells of a line; 0: no limit */
    int64_t now_us;     /* for what is not over yet */
    int64_t lost_us;    /* since when central is not reached; 0: it is */
    bool keys;          /* say which keys do what */
    const char *notice; /* a line below, or NULL */
} OpLook;

/* Lines, each with its newline. */
void op_draw(const cJSON *op, const OpLook *look, StrBuf *out);

/* For logs and screen readers: a line for each step that came to something since `was` (NULL: from
 * the start), and for what the operation as a whole came to. */
void op_tell(const cJSON *was, const cJSON *op, StrBuf *out);

bool op_ended(const cJSON *op);
bool op_is_unknown(const cJSON *op); /* ended or not */
/* Exit status of a program that waited for it: 0 done, 10 rolled back, 11 failed past the point of
 * no return, 8 unknown or not ended. */
int op_exit(const cJSON *op);
/* "switchover 7f3c1a2b", "databases/prod-pg@edge-a", "prod-pg-0 -> prod-pg-1". */
const char *op_title(Arena *a, const cJSON *op);
const char *op_cluster(Arena *a, const cJSON *op);
const char *op_target(Arena *a, const cJSON *op);
/* The first digits of its id: enough to name it. */
const char *op_short(Arena *a, const cJSON *op);
/* "4/9 stop"; "-" before the first. */
const char *op_step(Arena *a, const cJSON *op);
/* How it ended, in one sentence. */
const char *op_outcome(Arena *a, const cJSON *op);
/* "0.06s", "1.2s", "2m11s". */
const char *op_took(Arena *a, int64_t ms);
