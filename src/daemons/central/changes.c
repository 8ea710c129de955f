#include "changes.h"

#include "core/log.h"
#include "core/vec.h"
#include "pg/pool.h"

typedef struct Subscriber {
    ChangeFn fn;
    void *ctx;
} Subscriber;

struct Changes {
    PgListen *listen;
    VEC(Subscriber) subs;
};

/* First word of a payload; what its words mean. */
static const struct {
    const char *table;
    ChangeKind kind;
} TABLES[] = {
    {"satellites", CHANGE_SATELLITE}, {"clusters", CHANGE_CLUSTER},
    {"profiles", CHANGE_PROFILE},     {"deployment_rules", CHANGE_RULE},
    {"streams", CHANGE_STREAM},       {"health", CHANGE_HEALTH},
    {"events", CHANGE_EVENTS},        {"operations", CHANGE_OPERATION},
};

static bool parse_range(const char *text, Change *c)
{
    char buf[48];
    const char *dash = strchr(text, '-');
    if (!dash || (size_t)(dash - text) >= sizeof buf)
        return false;
    memcpy(buf, text, (size_t)(dash - text));
    buf[dash - text] = 0;
    return str_to_i64(buf, &c->first) && str_to_i64(dash + 1, &c->last);
}

static const char *const *parse_ids(Arena *a, const char *text)
{
    size_t n = 1, i = 0;
    for (const char *p = text; *p; p++)
        n += *p == ',';
    const char **out = arena_array(a, const char *, n + 1);
    StrView rest = sv(text);
    while (rest.p)
        out[i++] = sv_dup(a, sv_cut(&rest, ','));
    return out;
}

bool change_parse(Arena *a, const char *payload, Change *ret)
{
    StrView rest = sv(payload);
    StrView table = sv_cut(&rest, ' '), op = sv_cut(&rest, ' ');
    const char *third = sv_dup(a, sv_cut(&rest, ' ')), *fourth = sv_dup(a, rest);
    Change c = {0};
    size_t i = 0;
    while (i < sizeof TABLES / sizeof *TABLES && !sv_eqs(table, TABLES[i].table))
        i++;
    if (i == sizeof TABLES / sizeof *TABLES || op.n != 1 || !*third)
        return false;
    c.kind = TABLES[i].kind;
    c.op = op.p[0];
    c.id = third;
    c.satellite_id = fourth;
    if (c.kind == CHANGE_EVENTS && !parse_range(third, &c))
        return false;
    if (c.kind == CHANGE_STREAM && !str_to_i64(third, &c.epoch))
        return false;
    if (c.kind == CHANGE_HEALTH)
        c.ids = parse_ids(a, third);
    *ret = c;
    return true;
}

static void tell(Changes *c, const Change *change)
{
    for (size_t i = 0; i < c->subs.n; i++)
        c->subs.at[i].fn(c->subs.at[i].ctx, change);
}

static void on_notify(void *ctx, const char *channel, const char *payload)
{
    AUTO_ARENA a = arena_new();
    Change change;
    (void)channel;
    if (change_parse(a, payload, &change))
        tell(ctx, &change);
    else
        log_debug("changes", "notification of no known kind", "payload=%s", log_quote(payload));
}

static void on_up(void *ctx)
{
    Changes *c = ctx;
    tell(c, &(Change){.kind = CHANGE_RESYNC});
}

Changes *changes_new(Loop *l, const char *conninfo)
{
    Changes *c = xnew(Changes);
    c->listen = pg_listen(l, conninfo, (const char *const[]){"pgswarm", NULL}, on_notify, on_up, c);
    return c;
}

void changes_free(Changes *c)
{
    if (!c)
        return;
    pg_listen_stop(c->listen);
    vec_done(&c->subs);
    free(c);
}

void changes_subscribe(Changes *c, ChangeFn fn, void *ctx)
{
    Subscriber s = {fn, ctx};
    vec_push(&c->subs, s);
}

bool changes_up(const Changes *c)
{
    return pg_listen_up(c->listen);
}
