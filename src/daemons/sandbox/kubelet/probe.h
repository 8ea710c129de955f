/* kubelet/probe.h - startup, readiness and liveness probes of a running container.
 *
 * Attempts are made from the site's network namespace, as a kubelet makes them from the node, and
 * never block. The counting half is pure. */
#pragma once
#include "kubelet/runner.h"
#include "store/js.h"

typedef enum ProbeKind { PROBE_HTTP, PROBE_TCP, PROBE_EXEC, PROBE_UNSUPPORTED } ProbeKind;

typedef struct ProbeSpec {
    ProbeKind kind;
    int port;
    const char *path, *headers; /* HTTP; headers as they are sent */
    const char *const *command;
    int initial_delay, period, timeout, success_threshold, failure_threshold; /* seconds, counts */
} ProbeSpec;

/* `name`: "readinessProbe" and so on. False: the container has none. Pure. */
bool probe_parse(Arena *a, const cJSON *container, const char *name, ProbeSpec *ret);

typedef enum ProbeVerdict { VERDICT_NONE, VERDICT_GOOD, VERDICT_BAD } ProbeVerdict;
typedef struct ProbeCount {
    int good, bad; /* in a row */
} ProbeCount;
/* NONE: no threshold is reached, what was said before stays. Pure. */
ProbeVerdict probe_note(ProbeCount *c, const ProbeSpec *spec, bool ok);

/* The status of an HTTP/1 answer by its first bytes; 0: it is none. Pure. */
int probe_http_status(const char *head, size_t n);

typedef struct Probe Probe;
typedef struct ProbeTarget {
    Loop *loop;
    const char *ip;
    const Runner *runner;
    const char *const *env; /* for commands */
    unsigned uid, gid;
} ProbeTarget;
/* Each time a threshold is reached or kept. `why` says what was wrong, NULL when good. */
typedef void (*ProbeFn)(void *ctx, ProbeVerdict v, const char *why);
/* spec and target's pointers must outlive the probe. eager: until the first success look four times
 * a second; only failures a period apart are counted. */
Probe *probe_start(const ProbeSpec *spec, const ProbeTarget *target, bool eager, ProbeFn fn,
                   void *ctx);
void probe_stop(Probe *p);
