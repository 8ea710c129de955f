/* store/write.h - the steps of a write, shared by create, update, patch and delete. */
#pragma once
#include "store/admit.h"
#include "store/store_priv.h"

void write_begin(Admission *ad, Store *s, Arena *a, const StoreWrite *w, Error *err);
/* Types right, unknown fields told, nulls gone; kind and apiVersion filled in. */
ErrCode write_decode(const StoreWrite *w, cJSON *obj, Error *err) MUST_USE;
/* ad->obj is decoded and is taken over on success (then it is NULL). tracked: managedFields are
 * ours to keep; false when apply has set them already. */
ErrCode write_create(Admission *ad, bool tracked, const Obj **ret) MUST_USE;
ErrCode write_update(Admission *ad, const Obj *old, bool tracked, const Obj **ret) MUST_USE;
const char *write_now(Store *s, char buf[32]);
ErrCode write_not_found(Arena *a, const Kind *k, const char *name, Error *err);
/* Marked for deletion and nothing holds it any more. */
bool write_to_be_removed(const Kind *k, const cJSON *obj);
