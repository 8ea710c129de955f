#include "netns/proxy.h"

#include "core/limits.h"
#include <stdlib.h>

typedef struct Proxy Proxy;
typedef struct End {
    Proxy *proxy;
    struct End *other;
    Stream *s;
    bool eof, closed;
} End;
struct Proxy {
    End end[2];
    ProxySet *set;
    Proxy *next, **link; /* in the set */
};
struct ProxySet {
    Proxy *head;
    bool ending;
};

static void proxy_free(Proxy *p)
{
    ProxySet *set = p->set;
    *p->link = p->next;
    if (p->next)
        p->next->link = p->link;
    free(p);
    if (set->ending && !set->head)
        free(set);
}

/* An end may go when nothing more can come for it and all that came is on its way. */
static void settle(Proxy *p)
{
    for (int i = 0; i < 2; i++) {
        End *e = &p->end[i];
        bool over = e->other->closed || (e->eof && e->other->eof);
        if (!e->closed && over && stream_unsent(e->s) == 0)
            stream_close(e->s);
    }
}

static void end_read(void *ctx, const char *data, size_t n)
{
    End *e = ctx;
    if (e->other->closed)
        return;
    stream_write(e->other->s, data, n);
    if (stream_unsent(e->other->s) > LIMIT_OUT_HIGH)
        stream_pause(e->s);
}

static void end_eof(void *ctx)
{
    End *e = ctx;
    e->eof = true;
    if (!e->other->closed)
        stream_shutdown(e->other->s);
    settle(e->proxy);
}

static void end_drain(void *ctx)
{
    End *e = ctx;
    if (!e->other->closed && !e->other->eof)
        stream_resume(e->other->s);
    settle(e->proxy);
}

static void end_close(void *ctx, const Error *err)
{
    (void)err; /* half a connection is of no use: the other end is told by its own end */
    End *e = ctx;
    e->closed = true;
    if (e->other->closed)
        proxy_free(e->proxy);
    else
        settle(e->proxy);
}

ProxySet *proxy_set_new(void)
{
    return xnew(ProxySet);
}

void proxy_set_end(ProxySet *set)
{
    if (!set)
        return;
    set->ending = true;
    for (Proxy *p = set->head; p; p = p->next)
        for (int i = 0; i < 2; i++)
            if (!p->end[i].closed)
                stream_close(p->end[i].s);
    if (!set->head)
        free(set);
}

void proxy_join(ProxySet *set, Stream *a, Stream *b)
{
    static const StreamEvents ev = {
        .on_read = end_read, .on_eof = end_eof, .on_drain = end_drain, .on_close = end_close};
    Proxy *p = xnew(Proxy);
    p->set = set;
    p->next = set->head;
    p->link = &set->head;
    if (p->next)
        p->next->link = &p->next;
    set->head = p;
    p->end[0] = (End){.proxy = p, .other = &p->end[1], .s = a};
    p->end[1] = (End){.proxy = p, .other = &p->end[0], .s = b};
    stream_set_events(a, &ev, &p->end[0]);
    stream_set_events(b, &ev, &p->end[1]);
}
