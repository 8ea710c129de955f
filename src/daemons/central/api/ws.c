#include "api/call.h"
#include "hub/hub.h"

void api_WS(ApiCall *c)
{
    HubJoin join = {.topics = call_query(c, "topics")};
    const char *cursor = call_query(c, "cursor");
    Error err;
    if (!http_is_ws(c->http)) {
        err_set(&err, ERR_USAGE, "this is a WebSocket: send Upgrade: websocket");
        call_reply_err(c, &err);
        return;
    }
    if (hub_check(join.topics, &err)) {
        call_reply_err(c, &err);
        return;
    }
    if (cursor && (!str_to_i64(cursor, &join.cursor) || join.cursor < 0)) {
        call_reply_bad(c, "cursor", cursor, "the cursor of the message seen last");
        return;
    }
    hub_join(c->app->hub, call_take(c, 101), &join);
}
