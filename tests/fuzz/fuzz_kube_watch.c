/* Bytes of a watch: the first byte cuts the rest in two; lines and events come out whatever the
 * cut. */
#include "kube/kube.h"
#include "kube/watch_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool on_line(void *ctx, StrView line)
{
    unsigned *n = ctx;
    WatchLine l;
    Error err;
    ++*n;
    if (watch_line_parse(line, &l, &err))
        return true;
    if (l.type != WATCH_ERROR && str_empty(l.rv))
        __builtin_trap();
    kube_str(l.object, "metadata.labels['a']");
    cJSON_Delete(l.root);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    const char *p = (const char *)data + 1;
    size_t n = size - 1, cut = n ? data[0] % (n + 1) : 0;
    WatchSplit whole = {0}, halves = {0};
    unsigned lines = 0, lines2 = 0;
    Error err;
    if (watch_split_feed(&whole, sv_n(p, n), on_line, &lines, &err) == ERR_OK &&
        watch_split_feed(&halves, sv_n(p, cut), on_line, &lines2, &err) == ERR_OK &&
        watch_split_feed(&halves, sv_n(p + cut, n - cut), on_line, &lines2, &err) == ERR_OK &&
        lines != lines2)
        __builtin_trap();
    watch_split_done(&whole);
    watch_split_done(&halves);
    kube_status_error(500, sv_n(p, n), &err);
    return 0;
}
