#include "codec/json_out.h"
#include "codec/yaml.h"

/* Text that reads back as the same text without quotes. What looks like another type, and every
 * word that YAML 1.1 readers take for one, is quoted. */
static bool plain_ok(const char *s)
{
    static const char *const words[] = {"null", "true", "false", "yes", "no", "on",
                                        "off",  "y",    "n",     "~",   NULL};
    if (!*s || strchr("-?:,[]{}#&*!|>'\"%@` .+0123456789=<", *s))
        return false;
    for (size_t i = 0; words[i]; i++)
        if (sv_ieqs(sv(s), words[i]))
            return false;
    for (const char *p = s; *p; p++)
        if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7F || (*p == ':' && p[1] <= ' ') ||
            (*p == '#' && p[-1] == ' ') || (*p == ' ' && !p[1]))
            return false;
    return true;
}

static void add_text(StrBuf *b, const char *s)
{
    if (plain_ok(s)) {
        strbuf_adds(b, s);
        return;
    }
    strbuf_addc(b, '"');
    json_escape(b, sv(s));
    strbuf_addc(b, '"');
}

static void indent_to(StrBuf *b, unsigned n)
{
    while (n--)
        strbuf_adds(b, "  ");
}

/* `level`: of the collection's own lines; `inline_first`: its first line stands behind "- ". */
static void add_item(StrBuf *b, const cJSON *item, unsigned level, bool inline_first);

static void add_members(StrBuf *b, const cJSON *item, unsigned level, bool inline_first)
{
    bool list = cJSON_IsArray(item);
    for (const cJSON *c = item->child; c; c = c->next) {
        if (c != item->child || !inline_first)
            indent_to(b, level);
        if (list) {
            strbuf_adds(b, "- ");
            add_item(b, c, level + 1, true);
            continue;
        }
        add_text(b, c->string);
        strbuf_addc(b, ':');
        if (c->child) {
            strbuf_addc(b, '\n');
            add_item(b, c, cJSON_IsArray(c) ? level : level + 1, false);
        } else {
            strbuf_addc(b, ' ');
            add_item(b, c, level, true);
        }
    }
}

static void add_item(StrBuf *b, const cJSON *item, unsigned level, bool inline_first)
{
    if (item->child) {
        add_members(b, item, level, inline_first);
        return;
    }
    if (cJSON_IsString(item))
        add_text(b, item->valuestring);
    else
        json_write(b, item, 0);
    strbuf_addc(b, '\n');
}

void yaml_write(StrBuf *b, const cJSON *root)
{
    add_item(b, root, 0, true);
}
