/* central/store/rules.h - rows of deployment_rules, and the places they concern. */
#pragma once
#include "store/store.h"

typedef struct RuleRow {
    ApiRule api; /* with its conflicts when rule_find gave it */
    const char *id, *profile_id;
} RuleRow;
typedef void (*RuleDone)(void *ctx, const Error *err, const RuleRow *r);

void rule_find(App *app, PgConn *tx, Arena *a, const char *name, RuleDone done, void *ctx);
/* Items: ApiRule, by name; profile NULL: any. */
void rule_list(App *app, Arena *a, const char *profile, const Page *p, ListDone done, void *ctx);

typedef void (*PreviewDone)(void *ctx, const Error *err, const ApiRulePreview *p);
/* What the rule as given would add, keep and leave; one of that name may be there or not. An
 * unknown profile is ERR_NOT_FOUND. */
void rule_preview(App *app, PgConn *tx, Arena *a, const ApiRule *rule, PreviewDone done, void *ctx);

/* ---- inside a transaction ---- */
typedef struct RuleWrite {
    const ApiRule *rule;
    bool create;
    int64_t if_match; /* 0: any */
} RuleWrite;
/* id in done lives in `a`. Stale if_match: ERR_PRECONDITION; unknown profile: ERR_NOT_FOUND. */
typedef void (*RuleIdDone)(void *ctx, const Error *err, const char *id);
void rule_write(App *app, PgConn *tx, Arena *a, const RuleWrite *w, RuleIdDone done, void *ctx);
void rule_delete(App *app, Arena *a, const char *name, AppDone done, void *ctx);
