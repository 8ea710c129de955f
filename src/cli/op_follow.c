#include "op_follow.h"

#include "api/routes.h"
#include "core/clock.h"
#include "live.h"
#include "op_view.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum {
    TICK_MS = 200,
    PENDING_TICKS = 10,
    ROWS_MIN = 16,
    LOST_LIMIT_US = 60 * 1000000,
    EXIT_SIGNALLED = 128
};

typedef enum Key { KEY_NONE, KEY_CONTINUE, KEY_ABORT, KEY_LEAVE } Key;

typedef struct View {
    Cli *c;
    const char *id;
    cJSON *op; /* ours, the newest; what is taken from it lives until the next */
    Live *live;
    bool redraw; /* a terminal that can go up; else lines */
    StrBuf shown;
    size_t rows;
    unsigned cols;
    Timer *tick;
    SigWatch *signals[2];
    FdWatch *keys;
    unsigned ticks;
    struct termios was;
    bool raw;
    int64_t lost_us;
    bool reread; /* the link is back: what ended meanwhile may not be among the news */
    Key key;
    int signum;
    const char *notice;
} View;

/* ---- showing ---- */

static size_t count_lines(const StrBuf *b)
{
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++)
        n += b->p[i] == '\n';
    return n;
}

/* Only the lines that changed: what was there is gone over, not cleared first, so nothing flickers
 * and little is sent. */
static void paint(View *v)
{
    struct winsize w = {0};
    AUTO_STRBUF b = {0}, out = {0};
    ioctl(STDERR_FILENO, TIOCGWINSZ, &w);
    OpLook look = {.color = v->c->color,
                   .width = w.ws_col ? w.ws_col - 1u : 0, /* the last cell is where lines wrap */
                   .now_us = clock_wall_us(),
                   .lost_us = v->lost_us,
                   .keys = v->raw,
                   .notice = v->notice};
    op_draw(v->op, &look, &b);
    if (v->cols != w.ws_col) { /* what stands above has wrapped in its own way: begin below it */
        v->rows = v->shown.n = 0;
        v->cols = w.ws_col;
    }
    if (v->shown.n == b.n && b.n && memcmp(v->shown.p, b.p, b.n) == 0)
        return;
    if (v->rows)
        strbuf_addf(&out, "\r\033[%zuA", v->rows);
    StrView old = sv_n(strbuf_str(&v->shown), v->shown.n);
    for (StrView rest = sv_n(b.p, b.n); rest.n;) {
        StrView line = sv_cut(&rest, '\n'), was = old.n ? sv_cut(&old, '\n') : (StrView){0};
        if (!was.p || was.n != line.n || memcmp(was.p, line.p, line.n)) {
            strbuf_add(&out, line.p, line.n);
            strbuf_adds(&out, "\033[K");
        }
        strbuf_adds(&out, "\n");
    }
    strbuf_adds(&out, "\033[J");
    fwrite(out.p, 1, out.n, stderr);
    fflush(stderr);
    v->rows = count_lines(&b);
    v->shown.n = 0;
    strbuf_add(&v->shown, b.p, b.n);
}

static void say_line(const View *v, const char *text)
{
    AUTO_ARENA a = arena_new();
    char now[CLOCK_RFC3339_LEN + 1];
    if (v->c->quiet)
        return;
    clock_rfc3339(now, clock_wall_us());
    for (StrView rest = sv(text); rest.n;) {
        char *line = sv_dup(a, sv_cut(&rest, '\n'));
        for (char *p = line; *p; p++)
            *p = (unsigned char)*p < ' ' ? ' ' : *p;
        fprintf(stderr, "%.8s %s\n", now + 11, line);
    }
    fflush(stderr);
}

static void show(View *v, const cJSON *was)
{
    AUTO_STRBUF b = {0};
    if (v->redraw) {
        paint(v);
        return;
    }
    op_tell(was, v->op, &b);
    if (b.n)
        say_line(v, b.p);
}

/* ---- news ---- */

static bool over(const View *v)
{
    /* A script does not stand before a screen: unknown is an answer, and the id goes with it. */
    return op_ended(v->op) || (!v->redraw && op_is_unknown(v->op));
}

static void take(View *v, const cJSON *op)
{
    cJSON *was = v->op;
    v->op = cJSON_Duplicate(op, true);
    show(v, was);
    cJSON_Delete(was);
}

static bool on_message(void *ctx, const char *type, const cJSON *items)
{
    View *v = ctx;
    const cJSON *item;
    (void)type;
    cJSON_ArrayForEach(item, items)
    {
        if (str_eq(json_str_at(item, "id", ""), v->id))
            take(v, item);
    }
    return over(v);
}

static void leave(View *v)
{
    if (v->live)
        live_stop(v->live);
}

static void on_link(void *ctx, bool up)
{
    View *v = ctx;
    if (up && v->lost_us && !v->redraw)
        say_line(v, "central is reached again");
    if (!up && !v->lost_us && !v->redraw)
        say_line(v,
                 "unknown: central is not reached any more; the operation goes on, trying again");
    if (up && v->lost_us) {
        v->reread = true;
        leave(v);
    }
    if (up)
        v->lost_us = 0;
    else if (!v->lost_us)
        v->lost_us = clock_wall_us();
    if (v->redraw)
        paint(v);
}

static void on_start(void *ctx, Live *lv)
{
    ((View *)ctx)->live = lv;
}

static void on_tick(void *ctx)
{
    View *v = ctx;
    if (v->redraw)
        paint(v);
    else if (v->lost_us && clock_wall_us() - v->lost_us > LOST_LIMIT_US)
        leave(v);
    else if (++v->ticks == PENDING_TICKS && str_eq(json_str_at(v->op, "state", ""), "pending"))
        say_line(v, arena_printf(v->c->arena, "pending: %s", json_str_at(v->op, "reason", "")));
}

static void on_signal(void *ctx, int signum)
{
    View *v = ctx;
    v->signum = signum;
    leave(v);
}

static void on_key(void *ctx, int events, bool failed)
{
    View *v = ctx;
    char key;
    (void)events;
    if (failed || read(STDIN_FILENO, &key, 1) != 1) {
        fdwatch_stop(v->keys); /* nobody there any more; go on without */
        v->keys = NULL;
        return;
    }
    bool waits = str_eq(json_str_at(v->op, "state", ""), "waiting");
    v->notice = NULL;
    v->key = key == 'c' && waits                  ? KEY_CONTINUE
             : key == 'x'                         ? KEY_ABORT
             : key == 'q' || key == 3 || key == 4 ? KEY_LEAVE
                                                  : KEY_NONE;
    if (v->key != KEY_NONE)
        leave(v);
}

/* ---- the terminal ---- */

static bool can_redraw(const Cli *c)
{
    struct winsize w = {0};
    const char *term = getenv("TERM");
    return c->tty_err && !c->quiet && str_empty(getenv("ACCESSIBLE")) && !str_empty(term) &&
           !str_eq(term, "dumb") && ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 &&
           (w.ws_row == 0 || w.ws_row >= ROWS_MIN);
}

static void terminal_open(View *v)
{
    v->redraw = can_redraw(v->c);
    if (!v->redraw || !v->c->tty_in || cli_flag(v->c, "no-input") ||
        tcgetattr(STDIN_FILENO, &v->was))
        return;
    struct termios keys = v->was;
    keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    /* A job in the background may not; it goes on without keys. */
    if (tcgetpgrp(STDIN_FILENO) != getpgrp() || tcsetattr(STDIN_FILENO, TCSADRAIN, &keys))
        return;
    v->raw = true;
    v->keys = fdwatch_start(v->c->loop, STDIN_FILENO, FD_READ, on_key, v);
}

static void terminal_close(View *v)
{
    fdwatch_stop(v->keys);
    v->keys = NULL;
    if (v->raw)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &v->was);
    v->raw = false;
    if (v->redraw)
        paint(v); /* without the keys */
}

/* ---- words ---- */

static void send_word(View *v)
{
    Error err;
    Reply r;
    Cli *c = v->c;
    const char *id = json_str_at(v->op, "id", "");
    cJSON *body = json_own(c->arena, cJSON_CreateObject());
    if (v->key == KEY_CONTINUE)
        cJSON_AddNumberToObject(body, "step", json_f64_at(v->op, "step", 0));
    const char *path = api_path(
        c->arena, v->key == KEY_CONTINUE ? API_OPERATION_CONTINUE : API_OPERATION_ABORT, id, NULL);
    if (rest_call(c, &(RestReq){"POST", path, body}, &r, &err))
        v->notice = arena_strdup(c->arena, err.msg);
    else
        v->notice = v->key == KEY_CONTINUE ? "continue is said" : "abort is said";
    v->key = KEY_NONE;
}

/* ---- the end ---- */

int op_report(Cli *c, cJSON *op)
{
    const char *fmt = cli_opt(c, "output");
    if (fmt && !str_eq(fmt, "table") && !str_eq(fmt, "wide"))
        return out_object(c, op, "operation/", NULL);
    const char *reason = json_str_at(op, "reason", ""), *at = json_str_at(op, "scheduled_at", "");
    const char *line = op_ended(op)
                           ? arena_printf(c->arena, "%s\n", op_outcome(c->arena, op))
                           : arena_printf(c->arena, "%s of %s is %s%s%s\n", op_title(c->arena, op),
                                          op_cluster(c->arena, op), json_str_at(op, "state", ""),
                                          *reason ? ": "
                                          : *at   ? ", begins at "
                                                  : "",
                                          *reason ? reason
                                          : *at   ? at
                                                  : "");
    out_text(c, line, strlen(line));
    if (!op_ended(op))
        cli_say(c, "follow it with: swarmctl op attach %s", op_short(c->arena, op));
    return 0;
}

static void fail_json(const Cli *c, const cJSON *op, int status)
{
    cJSON *root = cJSON_CreateObject(), *e = cJSON_AddObjectToObject(root, "error");
    cJSON_AddStringToObject(e, "code", json_str_at(op, "state", ""));
    cJSON_AddStringToObject(e, "message", op_outcome(c->arena, op));
    cJSON_AddStringToObject(e, "operation", json_str_at(op, "id", ""));
    cJSON_AddNumberToObject(e, "exit", status);
    char *text = cJSON_PrintUnformatted(root);
    fprintf(stderr, "%s\n", text);
    cJSON_free(text);
    cJSON_Delete(root);
}

static int say_end(Cli *c, cJSON *op)
{
    int status = op_exit(op);
    const char *fmt = str_or(cli_opt(c, "output"), "table");
    if (status == 0 || !str_eq(fmt, "table"))
        op_report(c, op);
    if (status == 0)
        return 0;
    if (str_eq(fmt, "json")) {
        fail_json(c, op, status);
        return status;
    }
    const char *red = c->color && c->tty_err ? "\033[31m" : "", *off = *red ? "\033[0m" : "";
    fprintf(stderr, "%serror: %s:%s %s\ntry: swarmctl op show %s\n", red,
            json_str_at(op, "state", ""), off, op_outcome(c->arena, op), op_short(c->arena, op));
    return status;
}

static int say_left(const View *v, const Error *err)
{
    Cli *c = v->c;
    const char *how = arena_printf(c->arena, "it goes on; come back with: swarmctl op attach %s",
                                   op_short(c->arena, v->op));
    if (v->signum || v->key == KEY_LEAVE) {
        cli_say(c, "%s", how);
        return v->signum ? EXIT_SIGNALLED + v->signum : 0;
    }
    Error e = *err;
    const char *state = json_str_at(v->op, "state", ""), *reason = json_str_at(v->op, "reason", "");
    const char *what =
        arena_printf(c->arena, "%s of %s is %s%s%s", op_title(c->arena, v->op),
                     op_cluster(c->arena, v->op), state, *reason ? ": " : "", reason);
    if (e.code == ERR_OK)
        err_set(&e, ERR_TIMEOUT, "%s", what);
    else
        err_wrap(&e, "%s", what);
    int status = cli_fail(c, &e);
    cli_say(c, "%s", how);
    return status;
}

static void reread(View *v)
{
    Error err;
    cJSON *op;
    v->reread = false;
    if (rest_get(v->c, api_path(v->c->arena, API_OPERATION_SHOW, v->id, NULL), &op, &err)) {
        if (err.code == ERR_NOT_FOUND)
            v->notice = "central does not know it any more";
        return;
    }
    take(v, op);
}

static ErrCode follow(View *v, uint64_t limit_ms, Error *err)
{
    LiveSpec spec = {.topics = "operations",
                     .timeout_ms = limit_ms,
                     .since_ms = clock_mono_ms(),
                     .on_message = on_message,
                     .on_link = on_link,
                     .on_start = on_start,
                     .ctx = v};
    *err = (Error){0};
    while (!over(v) && !v->signum) {
        ErrCode rc = live_follow(v->c, &spec, err);
        v->live = NULL;
        if (rc || v->key == KEY_LEAVE || (v->key == KEY_NONE && !v->reread))
            return rc;
        if (v->key != KEY_NONE)
            send_word(v);
        if (v->reread)
            reread(v);
    }
    return ERR_OK;
}

int op_follow(Cli *c, const OpFollow *f)
{
    Error err;
    View v = {.c = c,
              .id = arena_strdup(c->arena, json_str_at(f->op, "id", "")),
              .op = cJSON_Duplicate(f->op, true)};
    terminal_open(&v);
    v.signals[0] = sigwatch_start(c->loop, SIGINT, on_signal, &v);
    v.signals[1] = sigwatch_start(c->loop, SIGTERM, on_signal, &v);
    v.tick = timer_start(c->loop, TICK_MS, TICK_MS, on_tick, &v);
    show(&v, NULL);
    follow(&v, f->limit_ms, &err);
    timer_stop(v.tick);
    sigwatch_stop(v.signals[0]);
    sigwatch_stop(v.signals[1]);
    terminal_close(&v);
    cJSON *op = json_own(c->arena, v.op);
    strbuf_done(&v.shown);
    return op_ended(op) ? say_end(c, op) : say_left(&v, &err);
}
