/* cluster topology: who follows whom, how far behind, and what a failover would mean now. */
#include "api/routes.h"
#include "cmds.h"
#include "ha_text.h"

#include <stdio.h>

enum { AGAIN_MS = 1000 };

static const cJSON *primary_of(const cJSON *cl)
{
    const cJSON *m, *found = NULL;
    const char *leads = json_str_at(cl, "primary", "");
    cJSON_ArrayForEach(m, json_at(cl, "instances"))
    {
        bool is = str_eq(json_str_at(m, "role", ""), "primary");
        if (is && (!found || str_eq(json_str_at(m, "pod", ""), leads)))
            found = m;
    }
    return found;
}

static const cJSON *follower_of(const cJSON *primary, const char *pod)
{
    const cJSON *f;
    cJSON_ArrayForEach(
        f, json_at(primary, "ha.followers")) if (str_eq(json_str_at(f, "pod", ""), pod)) return f;
    return NULL;
}

static const char *distance(Arena *a, const cJSON *o, const char *key)
{
    double n = json_f64_at(o, key, -1);
    return n < 0 ? "?" : out_bytes(a, n);
}

/* Two lags, each by its name: what is not on its disk yet, and what is not replayed yet. */
static const char *lag_of(Arena *a, const cJSON *m, const cJSON *f)
{
    double seconds = json_f64_at(m, "lag_seconds", 0);
    if (!f)
        return arena_printf(a, "replay-lag %s (%.1f s)", distance(a, m, "lag_bytes"), seconds);
    return arena_printf(a, "%s, %s; receive-lag %s, replay-lag %s (%.1f s)",
                        json_str_at(f, "state", "?"), json_str_at(f, "sync_state", "?"),
                        distance(a, f, "lag_bytes"), distance(a, f, "replay_lag_bytes"), seconds);
}

static void member_line(StrBuf *b, Arena *a, const char *branch, const cJSON *m, const char *rest)
{
    const char *error = json_str_at(m, "error", "");
    long long tl = json_int_at(m, "timeline", 0), epoch = json_int_at(m, "epoch", 0);
    strbuf_addf(b, "%s%s  %s  TL %s  epoch %s  %s  %s%s%s%s\n", branch, json_str_at(m, "pod", "?"),
                json_str_at(m, "role", "?"), tl ? arena_printf(a, "%lld", tl) : "-",
                epoch ? arena_printf(a, "%lld", epoch) : "-",
                str_or(json_str_at(m, "lsn", ""), "-"), rest,
                json_bool_at(m, "ha.fenced", false) ? "  FENCED" : "",
                *error                            ? "  ! "
                : json_bool_at(m, "ready", false) ? ""
                                                  : "  ! not ready",
                error);
}

static bool follows(const cJSON *primary, const cJSON *m)
{
    return primary && m != primary && follower_of(primary, json_str_at(m, "pod", ""));
}

/* Members report at different times: one that has just begun to stream says so first. What is not
 * ready says why by itself. */
static const char *unlisted(Arena *a, const cJSON *m)
{
    if (json_bool_at(m, "wal_receiver", false))
        return arena_printf(a, "streams, newer than the primary's report; %s", lag_of(a, m, NULL));
    return json_bool_at(m, "ready", false) ? "follows nobody here" : "";
}

static void draw_tree(StrBuf *b, Arena *a, const cJSON *cl)
{
    const cJSON *m, *primary = primary_of(cl), *list = json_at(cl, "instances");
    size_t left = 0;
    if (primary)
        member_line(b, a, "", primary, "");
    cJSON_ArrayForEach(m, list) left += follows(primary, m);
    cJSON_ArrayForEach(m, list)
    {
        if (!follows(primary, m))
            continue;
        const cJSON *f = follower_of(primary, json_str_at(m, "pod", ""));
        member_line(b, a, --left ? "├─ " : "└─ ", m, lag_of(a, m, f));
    }
    cJSON_ArrayForEach(m, list) if (m != primary && !follows(primary, m))
        member_line(b, a, primary ? "·  " : "", m, primary ? unlisted(a, m) : lag_of(a, m, NULL));
}

static void show_text(Cli *c, const cJSON *cl)
{
    Arena *a = c->arena;
    AUTO_STRBUF b = {0};
    HaLine lines[HA_LINES];
    size_t n = ha_lines(a, cl, lines);
    const char *why = item_text(a, cl, "reason");
    strbuf_addf(&b, "%s/%s@%s  %s%s%s\n", item_text(a, cl, "namespace"), item_text(a, cl, "name"),
                item_text(a, cl, "satellite"), out_state(c, item_text(a, cl, "state")),
                *why ? ": " : "", why);
    for (size_t i = 0; i < n; i++)
        strbuf_addf(&b, "  %-10s %s\n", lines[i].label, lines[i].value);
    strbuf_addc(&b, '\n');
    draw_tree(&b, a, cl);
    out_text(c, b.p, b.n);
}

/* What a look needs goes with it: a watch may last for days. */
static int look_once(Cli *c, StrBuf *last)
{
    Arena *whole_run = c->arena;
    AUTO_ARENA a = arena_new();
    Error err;
    cJSON *cl;
    c->arena = a;
    int rc = 0;
    if (rest_get(c, api_path(a, API_CLUSTER_SHOW, cli_arg(c, 0), NULL), &cl, &err)) {
        rc = err.code == ERR_UNAVAILABLE || err.code == ERR_TIMEOUT ? 0 : cli_fail(c, &err);
    } else if (c->tty_out) {
        out_text(c, "\033[H\033[J", 6);
        show_text(c, cl);
    } else {
        const char *line = arena_printf(a, "%s\n", json_text(a, cl));
        if (!str_eq(line, strbuf_str(last)))
            out_text(c, line, strlen(line));
        strbuf_reset(last);
        strbuf_adds(last, line);
    }
    c->arena = whole_run;
    return rc;
}

static int watch(Cli *c)
{
    AUTO_STRBUF last = {0};
    bool never = false;
    Error err;
    if (!c->ctx.server && context_load(c, &err))
        return cli_fail(c, &err);
    for (;;) {
        int rc = look_once(c, &last);
        if (rc)
            return rc;
        loop_run_until(c->loop, &never, AGAIN_MS);
    }
}

static int topology_run(Cli *c)
{
    Error err;
    cJSON *cl;
    if (cli_flag(c, "watch"))
        return watch(c);
    if (rest_get(c, api_path(c->arena, API_CLUSTER_SHOW, cli_arg(c, 0), NULL), &cl, &err))
        return cli_fail(c, &err);
    return out_object(c, cl, "cluster/", show_text);
}

static const ArgSpec ONE[] = {
    {"CLUSTER", "NAME@SATELLITE, NAMESPACE/NAME@SATELLITE, an id, or a NAME that is unique",
     COMP_CLUSTER, false, false},
    {0}};
static const OptSpec OPTS[] = {{"watch", 'w', NULL,
                                "go on as things change; in a pipe a line of JSON each time",
                                COMP_NONE, NULL, false},
                               {0}};
const CmdSpec CMD_CLUSTER_TOPOLOGY = {
    .path = "cluster topology",
    .aliases = "cl topology|topology",
    .summary = "Show who follows whom, how far behind, and what a failover would lose",
    .args = ONE,
    .opts = OPTS,
    .run = topology_run,
    .about = "receive-lag is WAL that the primary has written and that is not on the replica's "
             "disk: what a failover to it could lose. replay-lag is what it has not replayed yet: "
             "what a reader there does not see. The line `Data loss` says whether a failover now "
             "would lose acknowledged rows, and how much.",
    .example = "  swarmctl cluster topology prod-pg@edge-a -w\n"};
