#include "render/tpl.h"

#include "codec/json_out.h"
#include <stdarg.h>

static void add_text(StrBuf *b, StrView s, bool quoted)
{
    if (quoted)
        strbuf_addc(b, '"');
    json_escape(b, s);
    if (quoted)
        strbuf_addc(b, '"');
}

static void add_tree(StrBuf *b, cJSON *item)
{
    char *text = item ? cJSON_PrintUnformatted(item) : NULL;
    strbuf_adds(b, text ? text : "null");
    cJSON_free(text);
    cJSON_Delete(item);
}

static void add_arg(StrBuf *b, char what, va_list *ap)
{
    const char *s;
    switch (what) {
    case 's':
        s = va_arg(*ap, const char *);
        if (s)
            add_text(b, sv(s), true);
        else
            strbuf_adds(b, "null");
        break;
    case 'S':
        s = va_arg(*ap, const char *);
        add_text(b, sv(s ? s : ""), false);
        break;
    case 'v':
        add_text(b, va_arg(*ap, StrView), true);
        break;
    case 'd':
        strbuf_addf(b, "%d", va_arg(*ap, int));
        break;
    case 'b':
        strbuf_adds(b, va_arg(*ap, int) ? "true" : "false");
        break;
    case 'j':
        add_tree(b, va_arg(*ap, cJSON *));
        break;
    default:
        BUG("template: %%%c", what);
    }
}

cJSON *tpl(const char *template, ...)
{
    AUTO_STRBUF b = {0};
    va_list ap;
    va_start(ap, template);
    for (const char *p = template; *p; p++) {
        if (*p == '%')
            add_arg(&b, *++p, &ap);
        else
            strbuf_addc(&b, *p == '\'' ? '"' : *p);
    }
    va_end(ap);
    cJSON *out = cJSON_Parse(strbuf_str(&b));
    if (!out)
        BUG("template is not JSON near: %.80s", cJSON_GetErrorPtr());
    return out;
}

void tpl_add(cJSON *obj, const char *key, cJSON *item)
{
    if (item)
        cJSON_AddItemToObject(obj, key, item);
}
