/* explain: the decisions of the members of a cluster, merged, verified, told in order. */
#include "api/routes.h"
#include "cmds.h"
#include "core/clock.h"
#include "model/explain.h"
#include "out.h"

static DecisionRecord record_of(const cJSON *o)
{
    DecisionRecord d = {.member = json_str_at(o, "member", ""),
                        .chain = json_str_at(o, "chain", ""),
                        .number = (uint64_t)json_int_at(o, "number", 0),
                        .epoch = (uint64_t)json_int_at(o, "epoch", 0),
                        .kind = json_str_at(o, "kind", ""),
                        .saw = json_str_at(o, "saw", ""),
                        .did = json_str_at(o, "did", ""),
                        .why = json_str_at(o, "why", ""),
                        .prev = json_str_at(o, "prev", ""),
                        .hash = json_str_at(o, "hash", "")};
    clock_parse_rfc3339(json_str_at(o, "at", ""), &d.at_us);
    return d;
}

/* The last incident is looked for in so many days. */
static const char DAYS[] = "30d";

/* "2h" is so long ago; anything else is a time. */
static ErrCode since_of(Cli *c, const char **ret, Error *err)
{
    const char *text = str_or(cli_opt(c, "since"), DAYS);
    uint64_t ms;
    int64_t us;
    Error bad;
    char at[CLOCK_RFC3339_LEN + 1];
    if (clock_parse_rfc3339(text, &us)) {
        *ret = text;
        return ERR_OK;
    }
    if (cli_duration(text, &ms, &bad))
        return err_set(err, ERR_USAGE,
                       "--since: '%s' is neither a time such as 90s, 2h or 1d nor one of RFC 3339",
                       text);
    clock_rfc3339(at, clock_wall_us() - (int64_t)ms * 1000);
    *ret = arena_strdup(c->arena, at);
    return ERR_OK;
}

static int tell(Cli *c, const Explanation *e)
{
    AUTO_STRBUF b = {0};
    const char *format = str_or(cli_opt(c, "output"), "table");
    if (!str_eq(format, "table") && !str_eq(format, "wide")) {
        Error err;
        cJSON *tree;
        JsonOut j = json_out(&b);
        explain_json(&j, e, cli_arg(c, 0));
        if (json_parse(c->arena, sv_n(b.p, b.n), SIZE_MAX / 2, &tree, &err))
            return cli_fail(c, &err);
        return out_tree(c, tree);
    }
    explain_text(&b, e, cli_arg(c, 0));
    out_text(c, b.p, b.n);
    return 0;
}

static int explain_run(Cli *c)
{
    Error err;
    cJSON *items;
    const char *since = NULL;
    if (since_of(c, &since, &err))
        return cli_fail(c, &err);
    const char *path = rest_query(c, api_path(c->arena, API_CLUSTER_DECISIONS, cli_arg(c, 0), NULL),
                                  "since", since, "limit", "500", NULL);
    if (rest_list(c, path, &items, &err))
        return cli_fail(c, &err);
    size_t n = (size_t)cJSON_GetArraySize(items), i = 0;
    DecisionRecord *at = arena_array(c->arena, DecisionRecord, n + 1);
    const cJSON *o;
    cJSON_ArrayForEach(o, items) at[i++] = record_of(o);
    Explanation e = explain_decisions(c->arena, at, n, cli_opt(c, "since") != NULL);
    return tell(c, &e);
}

static const ArgSpec ONE[] = {
    {"CLUSTER", "NAME@SATELLITE, NAMESPACE/NAME@SATELLITE, an id, or a NAME that is unique",
     COMP_CLUSTER, false, false},
    {0}};
static const OptSpec OPTS[] = {{"since", 0, "TIME",
                                "everything since: 90s, 2h, 1d ago, or an RFC 3339 time", COMP_NONE,
                                NULL, false},
                               {0}};
const CmdSpec CMD_EXPLAIN = {
    .path = "explain",
    .aliases = "cluster explain|cl explain",
    .summary = "Tell what the members of a cluster decided, and why",
    .args = ONE,
    .opts = OPTS,
    .run = explain_run,
    .about =
        "The last incident of the last 30 days, in order: who held which epoch of the lease, what "
        "each member saw, "
        "what "
        "it did and by which rule. With --since everything of that time.\n\n"
        "Each member numbers its decisions and chains them by SHA-256; its site keeps them while "
        "central is away. They are verified here: a record that was changed, is missing or was put "
        "in shows, and is said at the end. Times are the members' clocks; the epoch, not the "
        "clock, "
        "says what came first between members.",
    .example = "  swarmctl explain prod-pg@edge-a\n"
               "  swarmctl explain prod-pg@edge-a --since 1h -o json\n"};
