/* http/url and http/router: any target. A decoded path has no "..", and what is encoded decodes to
 * itself. */
#include "http/router.h"
#include "http/url.h"
#include <stdlib.h>

static const RouterRow ROWS[] = {
    {"GET", "/"},
    {"GET", "/a/{x}"},
    {"PUT", "/a/{x}"},
    {"GET", "/a/b"},
    {"GET", "/a/{x}/c/{y}"},
    {"GET", "/f/{rest...}"},
    {"GET", "/{k}/{n}/c/{z}"},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    AUTO_ARENA a = arena_new();
    static Router *router;
    StrView query = {(const char *)data, n}, raw = sv_cut(&query, '?');
    const UrlPair *pairs;
    size_t n_pairs;
    RouterMatch m;
    Error err;
    if (!router)
        router = router_new(ROWS, sizeof ROWS / sizeof *ROWS);
    const char *path = url_path(a, raw);
    if (path && (path[0] != '/' || strstr(path, "/../") || str_ends(path, "/..")))
        abort();
    if (url_query(a, query, &pairs, &n_pairs))
        for (size_t i = 0; i < n_pairs; i++) {
            AUTO_STRBUF again = {0};
            url_encode(&again, pairs[i].value);
            const char *back = url_decode(a, (StrView){strbuf_str(&again), again.n}, true);
            if (!str_eq(back, pairs[i].value))
                abort();
        }
    if (raw.n && router_match(router, a, SV("GET"), raw, &m, &err) == ERR_OK)
        for (size_t i = 0; i < m.n; i++)
            if (!m.params[i].value || !*m.params[i].name)
                abort();
    return 0;
}
