/* core/limits.h - limits at the door. Everything from outside is cut here, so that nothing inside
 * needs to fear its size. */
#pragma once

enum {
    LIMIT_LOG_LINE = 32 * 1024,
    LIMIT_HTTP_LINE = 8 * 1024,     /* request line */
    LIMIT_HTTP_HEADERS = 16 * 1024, /* all header bytes of one message, name + value + 32 each */
    LIMIT_HTTP_HEADER_COUNT = 100,
    LIMIT_HTTP_BODY = 1024 * 1024,
    LIMIT_GRPC_MESSAGE = 4 * 1024 * 1024,
    LIMIT_GRPC_QUEUE = 1000,      /* messages waiting to be sent on one stream */
    LIMIT_WS_MESSAGE = 64 * 1024, /* from a client */
    LIMIT_JSON_DEPTH = 32,
    LIMIT_JSON_BODY = LIMIT_HTTP_BODY,
    LIMIT_LIST_PAGE = 500,
    LIMIT_KUBE_OBJECT = 1536 * 1024, /* etcd's own request limit */
    LIMIT_OUT_HIGH = 256 * 1024,     /* unsent bytes after which a connection stops being read */
};
