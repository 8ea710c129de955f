/* controllers/revision.h - ControllerRevisions of a StatefulSet: one per pod template that it had.
 */
#pragma once
#include "controllers/ctl.h"

/* The revision of the template as it is now, made when there is none; `*ret_name` lives in `a`. An
 * older one with the same template comes back with a new number, as an undo does it. */
ErrCode revision_current(Ctl *c, Arena *a, const Obj *sts, const char **ret_name,
                         Error *err) MUST_USE;
/* The template of a named revision; NULL when it is gone. */
const cJSON *revision_template(Ctl *c, Arena *a, const Obj *sts, const char *name);
/* Remove the oldest beyond revisionHistoryLimit, but neither of those two. */
ErrCode revision_trim(Ctl *c, Arena *a, const Obj *sts, const char *keep1, const char *keep2,
                      Error *err) MUST_USE;
