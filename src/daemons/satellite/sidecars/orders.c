#include "sidecars/orders.h"

#include "core/vec.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct Order {
    Orders *all;
    uint64_t id;
    GrpcStream *stream;
    Timer *timer; /* its time limit; at once, when nobody is there */
    OrderDone done;
    void *ctx;
} Order;

struct Orders {
    Loop *loop;
    uint64_t last_id;
    VEC(Order *) at;
};

Orders *orders_new(Loop *l)
{
    Orders *o = xnew(Orders);
    o->loop = l;
    return o;
}

static void order_free(Order *r)
{
    timer_stop(r->timer);
    free(r);
}

void orders_free(Orders *o)
{
    if (!o)
        return;
    for (size_t i = 0; i < o->at.n; i++)
        order_free(o->at.at[i]);
    vec_done(&o->at);
    free(o);
}

static void end(Orders *o, size_t i, const Error *err, const CommandResult *r)
{
    Order *order = o->at.at[i];
    vec_remove(&o->at, i);
    order->done(order->ctx, err, r);
    order_free(order);
}

static void on_timer(void *ctx)
{
    Order *r = ctx;
    Error err;
    if (r->stream)
        err_set(&err, ERR_TIMEOUT, "the sidecar did not answer in time");
    else
        err_set(&err, ERR_UNAVAILABLE, "its sidecar is not connected");
    for (size_t i = 0; i < r->all->at.n; i++)
        if (r->all->at.at[i] == r) {
            end(r->all, i, &err, NULL);
            return;
        }
}

uint64_t orders_add(Orders *o, GrpcStream *stream, uint64_t timeout_ms, OrderDone done, void *ctx)
{
    Order *r = xnew(Order);
    *r = (Order){.all = o, .id = ++o->last_id, .stream = stream, .done = done, .ctx = ctx};
    r->timer = timer_start(o->loop, stream ? timeout_ms : 0, 0, on_timer, r);
    vec_push(&o->at, r);
    return r->id;
}

void orders_id(char buf[24], uint64_t id)
{
    snprintf(buf, 24, "o%" PRIu64, id);
}

void orders_answer(Orders *o, const char *id, const CommandResult *r)
{
    uint64_t n;
    if (*id != 'o' || !str_to_u64(id + 1, &n))
        return;
    for (size_t i = 0; i < o->at.n; i++) {
        if (o->at.at[i]->id != n)
            continue;
        Error err;
        if (!r->success)
            err_set(&err, str_empty(r->code) ? ERR_INTERNAL : err_from_name(r->code), "%s",
                    str_empty(r->error) ? "no reason given" : r->error);
        end(o, i, r->success ? NULL : &err, r);
        return;
    }
}

void orders_stream_gone(Orders *o, const GrpcStream *s)
{
    for (size_t i = 0; i < o->at.n; i++)
        if (o->at.at[i]->stream == s) {
            o->at.at[i]->stream = NULL;
            timer_again(o->at.at[i]->timer, 0);
        }
}

void orders_forget(Orders *o, const void *ctx)
{
    for (size_t i = o->at.n; i-- > 0;)
        if (o->at.at[i]->ctx == ctx) {
            order_free(o->at.at[i]);
            vec_remove(&o->at, i);
        }
}
