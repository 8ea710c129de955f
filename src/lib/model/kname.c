#include "model/kname.h"

static bool lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool alnum(char c)
{
    return lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

static bool label_n(const char *s, size_t n)
{
    if (n < 1 || n > 63 || !lower_alnum(s[0]) || !lower_alnum(s[n - 1]))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!lower_alnum(s[i]) && s[i] != '-')
            return false;
    return true;
}

bool kname_label(const char *s)
{
    return s && label_n(s, strlen(s));
}

bool kname_cluster(const char *s)
{
    /* StatefulSet names become part of a pod's host name, which must not start with a digit in
     * every tool that meets it. */
    return kname_label(s) && strlen(s) <= CLUSTER_NAME_MAX && !(s[0] >= '0' && s[0] <= '9');
}

static bool subdomain_n(const char *s, size_t n)
{
    StrView rest = sv_n(s, n);
    if (n < 1 || n > 253 || s[n - 1] == '.')
        return false;
    while (rest.n) {
        StrView part = sv_cut(&rest, '.');
        if (!label_n(part.p, part.n))
            return false;
    }
    return true;
}

bool kname_subdomain(const char *s)
{
    return s && subdomain_n(s, strlen(s));
}

static bool label_word(const char *s, size_t n)
{
    if (n < 1 || n > 63 || !alnum(s[0]) || !alnum(s[n - 1]))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!alnum(s[i]) && !memchr("-_.", s[i], 3))
            return false;
    return true;
}

bool kname_label_value(const char *s)
{
    return s && (!*s || label_word(s, strlen(s)));
}

bool kname_label_key(const char *s)
{
    const char *slash = s ? strchr(s, '/') : NULL;
    if (!s)
        return false;
    if (!slash)
        return label_word(s, strlen(s));
    return subdomain_n(s, (size_t)(slash - s)) && label_word(slash + 1, strlen(slash + 1));
}

bool kname_identifier(const char *s)
{
    size_t n = s ? strlen(s) : 0;
    if (n < 1 || n > 63 || !utf8_valid(s, n))
        return false;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] < 0x20 || s[i] == 0x7F)
            return false;
    return true;
}

/* ---- image references, by the grammar of distribution/reference ---- */

static bool host_n(const char *s, size_t n)
{
    StrView rest = sv_n(s, n), host = sv_cut(&rest, ':');
    uint64_t port;
    char text[8];
    if (rest.p) {
        if (rest.n < 1 || rest.n > 5)
            return false;
        memcpy(text, rest.p, rest.n);
        text[rest.n] = '\0';
        if (!str_to_u64(text, &port) || port < 1 || port > 65535)
            return false;
    }
    for (size_t i = 0; i < host.n; i++)
        if (!alnum(host.p[i]) && host.p[i] != '-' && host.p[i] != '.')
            return false;
    return host.n >= 1 && host.n <= 253 && alnum(host.p[0]) && alnum(host.p[host.n - 1]);
}

static bool path_part(StrView p)
{
    if (!p.n || !lower_alnum(p.p[0]) || !lower_alnum(p.p[p.n - 1]))
        return false;
    for (size_t i = 0; i < p.n; i++)
        if (!lower_alnum(p.p[i]) && !memchr("._-", p.p[i], 3))
            return false;
    return true;
}

static bool path_n(StrView p)
{
    if (!p.n || p.p[p.n - 1] == '/')
        return false;
    while (p.n)
        if (!path_part(sv_cut(&p, '/')))
            return false;
    return true;
}

static bool tag_n(StrView t)
{
    if (t.n < 1 || t.n > 128 || t.p[0] == '.' || t.p[0] == '-')
        return false;
    for (size_t i = 0; i < t.n; i++)
        if (!alnum(t.p[i]) && !memchr("._-", t.p[i], 3))
            return false;
    return true;
}

static bool digest_n(StrView d)
{
    if (!sv_starts(d, "sha256:") || d.n != 7 + 64)
        return false;
    for (size_t i = 7; i < d.n; i++)
        if (!memchr("0123456789abcdef", d.p[i], 16))
            return false;
    return true;
}

/* Cuts [tag] off the last part of a name. */
static StrView cut_tag(StrView *name)
{
    for (size_t i = name->n; i > 0; i--) {
        if (name->p[i - 1] == '/')
            break;
        if (name->p[i - 1] == ':') {
            StrView tag = sv_n(name->p + i, name->n - i);
            name->n = i - 1;
            return tag;
        }
    }
    return (StrView){0};
}

bool kname_image(const char *s)
{
    if (str_empty(s) || strlen(s) > 512)
        return false;
    StrView digest = sv(s), name = sv_cut(&digest, '@');
    if (digest.p && !digest_n(digest))
        return false;
    StrView tag = cut_tag(&name);
    if (tag.p && !tag_n(tag))
        return false;
    const char *slash = name.n ? memchr(name.p, '/', name.n) : NULL;
    size_t first = slash ? (size_t)(slash - name.p) : 0;
    bool has_host = slash && (memchr(name.p, '.', first) || memchr(name.p, ':', first) ||
                              (first == 9 && memcmp(name.p, "localhost", 9) == 0));
    if (has_host) {
        if (!host_n(name.p, first))
            return false;
        name = sv_n(slash + 1, name.n - first - 1);
    }
    return path_n(name);
}
