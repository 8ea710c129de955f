/* central/svc/rules.h - a rule is written, its clusters made, and an audit row with it, all or
 * nothing. */
#pragma once
#include "store/audit.h"
#include "store/rules.h"

typedef struct RuleSave {
    RuleWrite write;
    AuditNew audit;
} RuleSave;
void rule_save(App *app, Arena *a, const RuleSave *in, RuleDone done, void *ctx);
