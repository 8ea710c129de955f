#include "kubelet/probe.h"

#include "core/log.h"
#include "loop/stream.h"
#include <stdio.h>
#include <stdlib.h>

enum { HEAD_MAX = 512, SECOND = 1000, EAGER_MS = 250, HTTP_OK_LO = 200, HTTP_OK_HI = 399 };

struct Probe {
    ProbeSpec spec;
    ProbeTarget target;
    ProbeFn fn;
    void *ctx;
    ProbeCount count;
    Timer *period, *deadline;
    Dial *dial;
    Stream *stream;
    Exec *exec;
    char head[HEAD_MAX]; /* what came of the answer */
    size_t head_n;
    char why[160];
    uint64_t count_at; /* a failure before this is not counted */
    bool eager;        /* nothing has succeeded yet: look more often than the period */
    bool stopped, busy;
};

/* ---- the pure half ---- */

static int port_of(const cJSON *container, const cJSON *port)
{
    if (cJSON_IsNumber(port))
        return (int)port->valuedouble;
    const cJSON *p =
        js_find(js_get(container, "ports"), "name", str_or(cJSON_GetStringValue(port), ""));
    return (int)js_int(p, "containerPort", 0);
}

static const char *headers_of(Arena *a, const cJSON *http)
{
    AUTO_STRBUF b = {0};
    const cJSON *h;
    js_each(h, js_get(http, "httpHeaders"))
    {
        strbuf_addf(&b, "%s: %s\r\n", js_text(h, "name"), js_text(h, "value"));
    }
    return arena_strdup(a, strbuf_str(&b));
}

static const char *const *words(Arena *a, const cJSON *list)
{
    const char **out = arena_array(a, const char *, (size_t)cJSON_GetArraySize(list) + 1);
    size_t n = 0;
    const cJSON *item;
    js_each(item, list)
    {
        out[n++] = arena_strdup(a, str_or(cJSON_GetStringValue(item), ""));
    }
    return out;
}

bool probe_parse(Arena *a, const cJSON *container, const char *name, ProbeSpec *ret)
{
    const cJSON *p = js_get(container, name), *how;
    if (!p)
        return false;
    *ret = (ProbeSpec){.kind = PROBE_UNSUPPORTED,
                       .initial_delay = (int)js_int(p, "initialDelaySeconds", 0),
                       .period = (int)js_int(p, "periodSeconds", 10),
                       .timeout = (int)js_int(p, "timeoutSeconds", 1),
                       .success_threshold = (int)js_int(p, "successThreshold", 1),
                       .failure_threshold = (int)js_int(p, "failureThreshold", 3)};
    if ((how = js_get(p, "httpGet")) && !str_eq(js_text(how, "scheme"), "HTTPS")) {
        ret->kind = PROBE_HTTP;
        ret->path = arena_strdup(a, str_or(js_str(how, "path"), "/"));
        ret->headers = headers_of(a, how);
        ret->port = port_of(container, js_get(how, "port"));
    } else if ((how = js_get(p, "tcpSocket"))) {
        ret->kind = PROBE_TCP;
        ret->port = port_of(container, js_get(how, "port"));
    } else if ((how = js_get(p, "exec"))) {
        ret->kind = PROBE_EXEC;
        ret->command = words(a, js_get(how, "command"));
    }
    return true;
}

ProbeVerdict probe_note(ProbeCount *c, const ProbeSpec *spec, bool ok)
{
    c->good = ok ? c->good + 1 : 0;
    c->bad = ok ? 0 : c->bad + 1;
    if (c->good >= spec->success_threshold)
        return VERDICT_GOOD;
    return c->bad >= spec->failure_threshold ? VERDICT_BAD : VERDICT_NONE;
}

int probe_http_status(const char *head, size_t n)
{
    static const char begin[] = "HTTP/1.";
    const size_t digits = sizeof begin + 1; /* behind the minor version and a blank */
    int status = 0;
    if (n < digits + 3 || memcmp(head, begin, sizeof begin - 1) != 0 || head[digits - 1] != ' ')
        return 0;
    for (size_t i = digits; i < digits + 3; i++) {
        if (head[i] < '0' || head[i] > '9')
            return 0;
        status = status * 10 + head[i] - '0';
    }
    return n == digits + 3 || head[digits + 3] < '0' || head[digits + 3] > '9' ? status : 0;
}

/* ---- one attempt ---- */

static void end_attempt(Probe *p, bool ok)
{
    if (!p->busy)
        return;
    p->busy = false;
    timer_stop(p->deadline);
    p->deadline = NULL;
    dial_cancel(p->dial);
    p->dial = NULL;
    stream_close(p->stream);
    if (p->stopped)
        return;
    uint64_t period = (uint64_t)(p->spec.period > 0 ? p->spec.period : 1) * SECOND;
    uint64_t now = loop_now(p->target.loop), eager = ok ? period : EAGER_MS;
    p->eager = p->eager && !ok;
    timer_again(p->period, p->eager && eager < period ? eager : period);
    if (!ok && now < p->count_at)
        return;
    p->count_at = now + period;
    ProbeVerdict v = probe_note(&p->count, &p->spec, ok);
    p->fn(p->ctx, v, ok ? NULL : p->why);
}

static void on_late(void *ctx)
{
    Probe *p = ctx;
    snprintf(p->why, sizeof p->why, "no answer within %d s", p->spec.timeout);
    exec_free(p->exec);
    p->exec = NULL;
    end_attempt(p, false);
}

static void on_answer(void *ctx, const char *data, size_t n)
{
    Probe *p = ctx;
    if (!p->busy)
        return;
    size_t room = sizeof p->head - 1 - p->head_n;
    if (n > room)
        n = room;
    memcpy(p->head + p->head_n, data, n);
    p->head_n += n;
    if (!memchr(p->head, '\n', p->head_n) && room > n)
        return;
    int status = probe_http_status(p->head, p->head_n);
    if (!status)
        snprintf(p->why, sizeof p->why, "the answer is not HTTP/1");
    else
        snprintf(p->why, sizeof p->why, "HTTP probe failed with statuscode: %d", status);
    end_attempt(p, status >= HTTP_OK_LO && status <= HTTP_OK_HI);
}

static void on_gone(void *ctx, const Error *err)
{
    Probe *p = ctx;
    p->stream = NULL;
    if (p->stopped) {
        free(p);
        return;
    }
    if (!p->busy)
        return;
    snprintf(p->why, sizeof p->why, "%.150s", err ? err->msg : "closed without an answer");
    end_attempt(p, false); /* last: what it calls may stop and free the probe */
}

static void on_dialled(void *ctx, const Error *err, Stream *s)
{
    Probe *p = ctx;
    p->dial = NULL;
    if (err) {
        snprintf(p->why, sizeof p->why, "%.150s", err->msg);
        end_attempt(p, false);
        return;
    }
    static const StreamEvents ev = {.on_read = on_answer, .on_close = on_gone};
    p->stream = s;
    p->head_n = 0;
    memset(p->head, 0, sizeof p->head);
    stream_set_events(s, &ev, p);
    if (p->spec.kind == PROBE_TCP) {
        end_attempt(p, true);
        return;
    }
    AUTO_STRBUF b = {0};
    strbuf_addf(&b,
                "GET %s HTTP/1.1\r\nHost: %s:%d\r\nUser-Agent: kube-probe/pg-swarm\r\n"
                "Accept: */*\r\nConnection: close\r\n%s\r\n",
                p->spec.path, p->target.ip, p->spec.port, p->spec.headers);
    stream_write(s, b.p, b.n);
}

static void on_command_exit(void *ctx, int code)
{
    Probe *p = ctx;
    exec_free(p->exec);
    p->exec = NULL;
    snprintf(p->why, sizeof p->why, "command exited with %d", code);
    end_attempt(p, code == 0);
}

static void start_command(Probe *p)
{
    Error err;
    ExecSpec spec = {.argv = p->spec.command,
                     .envp = p->target.env,
                     .uid = p->target.uid,
                     .gid = p->target.gid,
                     .stdin_fd = -1,
                     .stdout_fd = -1,
                     .stderr_fd = -1,
                     .on_exit = on_command_exit,
                     .ctx = p};
    if (runner_exec(p->target.loop, p->target.runner, &spec, &p->exec, &err)) {
        snprintf(p->why, sizeof p->why, "%.150s", err.msg);
        end_attempt(p, false);
    }
}

static void on_period(void *ctx)
{
    Probe *p = ctx;
    if (p->busy || p->stream) { /* the last attempt is not quite over */
        timer_again(p->period, EAGER_MS);
        return;
    }
    p->busy = true;
    char addr[64];
    snprintf(addr, sizeof addr, "%s:%d", p->target.ip, p->spec.port);
    switch (p->spec.kind) {
    case PROBE_HTTP:
    case PROBE_TCP:
        p->deadline =
            timer_start(p->target.loop, (uint64_t)p->spec.timeout * SECOND, 0, on_late, p);
        p->dial =
            stream_dial(p->target.loop, addr, (uint64_t)p->spec.timeout * SECOND, on_dialled, p);
        break;
    case PROBE_EXEC:
        p->deadline =
            timer_start(p->target.loop, (uint64_t)p->spec.timeout * SECOND, 0, on_late, p);
        start_command(p);
        break;
    case PROBE_UNSUPPORTED:
        snprintf(p->why, sizeof p->why,
                 "the sandbox has httpGet (HTTP), tcpSocket and exec probes");
        end_attempt(p, false);
        break;
    }
}

Probe *probe_start(const ProbeSpec *spec, const ProbeTarget *target, bool eager, ProbeFn fn,
                   void *ctx)
{
    Probe *p = xnew(Probe);
    p->spec = *spec;
    p->target = *target;
    p->fn = fn;
    p->ctx = ctx;
    uint64_t first = spec->initial_delay > 0 ? (uint64_t)spec->initial_delay * SECOND : EAGER_MS;
    p->eager = eager;
    p->period = timer_start(target->loop, first, 0, on_period, p);
    return p;
}

void probe_stop(Probe *p)
{
    if (!p || p->stopped)
        return;
    p->stopped = true;
    timer_stop(p->period);
    timer_stop(p->deadline);
    p->deadline = NULL;
    dial_cancel(p->dial);
    p->dial = NULL;
    exec_free(p->exec);
    p->exec = NULL;
    stream_close(p->stream);
    if (!p->stream)
        free(p);
}
