/* central/config.h - what central is told by its environment and its options (PGSWARM_X is --x). */
#pragma once
#include "core/log.h"
#include "core/strmap.h"

typedef struct Config {
    const char *database_url;
    const char *http_addr, *grpc_addr;
    const char *grpc_plaintext_addr; /* "": no such listener */
    const char *key_file;
    const char *tls_names; /* comma list of names and addresses for the server certificate */
    bool http_tls;
    LogLevel log_level;
    int64_t event_days;  /* events are kept so long */
    const char *service; /* "" or what to do instead of serving: "init", "ca", "dump" */
    /* init */
    const char *admin, *password_file, *ca_out, *token_out;
    /* dump */
    const char *dump;
} Config;

typedef enum ConfigVerdict { CONFIG_RUN, CONFIG_HELP, CONFIG_VERSION } ConfigVerdict;
/* Options win over the environment; strings live in the arena. */
ErrCode config_load(Arena *a, int argc, char **argv, Config *ret, ConfigVerdict *ret_verdict,
                    Error *err) MUST_USE;
/* Text of --help. */
char *config_help(Arena *a);
/* "DNS:name" / "IP:addr" for the server certificate, ends with NULL. localhost is always there. */
const char *const *config_sans(Arena *a, const Config *cfg);
