#include "codec/json.h"
#include "codec/json_out.h"

static void write_item(JsonOut *j, const cJSON *item)
{
    switch (item->type & 0xFF) {
    case cJSON_Object:
        json_obj(j);
        for (const cJSON *c = item->child; c; c = c->next) {
            json_key(j, c->string);
            write_item(j, c);
        }
        json_obj_end(j);
        break;
    case cJSON_Array:
        json_arr(j);
        for (const cJSON *c = item->child; c; c = c->next)
            write_item(j, c);
        json_arr_end(j);
        break;
    case cJSON_String:
        json_str(j, item->valuestring);
        break;
    case cJSON_Number:
        json_f64(j, item->valuedouble);
        break;
    case cJSON_True:
    case cJSON_False:
        json_bool(j, cJSON_IsTrue(item));
        break;
    case cJSON_Raw:
        json_raw(j, sv(item->valuestring));
        break;
    default:
        json_null(j);
    }
}

void json_write(StrBuf *b, const cJSON *item, unsigned indent)
{
    JsonOut j = {.buf = b, .indent = indent};
    write_item(&j, item);
}

char *json_text(Arena *a, const cJSON *item)
{
    AUTO_STRBUF b = {0};
    json_write(&b, item, 0);
    return arena_strndup(a, b.p, b.n);
}
