#include "api/request.h"
#include "core/clock.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A container's log is the file of its newest run; the kubelet writes it (app.h says how). */

enum {
    POLL_MS = 200,
    CHUNK = 64 * 1024,
    UNSENT_MAX = 1024 * 1024,
    LOG_FILE_MAX = 64 * 1024 * 1024
};

typedef struct LogOptions {
    const char *container;
    bool follow, previous, timestamps;
    int64_t tail, since_us, limit; /* -1: all */
} LogOptions;

typedef struct LogStream {
    Follower f;
    ApiReq *r;
    LogOptions opt;
    Timer *poll;
    int fd;
    int run;
    char *ns, *pod, *uid, *path;
    StrBuf rest; /* an unfinished line */
    int64_t sent;
} LogStream;

/* ---- which file ---- */

static char *log_folder(ApiReq *r, const Obj *pod, const char *container)
{
    return arena_printf(r->a, "%s/%s_%s_%s/%s", r->srv->app->log_dir, pod->ns, pod->name, pod->uid,
                        container);
}

/* Number of the newest run that has a file; -1 when there is none. */
static int newest_run(const char *folder)
{
    int newest = -1;
    DIR *d = opendir(folder);
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        char *end;
        long n = strtol(e->d_name, &end, 10);
        if (end != e->d_name && str_eq(end, ".log") && n > newest && n < INT32_MAX) {
            newest = (int)n;
        }
    }
    if (d) {
        closedir(d);
    }
    return newest;
}

static const cJSON *status_of(const Obj *pod, const char *container)
{
    const cJSON *s = js_find(js_at(pod->json, "status.containerStatuses"), "name", container);
    return s ? s : js_find(js_at(pod->json, "status.initContainerStatuses"), "name", container);
}

static ErrCode pick_container(ApiReq *r, const Obj *pod, LogOptions *opt, Error *err)
{
    const cJSON *all = js_at(pod->json, "spec.containers"), *c;
    const cJSON *init = js_at(pod->json, "spec.initContainers");
    if (str_empty(opt->container) && cJSON_GetArraySize(all) == 1) {
        opt->container = js_text(all, "[0].name");
    }
    if (str_empty(opt->container)) {
        AUTO_STRBUF names = {0};
        js_each(c, all)
        {
            strbuf_addf(&names, "%s%s", names.n ? " " : "", js_text(c, "name"));
        }
        return err_set(err, ERR_MALFORMED,
                       "a container name must be specified for pod %s, choose one of: [%s]",
                       r->name, strbuf_str(&names));
    }
    if (!js_find(all, "name", opt->container) && !js_find(init, "name", opt->container)) {
        return err_set(err, ERR_MALFORMED, "container %s is not valid for pod %s", opt->container,
                       r->name);
    }
    return ERR_OK;
}

static ErrCode open_log(ApiReq *r, const Obj *pod, const LogOptions *opt, LogStream *ls, Error *err)
{
    const char *folder = log_folder(r, pod, opt->container);
    ls->run = newest_run(folder) - (opt->previous ? 1 : 0);
    if (ls->run < 0 && opt->previous) {
        return err_set(err, ERR_MALFORMED,
                       "previous terminated container \"%s\" in pod \"%s\" not found",
                       opt->container, r->name);
    }
    ls->path = xasprintf("%s/%d.log", folder, ls->run);
    ls->fd = ls->run < 0 ? -1 : open(ls->path, O_RDONLY | O_CLOEXEC);
    if (ls->fd < 0) {
        const char *why = js_str(status_of(pod, opt->container), "state.waiting.reason");
        return err_set(err, ERR_MALFORMED, "container \"%s\" in pod \"%s\" is waiting to start: %s",
                       opt->container, r->name, str_or(why, "ContainerCreating"));
    }
    return ERR_OK;
}

/* ---- lines ---- */

/* "TIME STREAM F|P TEXT" to what the client sees; P is a piece of a line without its end. */
static void add_line(const LogOptions *opt, StrBuf *out, StrView line)
{
    StrView rest = line;
    StrView time = sv_cut(&rest, ' ');
    sv_cut(&rest, ' ');
    StrView tag = sv_cut(&rest, ' ');
    char stamp[64];
    int64_t at;
    snprintf(stamp, sizeof stamp, SV_FMT, SV_ARG(time));
    if (opt->since_us >= 0 && clock_parse_rfc3339(stamp, &at) && at < opt->since_us) {
        return;
    }
    if (opt->timestamps) {
        strbuf_addf(out, "%s ", stamp);
    }
    strbuf_add(out, rest.p ? rest.p : "", rest.n);
    if (!sv_eqs(tag, "P")) {
        strbuf_addc(out, '\n');
    }
}

static void send_text(LogStream *ls, StrBuf *out)
{
    if (ls->opt.limit >= 0 && ls->sent + (int64_t)out->n > ls->opt.limit) {
        out->n = (size_t)(ls->opt.limit - ls->sent);
    }
    ls->sent += (int64_t)out->n;
    if (out->n) {
        http_reply_chunk(ls->r->http, out->p, out->n);
    }
}

/* Read on from where the file was left. Returns false when nothing new was there. */
static bool read_more(LogStream *ls)
{
    char *buf = xmalloc(CHUNK);
    ssize_t n = read(ls->fd, buf, CHUNK);
    AUTO_STRBUF out = {0};
    if (n > 0) {
        strbuf_add(&ls->rest, buf, (size_t)n);
        const char *nl;
        size_t at = 0;
        while ((nl = memchr(ls->rest.p + at, '\n', ls->rest.n - at))) {
            add_line(&ls->opt, &out, sv_n(ls->rest.p + at, (size_t)(nl - ls->rest.p) - at));
            at = (size_t)(nl - ls->rest.p) + 1;
        }
        strbuf_consume(&ls->rest, at);
        send_text(ls, &out);
    }
    free(buf);
    return n > 0;
}

/* Move the file position to where the last `tail` lines begin. */
static void seek_tail(int fd, int64_t tail)
{
    off_t end = lseek(fd, 0, SEEK_END), at = end;
    char *buf = xmalloc(CHUNK);
    int64_t seen = 0;
    off_t start = 0;
    bool done = tail < 0;
    while (!done && at > 0) {
        off_t from = at > CHUNK ? at - CHUNK : 0;
        ssize_t n = pread(fd, buf, (size_t)(at - from), from);
        for (ssize_t i = n - 1; i >= 0 && !done; i--) {
            if (buf[i] == '\n' && from + i != end - 1 && ++seen == tail) {
                start = from + i + 1;
                done = true;
            }
        }
        at = n > 0 ? from : 0;
    }
    free(buf);
    lseek(fd, tail == 0 ? end : start, SEEK_SET);
}

/* ---- the answer ---- */

static void stream_free(LogStream *ls)
{
    if (ls->poll) {
        follower_remove(&ls->f);
        timer_stop(ls->poll);
    }
    if (ls->fd >= 0) {
        close(ls->fd);
    }
    strbuf_done(&ls->rest);
    free(ls->ns);
    free(ls->pod);
    free(ls->uid);
    free(ls->path);
    free(ls);
}

static void stream_end(LogStream *ls)
{
    HttpReq *http = ls->r->http;
    stream_free(ls);
    http_reply_end(http);
}

static void follower_end(Follower *f)
{
    stream_end((LogStream *)f);
}

static void on_gone(void *ctx)
{
    stream_free(ctx);
}

/* The run that we follow is over: ended, replaced, or its pod is gone. */
static bool run_over(LogStream *ls)
{
    AUTO_ARENA a = arena_new();
    const Obj *pod = store_get(ls->r->store, a, K(POD), ls->ns, ls->pod);
    if (!pod || !str_eq(pod->uid, ls->uid)) {
        return true;
    }
    const cJSON *s = status_of(pod, ls->opt.container);
    return js_int(s, "restartCount", 0) > ls->run || js_at(s, "state.terminated");
}

/* The kubelet moved the full file away and began a new one under its name. */
static bool next_file(LogStream *ls)
{
    struct stat have, now;
    if (fstat(ls->fd, &have) || stat(ls->path, &now) || have.st_ino == now.st_ino) {
        return false;
    }
    int fd = open(ls->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    close(ls->fd);
    ls->fd = fd;
    return true;
}

static void on_poll(void *ctx)
{
    LogStream *ls = ctx;
    bool over = run_over(ls); /* asked before reading: what it wrote last is read still */
    while (http_chunk_unsent(ls->r->http) < UNSENT_MAX) {
        if (!read_more(ls) && !next_file(ls)) {
            break;
        }
    }
    bool full = ls->opt.limit >= 0 && ls->sent >= ls->opt.limit;
    if (full || (over && http_chunk_unsent(ls->r->http) < UNSENT_MAX)) {
        stream_end(ls);
    }
}

static ErrCode read_options(ApiReq *r, LogOptions *o, Error *err)
{
    const char *time = http_query(r->http, "sinceTime");
    int64_t seconds = query_int(r, "sinceSeconds", -1);
    *o = (LogOptions){.container = http_query(r->http, "container"),
                      .follow = query_bool(r, "follow"),
                      .previous = query_bool(r, "previous"),
                      .timestamps = query_bool(r, "timestamps"),
                      .tail = query_int(r, "tailLines", -1),
                      .since_us = -1,
                      .limit = query_int(r, "limitBytes", -1)};
    if (http_query(r->http, "tailLines") && o->tail < 0) {
        Causes c = {r->causes};
        AUTO_JSON v = cJSON_CreateNumber((double)o->tail);
        cause_add(&c, CAUSE_INVALID, "tailLines", v, "must be greater than or equal to 0");
        r->options = "PodLogOptions.";
        return err_set(err, ERR_INVALID, "PodLogOptions \"%s\" is invalid: ", r->name);
    }
    if (seconds >= 0) {
        o->since_us = store_now_us(r->store) - seconds * 1000000;
    }
    if (time && !clock_parse_rfc3339(time, &o->since_us)) {
        return err_set(err, ERR_MALFORMED, "sinceTime: not RFC 3339: %s", time);
    }
    return ERR_OK;
}

void handle_log(ApiReq *r)
{
    Error err = {0};
    LogStream *ls = xnew(LogStream);
    ls->fd = -1;
    ls->r = r;
    const Obj *pod = store_get(r->store, r->a, K(POD), r->ns, r->name);
    ErrCode rc = pod ? ERR_OK : err_set(&err, ERR_NOT_FOUND, "pods \"%s\" not found", r->name);
    rc = rc ? rc : read_options(r, &ls->opt, &err);
    rc = rc ? rc : pick_container(r, pod, &ls->opt, &err);
    rc = rc ? rc : open_log(r, pod, &ls->opt, ls, &err);
    if (rc) {
        stream_free(ls);
        reply_error(r, &err);
        return;
    }
    ls->ns = xstrdup(pod->ns);
    ls->pod = xstrdup(pod->name);
    ls->uid = xstrdup(pod->uid);
    http_reply_begin(r->http, 200, "text/plain");
    seek_tail(ls->fd, ls->opt.tail);
    if (ls->opt.follow && !ls->opt.previous) {
        ls->f.end = follower_end;
        follower_add(r->srv, &ls->f);
        http_on_gone(r->http, on_gone, ls);
        ls->poll = timer_start(r->srv->app->loop, 1, POLL_MS, on_poll, ls);
        return;
    }
    off_t left = LOG_FILE_MAX;
    while (left > 0 && read_more(ls)) {
        left -= CHUNK;
    }
    stream_end(ls);
}
