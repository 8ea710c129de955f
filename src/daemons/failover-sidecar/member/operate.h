/* member/operate.h - what operations do to this member: fence, stop for a handover, hand over, and
 * the way back from each; restart, reinit, pause.
 *
 * Every order belongs to an operation and may be repeated: the same one again is answered as if it
 * were the first. Another operation's fence or stop is refused with CONFLICT and never undone. What
 * is held for an operation (fence with hold_seconds, stop) is held only as long as something is
 * heard of it; then, if the lease is still ours, this member makes itself whole again by itself: it
 * renews the lease first, so that a handover that is still on its way can no longer be written,
 * starts PostgreSQL at the same epoch, and takes the fence away. A fence without a time limit is a
 * person's: it lies on the volume and stays until unfence. A sidecar that is new finds a temporary
 * fence on the volume and counts its time from there. */
#pragma once
#include "wire/sidecar_stream.h"

typedef struct Operate Operate;
struct Member;

Operate *operate_new(struct Member *m);
void operate_free(Operate *o);
/* At each step of the member. */
void operate_step(Operate *o);
/* PostgreSQL is kept down for an operation: not started, the lease not released. */
bool operate_held(const Operate *o);
/* Whose fence it is; "" when there is none. Lives until the next change. */
const char *operate_fence(const Operate *o);
/* Something was heard of this operation: what it holds is held on. */
void operate_heard(Operate *o, const char *operation_id);

/* Once; never from inside. err NULL: it is so now. */
typedef void (*OperateDone)(void *ctx, const Error *err);
void operate_order(Operate *o, const SidecarDown *cmd, OperateDone done, void *ctx);

/* A CHECKPOINT, which may take minutes, on a connection of its own. */
void operate_checkpoint(Operate *o, OperateDone done, void *ctx);

/* How this member stands, freshly asked of PostgreSQL; success, error and code are the caller's to
 * fill. Never fails: what PostgreSQL does not answer is not told. */
typedef void (*StatusDone)(void *ctx, CommandResult *r);
void operate_status(Operate *o, StatusDone done, void *ctx);
