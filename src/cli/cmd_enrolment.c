/* satellite token: what `satellite manifest` had central make for new sites. */
#include "api/routes.h"
#include "cmds.h"
#include "out.h"

static const char *state_of(Arena *a, const cJSON *t)
{
    (void)a;
    return json_str_at(t, "used_at", NULL) ? "used" : "waits";
}

static const Column COLS[] = {
    {"ID", "id", COL_TEXT, false, false, NULL},
    {"SATELLITE", "name", COL_TEXT, false, false, NULL},
    {"STATE", NULL, COL_TEXT, false, false, state_of},
    {"EXPIRES", "expires_at", COL_TIME, false, false, NULL},
    {"CREATED", "created_at", COL_AGE, false, false, NULL},
    {"BY", "created_by", COL_TEXT, false, false, NULL},
    {"LABELS", "labels", COL_LABELS, false, false, NULL},
    {0},
};

static int list_run(Cli *c)
{
    Error err;
    cJSON *items;
    if (rest_list(c, api_path(c->arena, API_ENROLMENT_LIST, NULL), &items, &err))
        return cli_fail(c, &err);
    return out_list(c, COLS, items, "enrolment-token/");
}

static int delete_run(Cli *c)
{
    Error err;
    Reply r;
    const char *path = api_path(c->arena, API_ENROLMENT_DELETE, cli_arg(c, 0), NULL);
    if (rest_call(c, &(RestReq){"DELETE", path, NULL}, &r, &err))
        return cli_fail_json(c, &err, r.json);
    cli_say(c, "enrolment-token/%s deleted", cli_arg(c, 0));
    return 0;
}

static const ArgSpec ID_ARG[] = {{"TOKEN", "its id", COMP_NONE, false, false}, {0}};

const CmdSpec CMD_SATELLITE_TOKEN_LIST = {.path = "satellite token list",
                                          .aliases = "satellite token ls|sat token list",
                                          .summary = "List enrolment tokens of new sites",
                                          .run = list_run};
const CmdSpec CMD_SATELLITE_TOKEN_DELETE = {.path = "satellite token delete",
                                            .aliases = "sat token delete",
                                            .summary = "End an enrolment token",
                                            .args = ID_ARG,
                                            .run = delete_run};
