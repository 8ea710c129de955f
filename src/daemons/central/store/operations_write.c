#include "store/operations.h"

/* ---- the gate ---- */

typedef struct Gate {
    App *app;
    PgConn *tx;
    Arena *a;
    const char *cluster_id;
    bool scheduled;
    OperationGateDone done;
    void *ctx;
} Gate;

static void at_gate(void *ctx, const Error *err, PgResult *r)
{
    Gate *q = ctx;
    Error why;
    if (!err && pg_rows(r) == 0) {
        err_set(&why, ERR_NOT_FOUND, "the cluster: there is none any more");
        err = &why;
    }
    if (err) {
        q->done(q->ctx, err, NULL);
        return;
    }
    OperationGate g = {
        .deleting = pg_get_bool(r, 0, 0),
        .approved = pg_get_bool(r, 0, 1),
        .connected = pg_get_bool(r, 0, 2),
        .instances = arena_strdup(q->a, pg_get(r, 0, 3)),
        .blocker = pg_is_null(r, 0, 4) ? NULL : arena_strdup(q->a, pg_get(r, 0, 4)),
    };
    q->done(q->ctx, NULL, &g);
}

static const char GATE[] =
    "SELECT c.deleted_at IS NOT NULL, s.state = 'approved', EXISTS (SELECT FROM streams st JOIN"
    " centrals ce ON ce.id = st.central_id WHERE st.satellite_id = c.satellite_id AND ce.seen_at"
    " > now() - interval '30 s'), (SELECT coalesce(jsonb_agg(doc ORDER BY pod), '[]') FROM"
    " instances i WHERE i.cluster_id = c.id),"
    " (SELECT o.kind || ' ' || o.id || ' (' || o.state || CASE WHEN o.step > 0 THEN ', step ' ||"
    " o.step ELSE '' END || ', asked for by ' || o.requested_by || ')' FROM operations o WHERE"
    " o.cluster_id = c.id AND o.finished_at IS NULL AND (o.state = 'scheduled') = $2 LIMIT 1)"
    " FROM clusters c JOIN satellites s ON s.id = c.satellite_id WHERE c.id = $1";

static void locked(void *ctx, const Error *err, PgResult *r)
{
    Gate *q = ctx;
    (void)r;
    if (err)
        q->done(q->ctx, err, NULL);
    else
        store_query(q->app, q->tx, GATE, PG_PARAMS(pg_text(q->cluster_id), pg_bool(q->scheduled)),
                    at_gate, q);
}

/* Two that ask at the same time take turns at the cluster's row; what is read is read after that.
 */
void operation_gate(App *app, PgConn *tx, Arena *a, const OperationAsk *ask, OperationGateDone done,
                    void *ctx)
{
    Gate *q = arena_new_of(a, Gate);
    *q = (Gate){app, tx, a, ask->cluster_id, ask->scheduled, done, ctx};
    store_query(app, tx, "SELECT 1 FROM clusters WHERE id = $1 FOR NO KEY UPDATE",
                PG_PARAMS(pg_text(ask->cluster_id)), locked, q);
}

/* ---- new ---- */

typedef struct Insert {
    App *app;
    PgConn *tx;
    Arena *a;
    OperationDone done;
    void *ctx;
} Insert;

static void inserted(void *ctx, const Error *err, PgResult *r)
{
    Insert *n = ctx;
    if (err)
        n->done(n->ctx, err, NULL);
    else
        operation_find(n->app, n->tx, n->a, &(OperationFind){pg_get(r, 0, 0), false}, n->done,
                       n->ctx);
}

void operation_insert(App *app, PgConn *tx, Arena *a, const OperationNew *n, OperationDone done,
                      void *ctx)
{
    Insert *q = arena_new_of(a, Insert);
    *q = (Insert){app, tx, a, done, ctx};
    store_query(app, tx,
                "INSERT INTO operations (kind, cluster_id, satellite_id, cluster, namespace,"
                " satellite, params, state, target, primary_pod, requested_by, scheduled_at)"
                " SELECT $1, c.id, c.satellite_id, c.name, c.namespace, s.name, $3,"
                " CASE WHEN $7::bigint > 0 THEN 'scheduled' ELSE 'pending' END, $4, $5, $6,"
                " CASE WHEN $7::bigint > 0 THEN to_timestamp($7 / 1000000.0) END"
                " FROM clusters c JOIN satellites s ON s.id = c.satellite_id WHERE c.id = $2"
                " RETURNING id",
                PG_PARAMS(pg_text(n->kind), pg_text(n->cluster_id), pg_text(n->params),
                          pg_text(n->target), pg_text(n->primary), pg_text(n->requested_by),
                          pg_int(n->scheduled_us)),
                inserted, q);
}

/* ---- what the site told ---- */

void operation_store(App *app, PgConn *tx, const ApiOperation *o, AppDone done, void *ctx)
{
    AUTO_STRBUF steps = {0};
    JsonOut j = json_out(&steps);
    json_arr(&j);
    for (size_t i = 0; i < o->steps.n; i++)
        fields_encode(&j, &schema_OPERATION_STEP, (const ApiOperationStep *)o->steps.at + i);
    json_arr_end(&j);
    store_query(app, tx,
                "UPDATE operations SET state = $2, step = $3, steps_total = $4, steps = $5,"
                " target = $6, point_of_no_return = $7, error = $8, detail = $9, started_at = CASE"
                " WHEN $10::bigint > 0 THEN to_timestamp($10 / 1000000.0) END, finished_at = CASE"
                " WHEN $11::bigint > 0 THEN to_timestamp($11 / 1000000.0) END, heard_at = now(),"
                " sent_at = coalesce(sent_at, now()) WHERE id = $1",
                PG_PARAMS(pg_text(o->id), pg_text(o->state), pg_int(o->step),
                          pg_int(o->steps_total), pg_text(strbuf_str(&steps)), pg_text(o->target),
                          pg_bool(o->point_of_no_return), pg_text(o->error), pg_text(o->detail),
                          pg_int(o->started_at), pg_int(o->finished_at)),
                store_acked, store_ack(done, ctx));
}

void operation_heard(App *app, PgConn *tx, const char *id, AppDone done, void *ctx)
{
    store_query(app, tx, "UPDATE operations SET heard_at = now() WHERE id = $1",
                PG_PARAMS(pg_text(id)), store_acked, store_ack(done, ctx));
}

/* ---- what people say ---- */

void operation_word(App *app, PgConn *tx, const OperationWord *w, AppDone done, void *ctx)
{
    void *ack = store_ack(done, ctx);
    switch (w->wish) {
    case WISH_CONTINUE:
        store_query(app, tx, "UPDATE operations SET continue_step = $2 WHERE id = $1",
                    PG_PARAMS(pg_text(w->id), pg_int(w->step)), store_acked, ack);
        break;
    case WISH_ABORT:
        store_query(app, tx, "UPDATE operations SET aborted_by = $2 WHERE id = $1",
                    PG_PARAMS(pg_text(w->id), pg_text(w->user)), store_acked, ack);
        break;
    case WISH_END:
        store_query(
            app, tx,
            "UPDATE operations SET aborted_by = $2, state = $3, error = $4,"
            " finished_at = now() WHERE id = $1",
            PG_PARAMS(pg_text(w->id), pg_text(w->user), pg_text(w->state), pg_text(w->text)),
            store_acked, ack);
        break;
    }
}
