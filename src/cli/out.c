#include "out.h"

#include "codec/yaml.h"
#include "core/clock.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void out_text(Cli *c, const char *s, size_t n)
{
    (void)c;
    while (n) {
        ssize_t w = write(STDOUT_FILENO, s, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            _exit(errno == EPIPE ? 0 : err_exit(ERR_INTERNAL)); /* `| head` is no failure of ours */
        s += w;
        n -= (size_t)w;
    }
}

/* ---- values ---- */

const char *item_text(Arena *a, const cJSON *item, const char *path)
{
    const cJSON *v = json_at(item, path);
    if (!v || cJSON_IsNull(v))
        return "";
    return cJSON_IsString(v) ? v->valuestring : json_text(a, v);
}

const char *out_bytes(Arena *a, double n)
{
    static const char *const UNITS[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    size_t u = 0;
    while (fabs(n) >= 1024 && u + 1 < sizeof UNITS / sizeof *UNITS)
        n /= 1024, u++;
    return arena_printf(a, u && fabs(n) < 100 ? "%.1f %s" : "%.0f %s", n, UNITS[u]);
}

const char *out_age(Arena *a, const char *rfc3339)
{
    int64_t us;
    if (str_empty(rfc3339) || !clock_parse_rfc3339(rfc3339, &us))
        return "-";
    int64_t s = (clock_wall_us() - us) / 1000000;
    if (s < 0)
        s = 0;
    if (s < 120)
        return arena_printf(a, "%llds", (long long)s);
    if (s < 7200)
        return arena_printf(a, "%lldm", (long long)(s / 60));
    if (s < 172800)
        return arena_printf(a, "%lldh", (long long)(s / 3600));
    return arena_printf(a, "%lldd", (long long)(s / 86400));
}

/* A state is a word with a sign; the colour only helps. */
static const struct {
    const char *state, *sign, *sgr;
} STATES[] = {
    {"running", "", "32"},        {"degraded", "~ ", "33"},   {"failed", "!! ", "31"},
    {"creating", ".. ", "36"},    {"updating", ".. ", "36"},  {"deleting", ".. ", "36"},
    {"paused", "= ", "35"},       {"approved", "", "32"},     {"pending", "? ", "33"},
    {"rejected", "x ", "31"},     {"revoked", "x ", "31"},    {"refused", "!! ", "31"},
    {"applied", "", "32"},        {"error", "! ", "31"},      {"critical", "!! ", "31"},
    {"warning", "~ ", "33"},      {"info", "", ""},           {"done", "", "32"},
    {"waiting", "? ", "33"},      {"scheduled", ".. ", "36"}, {"unknown", "? ", "31"},
    {"rolled_back", "<- ", "33"},
};

static const char *const *state_look(const char *state, const char *ret[2])
{
    ret[0] = "", ret[1] = "";
    for (size_t i = 0; i < sizeof STATES / sizeof *STATES; i++)
        if (str_eq(STATES[i].state, state))
            ret[0] = STATES[i].sign, ret[1] = STATES[i].sgr;
    return ret;
}

const char *out_state(const Cli *c, const char *state)
{
    const char *look[2];
    state_look(state, look);
    if (!c->color || !*look[1])
        return arena_printf(c->arena, "%s%s", look[0], state);
    return arena_printf(c->arena, "\033[%sm%s%s\033[0m", look[1], look[0], state);
}

size_t out_width(const char *s)
{
    size_t n = 0;
    for (; *s; s++) {
        if (*s == '\033') {
            s = strchr(s, 'm');
            if (!s)
                break;
        } else if (((unsigned char)*s & 0xC0) != 0x80) {
            n++;
        }
    }
    return n;
}

static void fold_line(StrBuf *out, StrView line, size_t width)
{
    size_t indent = 0, at = 0;
    while (indent < line.n && line.p[indent] == ' ')
        indent++;
    strbuf_add(out, line.p, indent);
    for (StrView rest = {line.p + indent, line.n - indent}; rest.n;) {
        StrView word = sv_cut(&rest, ' ');
        if (at && width && indent + at + 1 + word.n > width) {
            strbuf_addc(out, '\n');
            strbuf_add(out, line.p, indent);
            at = 0;
        } else if (at) {
            strbuf_addc(out, ' ');
            at++;
        }
        strbuf_add(out, word.p, word.n);
        at += word.n;
    }
    strbuf_addc(out, '\n');
}

void out_fold(StrBuf *out, const char *text, size_t width)
{
    for (StrView rest = sv(text); rest.n;)
        fold_line(out, sv_cut(&rest, '\n'), width);
}

static const char *labels_text(Arena *a, const cJSON *map)
{
    AUTO_STRBUF b = {0};
    const cJSON *kv;
    cJSON_ArrayForEach(kv, map) strbuf_addf(&b, "%s%s=%s", b.n ? "," : "", kv->string,
                                            cJSON_IsString(kv) ? kv->valuestring : "");
    return b.n ? arena_strdup(a, b.p) : "-";
}

static const char *cell(Cli *c, const Column *col, const cJSON *item)
{
    Arena *a = c->arena;
    if (col->fn)
        return col->fn(a, item);
    const cJSON *v = json_at(item, col->path);
    if (!v || cJSON_IsNull(v))
        return "-";
    const char *text = item_text(a, item, col->path);
    switch (col->kind) {
    case COL_STATE:
        return out_state(c, text);
    case COL_BYTES:
        return cJSON_IsNumber(v) ? out_bytes(a, v->valuedouble) : text;
    case COL_SECONDS:
        return cJSON_IsNumber(v) ? arena_printf(a, "%.1fs", v->valuedouble) : text;
    case COL_AGE:
        return out_age(a, text);
    case COL_TIME:
        return strlen(text) >= 19 ? arena_strndup(a, text, 19) : text;
    case COL_LABELS:
        return labels_text(a, v);
    case COL_BOOL:
        return cJSON_IsTrue(v) ? "yes" : "no";
    case COL_TEXT:
        break;
    }
    return *text ? text : "-";
}

/* ---- formats ---- */

static const char *format(const Cli *c)
{
    return str_or(cli_opt(c, "output"), "table");
}

static void print_tree(Cli *c, const cJSON *tree, bool pretty)
{
    char *text = pretty ? cJSON_Print(tree) : cJSON_PrintUnformatted(tree);
    out_text(c, text, strlen(text));
    out_text(c, "\n", 1);
    cJSON_free(text);
}

static void print_yaml(Cli *c, const cJSON *tree)
{
    AUTO_STRBUF b = {0};
    yaml_write(&b, tree);
    out_text(c, strbuf_str(&b), b.n);
}

static int print_jsonpath(Cli *c, const cJSON *tree, const char *tmpl)
{
    Error err;
    AUTO_STRBUF b = {0};
    if (jsonpath_print(tree, tmpl, &b, &err))
        return cli_fail(c, &err);
    if (b.n && c->tty_out && b.p[b.n - 1] != '\n')
        strbuf_addc(&b, '\n');
    out_text(c, strbuf_str(&b), b.n);
    return 0;
}

/* The formats that need no columns; -1 when it is another one. */
static int print_plain(Cli *c, const cJSON *tree, const char *fmt)
{
    if (str_eq(fmt, "json"))
        print_tree(c, tree, true);
    else if (str_eq(fmt, "yaml"))
        print_yaml(c, tree);
    else if (str_starts(fmt, "jsonpath="))
        return print_jsonpath(c, tree, fmt + strlen("jsonpath="));
    else
        return -1;
    return 0;
}

int out_tree(Cli *c, const cJSON *tree)
{
    const char *fmt = format(c);
    int rc = print_plain(c, tree, fmt);
    if (rc < 0)
        print_tree(c, tree, true);
    return rc < 0 ? 0 : rc;
}

static void csv_cell(StrBuf *b, const char *s)
{
    if (!strpbrk(s, ",\"\n")) {
        strbuf_adds(b, s);
        return;
    }
    strbuf_addc(b, '"');
    for (; *s; s++) {
        if (*s == '"')
            strbuf_addc(b, '"');
        strbuf_addc(b, *s);
    }
    strbuf_addc(b, '"');
}

static void print_csv(Cli *c, const Column *cols, const cJSON *items)
{
    AUTO_STRBUF b = {0};
    const cJSON *item;
    c->color = false;
    for (const Column *col = cols; col->head; col++)
        strbuf_addf(&b, "%s%s", col == cols ? "" : ",", col->head);
    strbuf_addc(&b, '\n');
    cJSON_ArrayForEach(item, items)
    {
        for (const Column *col = cols; col->head; col++) {
            if (col != cols)
                strbuf_addc(&b, ',');
            csv_cell(&b, col->path ? item_text(c->arena, item, col->path) : cell(c, col, item));
        }
        strbuf_addc(&b, '\n');
    }
    out_text(c, strbuf_str(&b), b.n);
}

enum { COLS_MAX = 24 };

static void print_table(Cli *c, const Column *cols, const cJSON *items, bool wide)
{
    const Column *use[COLS_MAX];
    size_t width[COLS_MAX], ncols = 0, row = 0;
    size_t nrows = (size_t)cJSON_GetArraySize(items);
    for (const Column *col = cols; col->head && ncols < COLS_MAX; col++)
        if (wide || !col->wide) {
            width[ncols] = strlen(col->head);
            use[ncols++] = col;
        }
    const char **cells = arena_array(c->arena, const char *, nrows *ncols + 1);
    const cJSON *item;
    cJSON_ArrayForEach(item, items)
    {
        for (size_t i = 0; i < ncols; i++) {
            const char *text = cell(c, use[i], item);
            cells[row * ncols + i] = text;
            size_t w = out_width(text);
            if (w > width[i])
                width[i] = w;
        }
        row++;
    }
    AUTO_STRBUF b = {0};
    for (size_t r = 0; r <= nrows; r++) {
        if (r == 0 && cli_flag(c, "no-headers"))
            continue;
        for (size_t i = 0; i < ncols; i++) {
            const char *text = r ? cells[(r - 1) * ncols + i] : use[i]->head;
            int pad = (int)(width[i] - out_width(text));
            if (use[i]->right)
                strbuf_addf(&b, "%*s%s", pad, "", text);
            else if (i + 1 < ncols)
                strbuf_addf(&b, "%s%*s", text, pad, "");
            else
                strbuf_adds(&b, text);
            strbuf_adds(&b, i + 1 < ncols ? "  " : "\n");
        }
    }
    out_text(c, strbuf_str(&b), b.n);
}

void out_table(Cli *c, const Column *cols, const cJSON *items)
{
    print_table(c, cols, items, false);
}

static void print_names(Cli *c, const char *prefix, const cJSON *item)
{
    const char *name = item_text(c->arena, item, "name"),
               *sat = item_text(c->arena, item, "satellite");
    const char *id = *name ? name : item_text(c->arena, item, "id");
    const char *line = str_eq(prefix, "cluster/") && *sat
                           ? arena_printf(c->arena, "%s%s/%s@%s\n", prefix,
                                          item_text(c->arena, item, "namespace"), id, sat)
                           : arena_printf(c->arena, "%s%s\n", prefix, id);
    out_text(c, line, strlen(line));
}

int out_list(Cli *c, const Column *cols, cJSON *items, const char *name_prefix)
{
    const char *fmt = format(c);
    cJSON *tree = cJSON_CreateObject();
    cJSON_AddItemReferenceToObject(tree, "items", items);
    int rc = print_plain(c, tree, fmt);
    cJSON_Delete(tree);
    if (rc >= 0)
        return rc;
    const cJSON *item;
    if (str_eq(fmt, "name")) {
        cJSON_ArrayForEach(item, items) print_names(c, name_prefix, item);
    } else if (str_eq(fmt, "ndjson")) {
        cJSON_ArrayForEach(item, items) print_tree(c, item, false);
    } else if (str_eq(fmt, "csv")) {
        print_csv(c, cols, items);
    } else if (cJSON_GetArraySize(items) == 0) {
        cli_say(c, "none");
    } else {
        print_table(c, cols, items, str_eq(fmt, "wide"));
    }
    return 0;
}

bool out_for_people(const Cli *c)
{
    return str_eq(format(c), "table") || str_eq(format(c), "wide");
}

int out_object(Cli *c, cJSON *obj, const char *name_prefix, void (*show)(Cli *, const cJSON *))
{
    const char *fmt = format(c);
    int rc = print_plain(c, obj, fmt);
    if (rc >= 0)
        return rc;
    if (str_eq(fmt, "name"))
        print_names(c, name_prefix, obj);
    else if (str_eq(fmt, "ndjson"))
        print_tree(c, obj, false);
    else if (show)
        show(c, obj);
    else
        print_tree(c, obj, true);
    return 0;
}
