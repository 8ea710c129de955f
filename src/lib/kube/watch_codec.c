#include "kube/watch_codec.h"

#include "kube/kube.h"

void watch_split_done(WatchSplit *s)
{
    strbuf_done(&s->buf);
}

ErrCode watch_split_feed(WatchSplit *s, StrView data, bool (*fn)(void *ctx, StrView line),
                         void *ctx, Error *err)
{
    while (data.n) {
        const char *nl = memchr(data.p, '\n', data.n);
        size_t take = nl ? (size_t)(nl - data.p) : data.n;
        if (s->buf.n + take > KUBE_WATCH_LINE_MAX) {
            strbuf_reset(&s->buf);
            return err_set(err, ERR_TOO_LARGE, "watch: a line is longer than %d bytes",
                           KUBE_WATCH_LINE_MAX);
        }
        if (!nl) {
            strbuf_add(&s->buf, data.p, take);
            return ERR_OK;
        }
        StrView line = sv_n(data.p, take);
        if (s->buf.n) { /* its beginning came earlier */
            strbuf_add(&s->buf, data.p, take);
            line = sv_n(s->buf.p, s->buf.n);
        }
        bool more = line.n == 0 || fn(ctx, line);
        strbuf_reset(&s->buf);
        if (!more)
            return ERR_OK;
        data.p += take + 1;
        data.n -= take + 1;
    }
    if (s->buf.cap > 256 * 1024 && s->buf.n == 0)
        strbuf_done(&s->buf); /* one huge object must not be paid for ever after */
    return ERR_OK;
}

static const char *const TYPES[] = {"ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"};

ErrCode watch_line_parse(StrView line, WatchLine *ret, Error *err)
{
    cJSON *root = cJSON_ParseWithLength(line.p, line.n);
    if (!root)
        return err_set(err, ERR_MALFORMED, "watch: a line of %zu bytes is not JSON", line.n);
    const char *type = kube_str(root, "type");
    const cJSON *object = kube_at(root, "object");
    const char *rv = kube_str(object, "metadata.resourceVersion");
    for (size_t i = 0; i < sizeof TYPES / sizeof *TYPES; i++) {
        if (!str_eq(type, TYPES[i]) || !cJSON_IsObject(object))
            continue;
        if (i != WATCH_ERROR && str_empty(rv))
            break;
        if (i <= WATCH_DELETED && str_empty(kube_str(object, "metadata.name")))
            break;
        *ret = (WatchLine){.type = (WatchType)i,
                           .root = root,
                           .object = object,
                           .rv = rv,
                           .error_code = (int)kube_int(object, "code", 0)};
        return ERR_OK;
    }
    err_set(err, ERR_MALFORMED, "watch: a line of type \"%.40s\" without what it needs",
            str_or(type, ""));
    cJSON_Delete(root);
    return ERR_MALFORMED;
}
