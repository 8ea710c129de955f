/* store/patch.h - the three patches, on trees; pure. The patched tree is not validated here. */
#pragma once
#include "store/schema.h"

enum { PATCH_OPS = 10000 };
/* RFC 6902. *doc is replaced; on an error it is in an undefined but valid state. INVALID when an
 * operation cannot be done or a test fails, MALFORMED when the patch is no patch. */
ErrCode patch_json(cJSON **doc, const cJSON *patch, Error *err) MUST_USE;
/* RFC 7386: the new tree. */
cJSON *patch_merge(const cJSON *target, const cJSON *patch);
/* Kubernetes' strategic merge: lists by merge key, $patch, $retainKeys, $deleteFromPrimitiveList,
 * $setElementOrder. Changes target. */
ErrCode patch_strategic(const Type *t, cJSON *target, const cJSON *patch, Error *err) MUST_USE;
