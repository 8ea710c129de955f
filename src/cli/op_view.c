#include "op_view.h"

#include "cli.h"
#include "core/clock.h"
#include "model/switchover.h"
#include "out.h"

enum { SHORT_ID = 8, BAR = 24, EXIT_ROLLED_BACK = 10, EXIT_PAST = 11 };

static const char *text_of(const cJSON *o, const char *path)
{
    return json_str_at(o, path, "");
}

/* ---- words ---- */

bool op_ended(const cJSON *op)
{
    return *text_of(op, "finished_at") != 0;
}

bool op_is_unknown(const cJSON *op)
{
    return str_eq(text_of(op, "state"), "unknown");
}

int op_exit(const cJSON *op)
{
    static const struct {
        const char *state;
        int status;
    } ENDS[] = {{"done", 0}, {"rolled_back", EXIT_ROLLED_BACK}, {"failed", EXIT_PAST}};
    for (size_t i = 0; i < sizeof ENDS / sizeof *ENDS; i++)
        if (str_eq(ENDS[i].state, text_of(op, "state")))
            return ENDS[i].status;
    return err_exit(ERR_TIMEOUT);
}

const char *op_short(Arena *a, const cJSON *op)
{
    return arena_strndup(a, text_of(op, "id"), SHORT_ID);
}

const char *op_title(Arena *a, const cJSON *op)
{
    return arena_printf(a, "%s %s", text_of(op, "kind"), op_short(a, op));
}

const char *op_cluster(Arena *a, const cJSON *op)
{
    return arena_printf(a, "%s/%s@%s", text_of(op, "namespace"), text_of(op, "cluster"),
                        text_of(op, "satellite"));
}

/* Is it about who leads? */
static bool moves(const cJSON *op)
{
    return str_eq(text_of(op, "kind"), "switchover") || str_eq(text_of(op, "kind"), "failover");
}

const char *op_target(Arena *a, const cJSON *op)
{
    const char *to = text_of(op, "target"), *from = text_of(op, "primary");
    if (moves(op) && *from)
        return arena_printf(a, "%s -> %s", from, *to ? to : "the best replica");
    return *to ? to : "-";
}

const char *op_took(Arena *a, int64_t ms)
{
    if (ms < 1000)
        return arena_printf(a, "0.%02llds", (long long)(ms / 10));
    if (ms < 10000)
        return arena_printf(a, "%lld.%llds", (long long)(ms / 1000), (long long)(ms % 1000 / 100));
    if (ms < 60000)
        return arena_printf(a, "%llds", (long long)(ms / 1000));
    return arena_printf(a, "%lldm%02llds", (long long)(ms / 60000), (long long)(ms % 60000 / 1000));
}

static int64_t steps_total(const cJSON *op)
{
    int64_t n = json_int_at(op, "steps_total", 0);
    return n ? n : str_eq(text_of(op, "kind"), "switchover") ? SW_STEP_COUNT - 1 : 0;
}

const char *op_step(Arena *a, const cJSON *op)
{
    int64_t at = json_int_at(op, "step", 0), of = steps_total(op);
    const cJSON *s;
    if (!at)
        return "-";
    cJSON_ArrayForEach(s, cJSON_GetObjectItemCaseSensitive(op, "steps"))
    {
        if (json_int_at(s, "n", 0) == at)
            return arena_printf(a, "%lld%s %s", (long long)at,
                                of ? arena_printf(a, "/%lld", (long long)of) : "",
                                text_of(s, "name"));
    }
    return arena_printf(a, "%lld", (long long)at);
}

static int64_t time_of(const cJSON *o, const char *path)
{
    int64_t us;
    const char *text = text_of(o, path);
    return *text && clock_parse_rfc3339(text, &us) ? us : 0;
}

const char *op_outcome(Arena *a, const cJSON *op)
{
    static const struct {
        const char *state, *words;
    } WORDS[] = {{"done", "is done"},
                 {"rolled_back", "was rolled back"},
                 {"failed", "failed past the point of no return"},
                 {"unknown", "ended, and how is not known"}};
    const char *words = "has not ended", *error = text_of(op, "error");
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS && op_ended(op); i++)
        if (str_eq(WORDS[i].state, text_of(op, "state")))
            words = WORDS[i].words;
    int64_t from = time_of(op, "started_at"), to = time_of(op, "finished_at");
    const char *took =
        from && to > from ? arena_printf(a, " (%s)", op_took(a, (to - from) / 1000)) : "";
    const char *more = *error ? error : text_of(op, "detail");
    return arena_printf(a, "%s of %s %s%s%s%s", op_title(a, op), op_cluster(a, op), words, took,
                        *more ? ": " : "", more);
}

/* ---- the block ---- */

static const cJSON *step_of(const cJSON *op, int64_t n)
{
    const cJSON *s;
    cJSON_ArrayForEach(s, cJSON_GetObjectItemCaseSensitive(op, "steps"))
    {
        if (json_int_at(s, "n", 0) == n)
            return s;
    }
    return NULL;
}

/* Bytes of a colour of ours at p; nothing else that a site says may steer the terminal. */
static size_t sgr_length(const char *p)
{
    if (p[0] != '\033' || p[1] != '[')
        return 0;
    size_t n = 2 + strspn(p + 2, "0123456789;");
    return p[n] == 'm' ? n + 1 : 0;
}

/* One line, cut to the width; colours take no cell. */
static void add_line(StrBuf *out, const OpLook *look, const char *line)
{
    size_t cells = 0;
    for (const char *p = line; *p; p++) {
        size_t sgr = sgr_length(p);
        if (sgr) {
            strbuf_add(out, p, sgr);
            p += sgr - 1;
            continue;
        }
        bool starts = ((unsigned char)*p & 0xC0) != 0x80;
        if (look->width && starts && cells == look->width)
            break;
        cells += starts;
        strbuf_addc(out, (unsigned char)*p < ' ' ? ' ' : *p);
    }
    strbuf_adds(out, look->color ? "\033[0m\n" : "\n");
}

static const char *paint(Arena *a, const OpLook *look, const char *sgr, const char *text)
{
    return look->color && *sgr ? arena_printf(a, "\033[%sm%s\033[0m", sgr, text) : text;
}

/* The sign and the colour of a step; the word beside it tells the same. */
static const struct {
    const char *status, *sign, *sgr;
} SIGNS[] = {
    {"done", "ok", "32"},   {"running", "..", "36"},      {"waiting", "? ", "33"},
    {"failed", "!!", "31"}, {"rolling_back", "<-", "33"}, {"pending", "  ", "2"},
};

static size_t sign_of(const char *status)
{
    size_t n = sizeof SIGNS / sizeof *SIGNS;
    for (size_t i = 0; i < n; i++)
        if (str_eq(SIGNS[i].status, status))
            return i;
    return n - 1;
}

static bool is_point(const cJSON *op, int64_t n)
{
    return str_eq(text_of(op, "kind"), "switchover") && n == SW_PROMOTE;
}

typedef struct Block {
    Arena *a;
    const cJSON *op;
    const OpLook *look;
    StrBuf *out;
    int name_width, pod_width;
} Block;

static const char *step_time(const Block *b, const cJSON *s)
{
    int64_t took = json_int_at(s, "took_ms", 0), from = time_of(s, "started_at");
    const char *status = text_of(s, "status");
    if (str_eq(status, "running") || str_eq(status, "waiting") || str_eq(status, "rolling_back")) {
        if (op_ended(b->op) || !from)
            return "";
        int64_t now = b->look->lost_us ? b->look->lost_us : b->look->now_us;
        return op_took(b->a, now > from ? (now - from) / 1000 : 0);
    }
    return took || str_eq(status, "done") ? op_took(b->a, took) : "";
}

static const char *step_words(const Block *b, const cJSON *s)
{
    const char *status = text_of(s, "status"), *error = text_of(s, "error");
    const char *say = *error ? error : text_of(s, "detail");
    if (str_eq(status, "waiting"))
        return "waits for your word";
    if (str_eq(status, "rolling_back"))
        return arena_printf(b->a, "rolling back%s%s", *say ? ": " : "", say);
    return say;
}

static void add_step(const Block *b, int64_t n, const cJSON *s, const char *name)
{
    size_t i = sign_of(s ? text_of(s, "status") : "pending");
    bool here = n == json_int_at(b->op, "step", 0) && !op_ended(b->op);
    const char *words = s ? step_words(b, s) : "";
    const char *point = is_point(b->op, n) ? "== point of no return == " : "";
    const char *line = arena_printf(b->a, "%s%2lld %s %-*s  %-*s %6s  %s%s", here ? ">" : " ",
                                    (long long)n, paint(b->a, b->look, SIGNS[i].sgr, SIGNS[i].sign),
                                    b->name_width, name, b->pod_width, s ? text_of(s, "pod") : "",
                                    s ? step_time(b, s) : "", point, words);
    size_t end = strlen(line);
    while (end && line[end - 1] == ' ')
        end--;
    add_line(b->out, b->look, arena_strndup(b->a, line, end));
}

/* The site tells the names; those to come are known of a switchover. */
static const char *name_of(const cJSON *op, int64_t n)
{
    const cJSON *s = step_of(op, n);
    if (s && *text_of(s, "name"))
        return text_of(s, "name");
    return str_eq(text_of(op, "kind"), "switchover") && n < SW_STEP_COUNT
               ? switchover_step_name((SwStep)n)
               : "";
}

static int64_t last_step(const cJSON *op)
{
    int64_t n = steps_total(op);
    const cJSON *s;
    cJSON_ArrayForEach(s, cJSON_GetObjectItemCaseSensitive(op, "steps"))
    {
        if (json_int_at(s, "n", 0) > n)
            n = json_int_at(s, "n", 0);
    }
    return n < 64 ? n : 64;
}

static void add_steps(Block *b)
{
    int64_t last = last_step(b->op);
    for (int64_t n = 1; n <= last; n++) {
        const cJSON *s = step_of(b->op, n);
        int name = (int)out_width(name_of(b->op, n)), pod = (int)out_width(text_of(s, "pod"));
        b->name_width = name > b->name_width ? name : b->name_width;
        b->pod_width = pod > b->pod_width ? pod : b->pod_width;
    }
    for (int64_t n = 1; n <= last; n++)
        add_step(b, n, step_of(b->op, n), name_of(b->op, n));
}

static const char *way_back(const cJSON *op)
{
    if (op_ended(op))
        return "";
    if (json_bool_at(op, "point_of_no_return", false))
        return "past the point of no return";
    return moves(op) ? "can be rolled back" : "";
}

/* From the fence to the new routes nobody can write: for how long, so far or in all. */
static const char *blocked(const Block *b)
{
    const cJSON *fence = step_of(b->op, SW_FENCE), *route = step_of(b->op, SW_ROUTE);
    /* A step that waited for a person began before it did anything: what it took counts. */
    int64_t told = time_of(fence, "reported_at"), to = 0;
    int64_t from = told ? told - json_int_at(fence, "took_ms", 0) * 1000 : 0;
    if (!str_eq(text_of(b->op, "kind"), "switchover") || !from ||
        str_eq(text_of(fence, "status"), "waiting"))
        return "";
    if (str_eq(text_of(route, "status"), "done")) {
        to = time_of(route, "started_at") + json_int_at(route, "took_ms", 0) * 1000;
        return arena_printf(b->a, "   writes waited %s", op_took(b->a, (to - from) / 1000));
    }
    to = b->look->lost_us ? b->look->lost_us : b->look->now_us;
    return op_ended(b->op) || to < from
               ? ""
               : arena_printf(b->a, "   writes wait %s so far", op_took(b->a, (to - from) / 1000));
}

static void add_bar(const Block *b)
{
    int64_t of = steps_total(b->op), done = 0;
    char bar[BAR + 1];
    const cJSON *s;
    if (!of)
        return;
    cJSON_ArrayForEach(s, cJSON_GetObjectItemCaseSensitive(b->op, "steps")) done +=
        str_eq(text_of(s, "status"), "done");
    if (str_eq(text_of(b->op, "state"), "done"))
        done = of;
    for (int i = 0; i < BAR; i++)
        bar[i] = (int64_t)i * of < done * BAR ? '#' : '.';
    bar[BAR] = 0;
    const char *way = way_back(b->op);
    add_line(b->out, b->look,
             arena_printf(b->a, " [%s] %lld/%lld%s%s%s", bar, (long long)done, (long long)of,
                          *way ? "   " : "", way, blocked(b)));
}

static const char *clock_of(Arena *a, int64_t us)
{
    char text[CLOCK_RFC3339_LEN + 1];
    clock_rfc3339(text, us);
    return arena_printf(a, "%.8sZ", text + 11);
}

static void add_head(const Block *b)
{
    const cJSON *op = b->op;
    int64_t from = time_of(op, "started_at"), to = time_of(op, "finished_at");
    const char *state = text_of(op, "state");
    static const struct {
        const char *state, *sgr;
    } COLORS[] = {{"done", "32"},    {"rolled_back", "33"}, {"failed", "31"},  {"unknown", "31"},
                  {"waiting", "33"}, {"running", "36"},     {"pending", "33"}, {"scheduled", "36"}};
    const char *sgr = "";
    for (size_t i = 0; i < sizeof COLORS / sizeof *COLORS; i++)
        if (str_eq(COLORS[i].state, state))
            sgr = COLORS[i].sgr;
    if (!to)
        to = b->look->lost_us ? b->look->lost_us : b->look->now_us;
    add_line(b->out, b->look,
             arena_printf(b->a, " %s  %s %s  %s  %s", op_title(b->a, op),
                          paint(b->a, b->look, sgr, state),
                          from && to > from ? op_took(b->a, (to - from) / 1000) : "-",
                          op_target(b->a, op), op_cluster(b->a, op)));
}

static void add_foot(const Block *b)
{
    Arena *a = b->a;
    const cJSON *op = b->op;
    const char *reason = text_of(op, "reason"), *error = text_of(op, "error");
    bool waits = str_eq(text_of(op, "state"), "waiting");
    if (waits && *text_of(step_of(op, SW_PREFLIGHT), "detail"))
        add_line(b->out, b->look,
                 arena_printf(a, " pre-checks: %s", text_of(step_of(op, SW_PREFLIGHT), "detail")));
    if (*error)
        add_line(b->out, b->look, arena_printf(a, " %s", error));
    else if (op_ended(op) && *text_of(op, "detail"))
        add_line(b->out, b->look, arena_printf(a, " %s", text_of(op, "detail")));
    if (str_eq(text_of(op, "state"), "scheduled"))
        add_line(b->out, b->look,
                 arena_printf(a, " begins at %.19sZ", text_of(op, "scheduled_at")));
    if (*reason && !waits)
        add_line(b->out, b->look, arena_printf(a, " %s", reason));
    if (b->look->lost_us)
        add_line(b->out, b->look,
                 paint(a, b->look, "31",
                       arena_printf(a,
                                    " unknown since %s: central is not reached; it goes on "
                                    "without us",
                                    clock_of(a, b->look->lost_us))));
    if (b->look->notice && !op_ended(op))
        add_line(b->out, b->look, arena_printf(a, " %s", b->look->notice));
    if (b->look->keys && !op_ended(op))
        add_line(b->out, b->look,
                 waits ? " c continue   x abort and roll back   q leave (it goes on)"
                 : json_bool_at(op, "point_of_no_return", false) ? " q leave (it goes on)"
                                                                 : " x abort and roll back   q "
                                                                   "leave (it goes on)");
}

void op_draw(const cJSON *op, const OpLook *look, StrBuf *out)
{
    AUTO_ARENA a = arena_new();
    Block b = {.a = a, .op = op, .look = look, .out = out};
    add_head(&b);
    add_bar(&b);
    add_steps(&b);
    add_foot(&b);
}

/* ---- one line a step ---- */

/* What a step is told as: once when it is over, and when it stops for something. */
static bool worth_telling(const char *status)
{
    return str_eq(status, "done") || str_eq(status, "failed") || str_eq(status, "waiting") ||
           str_eq(status, "rolling_back");
}

static void tell_step(Arena *a, const cJSON *op, const cJSON *s, StrBuf *out)
{
    int64_t took = json_int_at(s, "took_ms", 0), of = steps_total(op);
    const char *status = text_of(s, "status"), *error = text_of(s, "error");
    const char *say = *error ? error : text_of(s, "detail"), *pod = text_of(s, "pod");
    bool over = str_eq(status, "done") || str_eq(status, "failed");
    strbuf_addf(out, "step %lld%s %s%s%s %s", (long long)json_int_at(s, "n", 0),
                of ? arena_printf(a, "/%lld", (long long)of) : "", text_of(s, "name"),
                *pod ? " " : "", pod, str_eq(status, "rolling_back") ? "rolling back" : status);
    if (over)
        strbuf_addf(out, " %s", op_took(a, took));
    if (is_point(op, json_int_at(s, "n", 0)) && str_eq(status, "done"))
        strbuf_adds(out, " (point of no return)");
    strbuf_addf(out, "%s%s\n", *say ? ": " : "", say);
}

void op_tell(const cJSON *was, const cJSON *op, StrBuf *out)
{
    AUTO_ARENA a = arena_new();
    const cJSON *s;
    cJSON_ArrayForEach(s, cJSON_GetObjectItemCaseSensitive(op, "steps"))
    {
        const cJSON *old = was ? step_of(was, json_int_at(s, "n", 0)) : NULL;
        const char *status = text_of(s, "status");
        if (worth_telling(status) && !(old && str_eq(status, text_of(old, "status"))))
            tell_step(a, op, s, out);
    }
    const char *state = text_of(op, "state"), *reason = text_of(op, "reason");
    bool news =
        !was || !str_eq(state, text_of(was, "state")) || !str_eq(reason, text_of(was, "reason"));
    /* A pending one is mostly on its way in the same moment: who waits for it says so in time. */
    if (news && !op_ended(op) && *reason && !str_eq(state, "pending"))
        strbuf_addf(out, "%s: %s%s\n", state, reason,
                    str_eq(state, "waiting") && !*text_of(op, "aborted_by")
                        ? arena_printf(a, "; swarmctl op continue %s", op_short(a, op))
                        : "");
    else if (news && str_eq(state, "scheduled"))
        strbuf_addf(out, "scheduled: begins at %.19sZ\n", text_of(op, "scheduled_at"));
}
