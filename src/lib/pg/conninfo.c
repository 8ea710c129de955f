/* PQconnectStart looks names up itself and blocks in doing so. Here the hosts of a conninfo are
 * looked up on the thread pool and handed over as hostaddr; a host that has no address drops out of
 * the list. */
#include "pg/pg_priv.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_HOSTS = 16, MAX_KEYS = 64 };

struct PgDial {
    Loop *l;
    PgDialFn done;
    void *ctx;
    Arena *arena;
    const char *keys[MAX_KEYS + 1], *values[MAX_KEYS + 1];
    size_t n_keys;
    const char *hosts[MAX_HOSTS], *ports[MAX_HOSTS];
    size_t n_hosts, n_ports, at;
    StrBuf out_hosts, out_addrs, out_ports;
    size_t n_out;
    Resolve *resolve;
    Timer *turn; /* for an answer that is known at once */
    Error err;
};

static void dial_free(PgDial *d)
{
    resolve_cancel(d->resolve);
    timer_stop(d->turn);
    strbuf_done(&d->out_hosts);
    strbuf_done(&d->out_addrs);
    strbuf_done(&d->out_ports);
    arena_free(d->arena);
}

void pg_dial_cancel(PgDial *d)
{
    if (d)
        dial_free(d);
}

static const char *value_of(const PgDial *d, const char *key)
{
    for (size_t i = 0; i < d->n_keys; i++)
        if (str_eq(d->keys[i], key))
            return d->values[i];
    return NULL;
}

static void put(PgDial *d, const char *key, const char *value)
{
    for (size_t i = 0; i < d->n_keys; i++)
        if (str_eq(d->keys[i], key)) {
            d->values[i] = value;
            return;
        }
    if (d->n_keys < MAX_KEYS) {
        d->keys[d->n_keys] = key;
        d->values[d->n_keys++] = value;
    }
}

static size_t split(Arena *a, const char *list, const char *out[MAX_HOSTS])
{
    StrView rest = sv(list);
    size_t n = 0;
    while (rest.p && n < MAX_HOSTS)
        out[n++] = sv_dup(a, sv_cut(&rest, ','));
    return n;
}

static bool parse(PgDial *d, const char *conninfo, const char *application_name)
{
    char *why = NULL;
    PQconninfoOption *opts = PQconninfoParse(conninfo, &why);
    if (!opts) {
        err_set(&d->err, ERR_INVALID, "database address: %s", why ? why : "not a conninfo");
        PQfreemem(why);
        return false;
    }
    for (PQconninfoOption *o = opts; o->keyword; o++)
        if (o->val)
            put(d, arena_strdup(d->arena, o->keyword), arena_strdup(d->arena, o->val));
    PQconninfoFree(opts);
    put(d, "client_encoding", "UTF8");
    if (!value_of(d, "application_name"))
        put(d, "fallback_application_name", str_or(application_name, "pg-swarm"));
    if (!value_of(d, "gssencmode"))
        put(d, "gssencmode", "disable"); /* asking Kerberos may block */
    return true;
}

static const char *port_at(const PgDial *d, size_t i)
{
    const char *p = d->n_ports == 0 ? NULL : d->ports[d->n_ports == 1 ? 0 : i];
    return str_or(p, "5432");
}

static void connect_now(PgDial *d)
{
    if (d->n_out) {
        put(d, "host", strbuf_str(&d->out_hosts));
        put(d, "hostaddr", strbuf_str(&d->out_addrs));
        put(d, "port", strbuf_str(&d->out_ports));
    }
    PgDialFn done = d->done;
    void *ctx = d->ctx;
    Error err = d->err;
    if (d->n_hosts && !d->n_out) {
        dial_free(d);
        done(ctx, &err, NULL);
        return;
    }
    PGconn *conn = PQconnectStartParams(d->keys, d->values, 0);
    dial_free(d);
    if (conn && PQstatus(conn) != CONNECTION_BAD) {
        done(ctx, NULL, conn);
        return;
    }
    if (conn)
        pg_err_conn(&err, conn, "connect");
    else
        err_set(&err, ERR_EXHAUSTED, "connect: out of memory");
    PQfinish(conn);
    done(ctx, &err, NULL);
}

static void add_out(PgDial *d, const char *addr)
{
    const char *sep = d->n_out++ ? "," : "";
    strbuf_addf(&d->out_hosts, "%s%s", sep, d->hosts[d->at]);
    strbuf_addf(&d->out_addrs, "%s%s", sep, addr);
    strbuf_addf(&d->out_ports, "%s%s", sep, port_at(d, d->at));
}

static void step(PgDial *d);

static void on_resolved(void *ctx, const Error *err, const struct sockaddr *addr)
{
    PgDial *d = ctx;
    char text[INET6_ADDRSTRLEN] = "";
    d->resolve = NULL;
    if (err) {
        d->err = *err;
    } else {
        const void *ip = addr->sa_family == AF_INET6
                             ? (const void *)&((const struct sockaddr_in6 *)addr)->sin6_addr
                             : (const void *)&((const struct sockaddr_in *)addr)->sin_addr;
        inet_ntop(addr->sa_family, ip, text, sizeof text);
        add_out(d, text);
    }
    d->at++;
    step(d);
}

/* A path or an abstract name is a unix socket and needs no address. */
static bool is_socket(const char *host)
{
    return str_empty(host) || host[0] == '/' || host[0] == '@';
}

static void step(PgDial *d)
{
    while (d->at < d->n_hosts && is_socket(d->hosts[d->at])) {
        add_out(d, "");
        d->at++;
    }
    if (d->at == d->n_hosts)
        connect_now(d);
    else
        d->resolve = loop_resolve(d->l, d->hosts[d->at], port_at(d, d->at), on_resolved, d);
}

static void first_turn(void *ctx)
{
    PgDial *d = ctx;
    if (d->err.code == ERR_OK) {
        step(d);
        return;
    }
    PgDialFn done = d->done;
    void *dctx = d->ctx;
    Error err = d->err;
    dial_free(d);
    done(dctx, &err, NULL);
}

PgDial *pg_dial(Loop *l, const char *conninfo, const char *application_name, PgDialFn done,
                void *ctx)
{
    Arena *a = arena_new();
    PgDial *d = arena_new_of(a, PgDial);
    d->arena = a;
    d->l = l;
    d->done = done;
    d->ctx = ctx;
    if (parse(d, conninfo, application_name) && !value_of(d, "hostaddr")) {
        const char *host = str_or(value_of(d, "host"), getenv("PGHOST"));
        const char *port = str_or(value_of(d, "port"), getenv("PGPORT"));
        d->n_hosts = str_empty(host) ? 0 : split(a, host, d->hosts);
        d->n_ports = str_empty(port) ? 0 : split(a, port, d->ports);
        if (d->n_ports > 1 && d->n_ports != d->n_hosts)
            err_set(&d->err, ERR_INVALID, "database address: %zu ports for %zu hosts", d->n_ports,
                    d->n_hosts);
    }
    d->turn = timer_start(l, 0, 0, first_turn, d);
    return d;
}
