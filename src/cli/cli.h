/* cli/cli.h - one run of swarmctl: what was asked, where central is, how to speak to the user. */
#pragma once
#include "cmd.h"
#include "http/client.h"
#include <cjson/cJSON.h>

typedef struct Context {
    const char *name, *server; /* server: "https://host:8080" */
    const char *token, *user;
    const char *ca_pem; /* NULL: the system's store */
} Context;

struct Cli {
    Arena *arena;
    Loop *loop;
    Invocation inv;
    Context ctx;
    HttpClient *http;    /* made at the first request */
    uint64_t time_limit; /* ms for one request; 0: --timeout or 30 s */
    bool tty_in, tty_out, tty_err, color, quiet;
};

/* ---- options and arguments ---- */
const char *cli_opt(const Cli *c,
                    const char *name); /* the last value, "" for a flag, NULL when not given */
bool cli_flag(const Cli *c, const char *name);
/* The i-th value of an option that may be given again, or NULL. */
const char *cli_opt_at(const Cli *c, const char *name, size_t i);
const char *cli_arg(const Cli *c, size_t i); /* NULL when not given */
/* "90s" "5m" "2h" "1d" to milliseconds. */
ErrCode cli_duration(const char *text, uint64_t *ret_ms, Error *err) MUST_USE;

/* ---- talking to the user: stdout is data, stderr is talk ---- */
void cli_say(const Cli *c, const char *fmt, ...)
    PRINTF_LIKE(2, 3); /* one line on stderr, unless --quiet */
/* Prints `error: KIND: what` (and `try: ...` where there is one), or the JSON twin with -o json;
 * gives the exit status. */
int cli_fail(const Cli *c, const Error *err);
int cli_fail_json(const Cli *c, const Error *err,
                  const cJSON *body); /* with the server's field list */
/* Confirm tiers of swarm-exit(7): 1 y/N; 2 type the name; 3 type the name after `radius` was shown.
 * Exit status 0 to go on. */
int cli_confirm(const Cli *c, int tier, const char *name, const char *question);
enum { EXIT_NEGATIVE = 1, EXIT_NEEDS_CONFIRM = 12 };

/* ---- REST ---- */
typedef struct Reply {
    int status;
    cJSON *json; /* in the arena's care; NULL when the body is not JSON */
    StrView body;
    const char *etag; /* NULL when absent */
    Error err;        /* code ERR_OK for 2xx; else central's own words */
} Reply;
typedef struct RestReq {
    const char *method, *path; /* path begins with '/' */
    const cJSON *body;         /* NULL: none */
    const char *if_match;      /* NULL: whatever is there */
} RestReq;
/* Fails when no answer came, or when central refused: then ret->json holds its error. */
ErrCode rest_call(Cli *c, const RestReq *req, Reply *ret, Error *err) MUST_USE;
ErrCode rest_get(Cli *c, const char *path, cJSON **ret, Error *err) MUST_USE;
/* All items of a list, following `next`. */
ErrCode rest_list(Cli *c, const char *path, cJSON **ret_items, Error *err) MUST_USE;
/* "PATH?a=b&c=d" from pairs (key, value, ..., NULL); a NULL or empty value leaves its pair out. */
const char *rest_query(Cli *c, const char *path, ...) __attribute__((sentinel));
/* GET whose body is printed as it comes (logs -f). */
ErrCode rest_stream(Cli *c, const char *path, Error *err) MUST_USE;

/* ---- contexts (context.c) ---- */
ErrCode context_load(Cli *c, Error *err) MUST_USE; /* fills c->ctx; NOT_FOUND: none yet */
ErrCode context_save(Cli *c, const Context *ctx,
                     Error *err) MUST_USE;                     /* and makes it the current one */
ErrCode context_all(Cli *c, cJSON **ret, Error *err) MUST_USE; /* the file as a tree */
ErrCode context_write(Cli *c, const cJSON *tree, Error *err) MUST_USE;
const char *context_file(Cli *c);
