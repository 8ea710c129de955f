/* satellite manifest: what a new site applies with kubectl. */
#include "api/routes.h"
#include "cmds.h"
#include "core/file.h"
#include "out.h"
#include "satellite_manifest.h"

enum { CA_MAX = 65536 };

/* --ca, else the CA that the context trusts: central signs both its listeners with the same. */
static ErrCode find_ca(Cli *c, const char **ret, Error *err)
{
    const char *file = cli_opt(c, "ca");
    StrView pem;
    if (file) {
        if (file_read(c->arena, file, CA_MAX, &pem, err))
            return err->code;
        *ret = pem.p;
        return ERR_OK;
    }
    if (context_load(c, err))
        return err_wrap(err, "central's CA: give --ca FILE or log in");
    if (!c->ctx.ca_pem)
        return err_set(err, ERR_INVALID,
                       "ca: context %s has none, --ca FILE is right (pg-swarm-central ca)",
                       c->ctx.name);
    *ret = c->ctx.ca_pem;
    return ERR_OK;
}

static const char *labels_of(Cli *c)
{
    AUTO_STRBUF b = {0};
    const char *word;
    for (size_t i = 0; (word = cli_opt_at(c, "label", i)); i++)
        strbuf_addf(&b, "%s%s", i ? "," : "", word);
    return b.n ? arena_strdup(c->arena, strbuf_str(&b)) : NULL;
}

/* A token of central's that admits this site. Its labels are central's word, so that a site cannot
 * give itself others with it. */
static ErrCode make_token(Cli *c, const char *name, const char **ret, Error *err)
{
    Reply r;
    const char *word, *ttl = cli_opt(c, "token-valid");
    uint64_t ms = 24 * 3600 * 1000;
    if (cli_flag(c, "no-token")) {
        *ret = NULL;
        return ERR_OK;
    }
    if (ttl && cli_duration(ttl, &ms, err))
        return err_wrap(err, "token-valid");
    if (context_load(c, err))
        return err_wrap(err, "an enrolment token: log in, or give --no-token");
    cJSON *body = json_own(c->arena, cJSON_CreateObject());
    cJSON_AddStringToObject(body, "name", name);
    cJSON_AddNumberToObject(body, "ttl_hours", (double)((ms + 3599999) / 3600000));
    cJSON *labels = cJSON_AddObjectToObject(body, "labels");
    for (size_t i = 0; (word = cli_opt_at(c, "label", i)); i++) {
        StrView value = sv(word), key = sv_cut(&value, '=');
        cJSON_AddStringToObject(labels, sv_dup(c->arena, key), value.p ? value.p : "");
    }
    if (rest_call(c, &(RestReq){"POST", api_path(c->arena, API_ENROLMENT_CREATE, NULL), body}, &r,
                  err))
        return err_wrap(err, "an enrolment token");
    *ret = json_str_at(r.json, "token", NULL);
    cli_say(c, "the enrolment token in it admits %s once, until %s", name,
            json_str_at(r.json, "expires_at", "?"));
    return ERR_OK;
}

static int manifest_run(Cli *c)
{
    Error err;
    YamlDocs docs;
    SatelliteSite site = {.name = cli_arg(c, 0),
                          .central = cli_opt(c, "central"),
                          .central_name = cli_opt(c, "central-name"),
                          .region = cli_opt(c, "region"),
                          .labels = labels_of(c),
                          .service_type = cli_opt(c, "service-type"),
                          .image = cli_opt(c, "image"),
                          .sidecar_image = cli_opt(c, "sidecar-image")};
    if (!site.central) {
        err_set(&err, ERR_USAGE, "--central HOST:PORT is needed: where the site reaches central");
        return cli_fail(c, &err);
    }
    /* What is wrong is told before central makes a token for it. */
    if (find_ca(c, &site.ca_pem, &err) || satellite_manifest(c->arena, &site, &docs, &err) ||
        make_token(c, site.name, &site.enrolment_token, &err) ||
        satellite_manifest(c->arena, &site, &docs, &err))
        return cli_fail(c, &err);
    AUTO_STRBUF out = {0};
    for (size_t i = 0; i < docs.n; i++) {
        if (i)
            strbuf_adds(&out, "---\n");
        yaml_write(&out, docs.at[i]);
    }
    out_text(c, out.p, out.n);
    return 0;
}

static const ArgSpec ARGS[] = {{"NAME", "of the site's Kubernetes", COMP_NONE, false, false}, {0}};
static const OptSpec OPTS[] = {
    {"central", 0, "HOST:PORT", "where the site reaches central's gRPC", COMP_NONE, NULL, false},
    {"central-name", 0, "NAME", "central's name in its certificate (default: HOST)", COMP_NONE,
     NULL, false},
    {"ca", 0, "FILE", "central's CA (default: the context's)", COMP_FILE, NULL, false},
    {"image", 0, "REF", "image of the satellite", COMP_NONE, NULL, false},
    {"sidecar-image", 0, "REF", "image of the failover sidecar", COMP_NONE, NULL, false},
    {"service-type", 0, "TYPE", "of the Services of clusters (default: ClusterIP)", COMP_CHOICE,
     "ClusterIP|NodePort|LoadBalancer", false},
    {"region", 0, "REGION", "shown with the satellite", COMP_NONE, NULL, false},
    {"label", 'l', "KEY=VALUE", "a label it gets; may be given again", COMP_NONE, NULL, true},
    {"no-token", 0, NULL, "without an enrolment token: an admin approves the site", COMP_NONE, NULL,
     false},
    {"token-valid", 0, "TIME", "how long the token works (default: 24h)", COMP_NONE, NULL, false},
    {0}};

const CmdSpec CMD_SATELLITE_MANIFEST = {
    .path = "satellite manifest",
    .aliases = "sat manifest",
    .summary = "Print the manifest of a new site's satellite",
    .about = "Central makes an enrolment token for it: what is applied registers itself and is "
             "admitted at once, under NAME and with these labels. The token works once, for NAME, "
             "for a day; who has it can take that site's place, so the manifest is a secret until "
             "it was applied. With --no-token central is not asked, and the site waits for "
             "satellite approve.",
    .args = ARGS,
    .opts = OPTS,
    .run = manifest_run,
    .offline = true,
    .example =
        "  swarmctl satellite manifest osl-04 --central central.example:9090 | kubectl apply "
        "-f -\n"};
