#include "pg/pg_priv.h"

#include "core/ident.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- parameters ---- */

enum { PARAM_TEXT, PARAM_NUM, PARAM_BYTES };
enum { OID_UNKNOWN = 0, OID_BYTEA = 17 };

PgParam pg_text(const char *s)
{
    return (PgParam){.text = s, .kind = PARAM_TEXT};
}

PgParam pg_null(void)
{
    return (PgParam){.kind = PARAM_TEXT};
}

PgParam pg_int(int64_t v)
{
    PgParam p = {.kind = PARAM_NUM};
    snprintf(p.num, sizeof p.num, "%lld", (long long)v);
    return p;
}

PgParam pg_bool(bool v)
{
    return pg_text(v ? "t" : "f");
}

PgParam pg_f64(double v)
{
    PgParam p = {.kind = PARAM_NUM};
    snprintf(p.num, sizeof p.num, "%.15g", v);
    return p;
}

PgParam pg_bytes(const void *p, size_t n)
{
    return (PgParam){.bytes = p ? p : "", .n = n, .kind = PARAM_BYTES};
}

void pg_stmt_copy(Arena *a, const char *sql, const PgParam *params, size_t n, PgStmt *ret)
{
    Oid *types = arena_array(a, Oid, n);
    const char **values = arena_array(a, const char *, n);
    int *lengths = arena_array(a, int, n), *formats = arena_array(a, int, n);
    for (size_t i = 0; i < n; i++) {
        const PgParam *p = &params[i];
        if (p->kind == PARAM_BYTES) {
            types[i] = OID_BYTEA;
            values[i] = arena_memdup(a, p->bytes, p->n);
            lengths[i] = (int)p->n;
            formats[i] = 1;
        } else {
            types[i] = OID_UNKNOWN;
            values[i] = arena_strdup(a, p->kind == PARAM_NUM ? p->num : p->text);
        }
    }
    *ret = (PgStmt){.sql = arena_strdup(a, sql),
                    .n = (int)n,
                    .types = types,
                    .values = values,
                    .lengths = lengths,
                    .formats = formats};
}

/* ---- errors ---- */

/* The longest prefix wins, so exact codes stand before their classes. */
static const struct {
    const char *state;
    ErrCode code;
} STATES[] = {
    {"23505", ERR_EXISTS},       {"23P01", ERR_EXISTS},       {"23503", ERR_PRECONDITION},
    {"23514", ERR_PRECONDITION}, {"23502", ERR_PRECONDITION}, {"23001", ERR_PRECONDITION},
    {"40001", ERR_CONFLICT},     {"40P01", ERR_CONFLICT},     {"55P03", ERR_CONFLICT},
    {"25P02", ERR_CONFLICT},     {"57014", ERR_TIMEOUT},      {"57P0", ERR_UNAVAILABLE},
    {"25P03", ERR_TIMEOUT},      {"42501", ERR_FORBIDDEN},    {"25006", ERR_PRECONDITION},
    {"55006", ERR_CONFLICT},     {"0A", ERR_UNIMPLEMENTED},   {"08", ERR_UNAVAILABLE},
    {"53", ERR_UNAVAILABLE},     {"28", ERR_UNAUTHENTICATED}, {"3D", ERR_NOT_FOUND},
    {"22", ERR_INVALID},         {"54", ERR_TOO_LARGE},       {"XX001", ERR_DATA_LOSS},
    {"XX002", ERR_DATA_LOSS},    {"P0001", ERR_PRECONDITION}, {"42", ERR_INTERNAL},
};

static ErrCode code_of_state(const char *state)
{
    for (size_t i = 0; state && i < sizeof STATES / sizeof *STATES; i++)
        if (strncmp(state, STATES[i].state, strlen(STATES[i].state)) == 0)
            return STATES[i].code;
    return ERR_INTERNAL;
}

/* libpq ends its texts with newlines and may send several lines; one line is what an Error holds.
 */
static void one_line(char *out, size_t cap, const char *text)
{
    size_t n = 0;
    for (; text && *text && n + 1 < cap; text++) {
        if (*text == '\n' && (!text[1] || text[1] == '\n'))
            continue;
        out[n++] = *text == '\n' || *text == '\t' ? ' ' : *text;
    }
    out[n] = 0;
}

ErrCode pg_err_result(Error *err, const PGresult *res)
{
    char text[400];
    const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    const char *detail = PQresultErrorField(res, PG_DIAG_MESSAGE_DETAIL);
    const char *primary = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
    one_line(text, sizeof text, primary ? primary : PQresultErrorMessage(res));
    ErrCode code = state ? code_of_state(state) : ERR_UNAVAILABLE;
    if (detail && code != ERR_INTERNAL)
        return err_set(err, code, "%s (%s)", text, detail);
    return err_set(err, code, "%s%s%s%s", text, state ? " [" : "", state ? state : "",
                   state ? "]" : "");
}

ErrCode pg_err_conn(Error *err, const PGconn *conn, const char *what)
{
    char text[400];
    one_line(text, sizeof text, PQerrorMessage(conn));
    return err_set(err, ERR_UNAVAILABLE, "%s: %s", what, *text ? text : "connection lost");
}

/* ---- results ---- */

static bool is_rows(const PGresult *res)
{
    ExecStatusType st = PQresultStatus(res);
    return st == PGRES_TUPLES_OK || st == PGRES_COMMAND_OK || st == PGRES_EMPTY_QUERY;
}

void pg_deliver(PGresult *res, PgDone done, void *ctx)
{
    if (!is_rows(res)) {
        Error err;
        pg_err_result(&err, res);
        PQclear(res);
        if (done)
            done(ctx, &err, NULL);
        return;
    }
    PgResult *r = xnew(PgResult);
    r->res = res;
    if (done)
        done(ctx, NULL, r);
    if (!r->kept) {
        PQclear(res);
        free(r);
    }
}

static void free_kept(void *arg)
{
    PgResult *r = arg;
    PQclear(r->res);
    free(r);
}

void pg_result_keep(PgResult *r, Arena *a)
{
    if (r->kept)
        return;
    r->kept = true;
    arena_on_free(a, free_kept, r);
}

int pg_rows(const PgResult *r)
{
    return PQntuples(r->res);
}

int pg_cols(const PgResult *r)
{
    return PQnfields(r->res);
}

int pg_affected(const PgResult *r)
{
    int64_t n;
    return str_to_i64(PQcmdTuples(r->res), &n) ? (int)n : 0;
}

bool pg_is_null(const PgResult *r, int row, int col)
{
    return PQgetisnull(r->res, row, col);
}

const char *pg_get(const PgResult *r, int row, int col)
{
    return PQgetvalue(r->res, row, col);
}

int64_t pg_get_int(const PgResult *r, int row, int col)
{
    int64_t n;
    return str_to_i64(pg_get(r, row, col), &n) ? n : 0;
}

double pg_get_f64(const PgResult *r, int row, int col)
{
    double d;
    return str_to_f64(pg_get(r, row, col), &d) ? d : 0;
}

bool pg_get_bool(const PgResult *r, int row, int col)
{
    return pg_get(r, row, col)[0] == 't';
}

StrView pg_get_bytes(Arena *a, const PgResult *r, int row, int col)
{
    size_t n = (size_t)PQgetlength(r->res, row, col);
    const char *hex = pg_get(r, row, col);
    if (n < 2 || hex[0] != '\\' || hex[1] != 'x')
        return (StrView){"", 0};
    char *out = arena_alloc(a, n / 2);
    ptrdiff_t got = hex_decode(out, n / 2, hex + 2, n - 2);
    if (got < 0)
        BUG("bytea_output is not hex");
    return sv_n(out, (size_t)got);
}
