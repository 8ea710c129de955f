#include "kube/kube.h"

#include "core/file.h"
#include "core/limits.h"
#include "kube/kube_priv.h"
#include <ctype.h>
#include <stdlib.h>

enum { TOKEN_MAX = 16 * 1024, RETRY_MAX_S = 30 };

/* ---- token ---- */

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static void set_token(Kube *k, StrView token)
{
    free(k->auth_header);
    k->auth_header = xasprintf("Authorization: Bearer " SV_FMT, SV_ARG(token));
}

bool kube_token_refresh(Kube *k, Error *err)
{
    struct stat st;
    if (!k->token_file)
        return false;
    if (stat(k->token_file, &st) == 0 && k->auth_header && same_file(&st, &k->token_stat))
        return false;
    AUTO_ARENA a = arena_new();
    StrView token;
    if (file_read(a, k->token_file, TOKEN_MAX, &token, err))
        return false;
    while (token.n && isspace((unsigned char)token.p[token.n - 1]))
        token.n--;
    char *before = k->auth_header;
    k->auth_header = NULL;
    set_token(k, token);
    k->token_stat = st;
    bool changed = !str_eq(before, k->auth_header);
    free(before);
    return changed;
}

/* ---- requests ---- */

HttpCall *kube_http(Kube *k, const HttpCallSpec *spec, const char *content_type, Error *err)
{
    Error token_err = {0};
    kube_token_refresh(k, &token_err);
    if (k->token_file && !k->auth_header) {
        err_copy(err, &token_err);
        err_wrap(err, "service account token");
        return NULL;
    }
    AUTO_ARENA a = arena_new();
    const char *headers[4] = {"Accept: application/json"};
    size_t n = 1;
    if (content_type)
        headers[n++] = arena_printf(a, "Content-Type: %s", content_type);
    if (k->auth_header)
        headers[n++] = k->auth_header;
    HttpCallSpec s = *spec;
    s.headers = headers;
    s.url = arena_printf(a, "%s%s", k->server, spec->url);
    return http_call(k->http, &s);
}

uint64_t kube_retry_after(const HttpResponse *r)
{
    const char *v = r->header ? r->header(r, "Retry-After") : NULL;
    uint64_t s = 1;
    if (v && !str_to_u64(v, &s))
        s = 5; /* an HTTP date: what clocks say is not to be trusted that far */
    return (s < 1 ? 1 : s > RETRY_MAX_S ? RETRY_MAX_S : s) * 1000;
}

/* ---- paths ---- */

static void add_escaped(StrBuf *b, const char *s)
{
    for (; *s; s++)
        if (isalnum((unsigned char)*s) || strchr("-._~", *s))
            strbuf_addc(b, *s);
        else
            strbuf_addf(b, "%%%02X", (unsigned char)*s);
}

static void add_segment(StrBuf *b, const char *s)
{
    strbuf_addc(b, '/');
    add_escaped(b, s);
}

char *kube_path(Arena *a, const Kube *k, const KubePath *p)
{
    AUTO_STRBUF b = {0};
    const KubeKind *kind = p->kind;
    const char *version = kube_version(k, kind);
    strbuf_adds(&b, *kind->group ? "/apis" : "/api");
    if (*kind->group)
        add_segment(&b, kind->group);
    add_segment(&b, version ? version : kind->version);
    if (kind->namespaced && p->ns) {
        strbuf_adds(&b, "/namespaces");
        add_segment(&b, p->ns);
    }
    add_segment(&b, kind->plural);
    if (p->name)
        add_segment(&b, p->name);
    if (p->sub)
        add_segment(&b, p->sub);
    return arena_strndup(a, b.p, b.n);
}

char *kube_query(Arena *a, const char *path, const char *name, const char *value)
{
    AUTO_STRBUF b = {0};
    strbuf_adds(&b, path);
    if (!str_empty(value)) {
        strbuf_addf(&b, "%c%s=", strchr(path, '?') ? '&' : '?', name);
        add_escaped(&b, value);
    }
    return arena_strndup(a, b.p, b.n);
}

/* ---- versions by discovery ---- */

const char *kube_version(const Kube *k, const KubeKind *kind)
{
    return kind->older ? map_get(k->versions, kind->group) : kind->version;
}

void kube_set_version(Kube *k, const KubeKind *kind, const cJSON *group)
{
    const char *found = NULL;
    const cJSON *v;
    cJSON_ArrayForEach(v, kube_at(group, "versions"))
    {
        const char *name = kube_str(v, "version");
        if (str_eq(name, kind->version))
            found = kind->version;
        else if (!found && str_eq(name, kind->older))
            found = kind->older;
    }
    map_put(k->versions, kind->group, (void *)(found ? found : kind->version));
}

/* ---- life ---- */

ErrCode kube_new(Loop *l, const KubeConfig *cfg, Kube **ret, Error *err)
{
    HttpClientConfig hc = {.ca_pem = cfg->ca_pem,
                           .cert_pem = cfg->cert_pem,
                           .key_pem = cfg->key_pem,
                           .user_agent = cfg->user_agent,
                           .insecure = cfg->insecure};
    HttpClient *http;
    if (str_empty(cfg->server))
        return err_set(err, ERR_INVALID, "kubernetes: no server address");
    if (http_client_new(l, &hc, &http, err))
        return err_wrap(err, "kubernetes");
    Kube *k = xnew(Kube);
    k->l = l;
    k->http = http;
    k->server = xstrdup(cfg->server);
    for (size_t n = strlen(k->server); n && k->server[n - 1] == '/'; n--)
        k->server[n - 1] = 0;
    k->field_manager = xstrdup(str_or(cfg->field_manager, "pg-swarm"));
    k->token_file = str_empty(cfg->token_file) ? NULL : xstrdup(cfg->token_file);
    if (!str_empty(cfg->token))
        set_token(k, sv(cfg->token));
    k->versions = map_new();
    *ret = k;
    return ERR_OK;
}

void kube_free(Kube *k)
{
    if (!k)
        return;
    while (k->calls)
        kube_cancel(k->calls);
    http_client_free(k->http);
    map_free(k->versions);
    free(k->server);
    free(k->field_manager);
    free(k->auth_header);
    free(k->token_file);
    free(k);
}

Loop *kube_loop(const Kube *k)
{
    return k->l;
}
