#include "svc/operation_check.h"

#include "core/clock.h"

enum { PLAN_DAYS_MAX = 366 };

static const ApiInstance *instance_of(const OperationFacts *f, const char *pod)
{
    const ApiInstance *at = f->instances.at;
    for (size_t i = 0; i < f->instances.n; i++)
        if (str_eq(at[i].pod, pod))
            return &at[i];
    return NULL;
}

/* NAME-0 to NAME-(replicas - 1), and whatever the site told of besides (a cluster that shrinks). */
bool operation_member(const OperationFacts *f, const char *pod)
{
    uint64_t ordinal;
    size_t n = strlen(f->cluster);
    if (instance_of(f, pod))
        return true;
    if (!str_starts(pod, f->cluster) || pod[n] != '-')
        return false;
    const char *digits = pod + n + 1;
    return str_to_u64(digits, &ordinal) && (digits[0] != '0' || !digits[1]) &&
           (int64_t)ordinal < f->replicas;
}

static const char *members(Arena *a, const OperationFacts *f, bool but_primary)
{
    AUTO_STRBUF b = {0};
    for (int64_t i = 0; i < f->replicas && i < 15; i++) {
        const char *pod = arena_printf(a, "%s-%lld", f->cluster, (long long)i);
        if (but_primary && str_eq(pod, f->primary))
            continue;
        strbuf_addf(&b, "%s%s", b.n ? ", " : "", pod);
    }
    return b.n ? arena_strdup(a, b.p) : "another member, and there is none";
}

typedef struct Check {
    Arena *a;
    const ApiOperationInput *in;
    const OperationFacts *f;
    FieldErrors *errs;
} Check;

static void check_member(const Check *c, const char *field, const char *pod, bool but_primary)
{
    if (str_empty(pod))
        return;
    if (!operation_member(c->f, pod))
        field_error(c->errs, field, pod, "a member of %s: %s", c->f->cluster,
                    members(c->a, c->f, but_primary));
    else if (but_primary && str_eq(pod, c->f->primary))
        field_error(c->errs, field, pod, "not the primary, which %s is: %s", pod,
                    members(c->a, c->f, true));
}

static void check_new_primary(const Check *c)
{
    check_member(c, "to", c->in->to, true);
    if (c->f->replicas < 2)
        field_error(c->errs, "to", c->in->to,
                    "another member, and %s has only one: raise `replicas` of its profile",
                    c->f->cluster);
}

static void check_switchover(const Check *c)
{
    const ApiOperationInput *in = c->in;
    char at[CLOCK_RFC3339_LEN + 1];
    check_new_primary(c);
    clock_rfc3339(at, in->at);
    if (in->at && in->at <= c->f->now_us)
        field_error(c->errs, "at", at, "a time to come, this one is over");
    else if (in->at > c->f->now_us + (int64_t)PLAN_DAYS_MAX * 86400 * 1000000)
        field_error(c->errs, "at", at, "within %d days", (int)PLAN_DAYS_MAX);
    if (in->at && in->interactive)
        field_error(c->errs, "interactive", "true",
                    "nothing with `at`: nobody is there to say continue at that time");
}

static void check_pod(const Check *c)
{
    check_member(c, "pod", c->in->pod, false);
}

static void check_reinit(const Check *c)
{
    check_member(c, "pod", c->in->pod, true);
}

static void check_restart(const Check *c)
{
    check_member(c, "pod", c->in->pod, false);
    if (c->in->rolling && !str_empty(c->in->pod))
        field_error(c->errs, "rolling", "true", "nothing with `pod`: it is about all members");
}

static void check_nothing(const Check *c)
{
    (void)c;
}

static void (*const CHECKS[OP_KIND_COUNT])(const Check *c) = {
    [OP_NONE] = check_nothing,         [OP_SWITCHOVER] = check_switchover,
    [OP_FAILOVER] = check_new_primary, [OP_FENCE] = check_pod,
    [OP_UNFENCE] = check_pod,          [OP_REINIT] = check_reinit,
    [OP_RESTART] = check_restart,      [OP_PAUSE] = check_nothing,
    [OP_RESUME] = check_nothing,
};

ErrCode operation_check(Arena *a, OperationKind kind, const ApiOperationInput *in,
                        const OperationFacts *f, FieldErrors *errs, Error *err)
{
    Check c = {a, in, f, errs};
    CHECKS[(unsigned)kind < OP_KIND_COUNT ? kind : OP_NONE](&c);
    if (errs->n)
        return field_errors_result(errs, err);
    if (f->deleting)
        return err_set(err, ERR_CONFLICT, "cluster '%s': it is being deleted", f->cluster);
    if (f->blocker)
        return err_set(err, ERR_CONFLICT,
                       "cluster '%s': %s has not ended; one operation at a time: wait for it, or "
                       "abort it",
                       f->cluster, f->blocker);
    if (!f->approved)
        return err_set(err, ERR_CONFLICT,
                       "cluster '%s': satellite '%s' is not approved any more, nobody is there to "
                       "do it",
                       f->cluster, f->satellite);
    if (!f->connected && !in->detach && !in->at)
        return err_set(err, ERR_UNAVAILABLE,
                       "satellite '%s' is not connected; with detach the operation is kept and "
                       "begins when it is back",
                       f->satellite);
    return ERR_OK;
}
