/*
 * The accounts of all clients whose mail is inspected or was lately. Bounded; a balanced tree, for external
 * clients choose the keys. Pure.
 */
#pragma once

#include "inspector/account.h"

typedef struct PosternAccounts PosternAccounts;

/* At most maximum accounts; clients for whom there is no room share one. */
PosternAccounts *postern_accounts_new(guint maximum);
void postern_accounts_free(PosternAccounts *accounts);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternAccounts, postern_accounts_free)

/*
 * The account of key; it stays as long as it is not idle (postern_account_is_idle()), and until the next call
 * of this function.
 */
PosternAccount *postern_accounts_get(PosternAccounts *accounts, const PosternAccountKey *key, gint64 now);
guint postern_accounts_length(const PosternAccounts *accounts);
