#include "model/hba.h"
#include "model/cidr.h"

/* A field of a line: one or more tokens with commas between, as written, quotes and all. */
typedef struct Field {
    const char *text;
    bool quoted;
} Field;
enum { FIELDS_MAX = 24, LINE_MAX_BYTES = 2000 };

typedef struct Line {
    Field at[FIELDS_MAX];
    size_t n;
} Line;

static ErrCode bad(Error *err, const char *what)
{
    return err_set(err, ERR_INVALID, "%s", what);
}

/* One field from *p; stops at blanks outside quotes. A comma joins what follows, blanks or not. */
static ErrCode next_field(Arena *a, const char **p, Field *f, Error *err)
{
    AUTO_STRBUF b = {0};
    bool in_quotes = false, quoted = false;
    const char *s = *p;
    for (; *s; s++) {
        if (*s == '"') {
            in_quotes = !in_quotes;
            quoted = true;
        } else if (!in_quotes && (*s == ' ' || *s == '\t')) {
            if (!b.n || b.p[b.n - 1] != ',')
                break;
            continue;
        } else if (!in_quotes && *s == '#') {
            break;
        }
        strbuf_addc(&b, *s);
    }
    if (in_quotes)
        return bad(err, "closed quotes");
    if (b.n && b.p[b.n - 1] == ',')
        return bad(err, "a name behind the comma");
    *p = s;
    f->quoted = quoted;
    f->text = arena_strdup(a, strbuf_str(&b));
    return ERR_OK;
}

/* Words that quoting does not change. */
static const char *unquoted(Arena *a, const Field *f)
{
    AUTO_STRBUF b = {0};
    if (!f->quoted)
        return f->text;
    for (const char *p = f->text; *p; p++)
        if (*p != '"')
            strbuf_addc(&b, *p);
    return arena_strdup(a, strbuf_str(&b));
}

static ErrCode split(Arena *a, const char *line, Line *ret, Error *err)
{
    const char *p = line;
    if (strlen(line) > LINE_MAX_BYTES)
        return bad(err, "at most 2000 bytes");
    for (const char *c = line; *c; c++)
        if (((unsigned char)*c < 0x20 && *c != '\t') || *c == 0x7F)
            return bad(err, "one line without control characters");
    while (*p) {
        while (*p == ' ' || *p == '\t')
            p++;
        if (!*p || *p == '#')
            break;
        if (ret->n == FIELDS_MAX)
            return bad(err, "at most 24 fields");
        if (next_field(a, &p, &ret->at[ret->n], err))
            return err->code;
        ret->n++;
    }
    if (ret->n && str_ends(line, "\\"))
        return bad(err, "one whole rule on a line: continuation by '\\' is not accepted");
    return ret->n ? ERR_OK : err_set(err, ERR_NOT_FOUND, "no rule on this line");
}

static bool type_of(const char *s, HbaType *ret)
{
    static const char *const names[] = {"local",     "host",       "hostssl",
                                        "hostnossl", "hostgssenc", "hostnogssenc"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], s) == 0) {
            *ret = (HbaType)i;
            return true;
        }
    return false;
}

static const char *type_name(HbaType t)
{
    static const char *const names[] = {"local",     "host",       "hostssl",
                                        "hostnossl", "hostgssenc", "hostnogssenc"};
    return names[t];
}

/* Each name of a list: not empty, no file include, regular expressions only where they exist. */
static ErrCode check_names(const char *what, const char *text, unsigned major, Error *err)
{
    StrView rest = sv(text);
    do {
        StrView name = sv_cut(&rest, ',');
        if (!name.n)
            return err_set(err, ERR_INVALID, "%s: a name on each side of a comma", what);
        if (*name.p == '@')
            return err_set(err, ERR_INVALID, "%s: names; an included file (@) is not there", what);
        if (*name.p == '/' && major < 16)
            return err_set(err, ERR_INVALID, "%s: names; regular expressions need PostgreSQL 16",
                           what);
    } while (rest.p);
    return ERR_OK;
}

static bool host_name(const char *s)
{
    if (!*s || strlen(s) > 253)
        return false;
    for (; *s; s++)
        if (!((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || (*s >= '0' && *s <= '9') ||
              *s == '-' || *s == '.' || *s == '_'))
            return false;
    return true;
}

/* The mask must be ones, then zeros. */
static bool mask_bits(const char *s, bool v6, unsigned *ret)
{
    Cidr m;
    if (!cidr_parse(s, false, &m) || m.v6 != v6 || strchr(s, '/'))
        return false;
    unsigned bits = 0, len = v6 ? 128 : 32;
    while (bits < len && m.addr[bits / 8] & (0x80 >> bits % 8))
        bits++;
    for (unsigned i = bits; i < len; i++)
        if (m.addr[i / 8] & (0x80 >> i % 8))
            return false;
    *ret = bits;
    return true;
}

/* The address, in one field or with a mask in the next; *i moves behind it. */
static ErrCode parse_address(Arena *a, const Line *l, size_t *i, HbaRule *r, Error *err)
{
    Cidr c;
    unsigned bits;
    if (*i >= l->n)
        return bad(err, "an address behind the user: a network like 10.0.0.0/8, all, samehost, "
                        "samenet or a host name");
    const char *text = unquoted(a, &l->at[*i]);
    *i += 1;
    r->address = text;
    if (str_eq(text, "all") || str_eq(text, "samehost") || str_eq(text, "samenet"))
        return ERR_OK;
    bool numeric = cidr_parse(text, false, &c);
    if (numeric && strchr(text, '/'))
        return ERR_OK;
    if (numeric) {
        if (*i >= l->n || !mask_bits(l->at[*i].text, c.v6, &bits))
            return err_set(err, ERR_INVALID, "a network like %s/%d, or a mask behind the address",
                           text, c.v6 ? 128 : 32);
        r->address = arena_printf(a, "%s/%u", text, bits);
        *i += 1;
        return ERR_OK;
    }
    if (strchr(text, '/') || strchr(text, ':') || strspn(text, "0123456789.") == strlen(text))
        return err_set(err, ERR_INVALID, "address \"%s\": a network like 10.0.0.0/8 or ::1/128",
                       text);
    return host_name(text)
               ? ERR_OK
               : err_set(err, ERR_INVALID, "address \"%s\": a network or a host name", text);
}

/* Where a method may stand. */
enum { ANY = 0, LOCAL_ONLY = 1, HOST_ONLY = 2, SSL_ONLY = 4 };
static const struct {
    const char *name;
    unsigned since, until, where;
    const char *needs; /* an option without which PostgreSQL refuses the line */
} methods[] = {
    {"trust", 0, 99, ANY, NULL},         {"reject", 0, 99, ANY, NULL},
    {"scram-sha-256", 0, 99, ANY, NULL}, {"md5", 0, 99, ANY, NULL},
    {"password", 0, 99, ANY, NULL},      {"gss", 0, 99, HOST_ONLY, NULL},
    {"ident", 0, 99, ANY, NULL},         {"peer", 0, 99, LOCAL_ONLY, NULL},
    {"ldap", 0, 99, ANY, "ldap"},        {"radius", 0, 18, ANY, "radiusservers="},
    {"cert", 0, 99, SSL_ONLY, NULL},     {"pam", 0, 99, ANY, NULL},
    {"oauth", 18, 99, ANY, "issuer="},
};

static bool has_option(const HbaRule *r, const char *prefix)
{
    for (size_t i = 0; i < r->options.n; i++)
        if (str_starts(r->options.at[i], prefix))
            return true;
    return false;
}

static ErrCode check_method(const HbaRule *r, unsigned major, Error *err)
{
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (strcmp(methods[i].name, r->method) != 0 || major < methods[i].since ||
            major > methods[i].until)
            continue;
        if (methods[i].where == LOCAL_ONLY && r->type != HBA_LOCAL)
            return err_set(err, ERR_INVALID, "method %s: only on local lines", r->method);
        if (methods[i].where == HOST_ONLY && r->type == HBA_LOCAL)
            return err_set(err, ERR_INVALID, "method %s: only on host lines", r->method);
        if (methods[i].where == SSL_ONLY && r->type != HBA_HOSTSSL)
            return err_set(err, ERR_INVALID, "method %s: only on hostssl lines", r->method);
        if (methods[i].needs && !has_option(r, methods[i].needs))
            return err_set(err, ERR_INVALID, "method %s: the option %s...", r->method,
                           methods[i].needs);
        return ERR_OK;
    }
    return err_set(err, ERR_INVALID,
                   "method \"%.60s\": scram-sha-256, md5, password, cert, reject, trust, peer, "
                   "ident, gss, ldap, radius or pam",
                   r->method);
}

static ErrCode parse_options(Arena *a, const Line *l, size_t i, HbaRule *r, Error *err)
{
    for (; i < l->n; i++) {
        const char *eq = strchr(l->at[i].text, '=');
        if (!eq || eq == l->at[i].text)
            return err_set(err, ERR_INVALID, "option \"%.60s\": name=value", l->at[i].text);
        strlist_add(a, &r->options, l->at[i].text);
    }
    return ERR_OK;
}

ErrCode hba_parse(Arena *a, const char *line, unsigned major, HbaRule *ret, Error *err)
{
    Line l = {.n = 0};
    HbaRule r = {.address = ""};
    Error own = {0};
    size_t i = 3;
    err = err ? err : &own;
    if (split(a, line, &l, err))
        return err->code;
    if (!type_of(unquoted(a, &l.at[0]), &r.type))
        return err_set(err, ERR_INVALID,
                       "type \"%.40s\": local, host, hostssl, hostnossl, hostgssenc or "
                       "hostnogssenc",
                       l.at[0].text);
    if (l.n < 4)
        return bad(err, r.type == HBA_LOCAL ? "local DATABASE USER METHOD"
                                            : "TYPE DATABASE USER ADDRESS METHOD");
    r.databases = l.at[1].text;
    r.users = l.at[2].text;
    if (check_names("database", r.databases, major, err) ||
        check_names("user", r.users, major, err))
        return err->code;
    if (r.type != HBA_LOCAL && parse_address(a, &l, &i, &r, err))
        return err->code;
    if (i >= l.n)
        return bad(err, "a method at the end, like scram-sha-256");
    r.method = unquoted(a, &l.at[i]);
    if (parse_options(a, &l, i + 1, &r, err) || check_method(&r, major, err))
        return err->code;
    *ret = r;
    return ERR_OK;
}

char *hba_text(Arena *a, const HbaRule *r)
{
    AUTO_STRBUF b = {0};
    strbuf_addf(&b, "%s %s %s", type_name(r->type), r->databases, r->users);
    if (!str_empty(r->address))
        strbuf_addf(&b, " %s", r->address);
    strbuf_addf(&b, " %s", r->method);
    for (size_t i = 0; i < r->options.n; i++)
        strbuf_addf(&b, " %s", r->options.at[i]);
    return arena_strdup(a, strbuf_str(&b));
}

char *hba_quote(Arena *a, const char *name)
{
    /* A quote inside a name is written twice, which all majors read as one. */
    AUTO_STRBUF b = {0};
    strbuf_addc(&b, '"');
    for (; *name; name++) {
        if (*name == '"')
            strbuf_addc(&b, '"');
        strbuf_addc(&b, *name);
    }
    strbuf_addc(&b, '"');
    return arena_strdup(a, strbuf_str(&b));
}
