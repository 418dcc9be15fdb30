#include "inspector/accounts.h"

#define TIDY_US (G_USEC_PER_SEC / 2) /* no more often: it looks at all of them */

struct PosternAccounts {
    guint maximum;
    GTree *accounts; /* PosternAccountKey in the account -> PosternAccount *, owned */
    PosternAccount shared;
    gint64 tidied;
};

static gint compare(gconstpointer a, gconstpointer b, gpointer user_data)
{
    const PosternAccountKey *one = a, *other = b;
    if (one->user != other->user)
        return one->user < other->user ? -1 : 1;
    return one->client < other->client ? -1 : one->client > other->client;
}

PosternAccounts *postern_accounts_new(guint maximum)
{
    PosternAccounts *accounts = g_new0(PosternAccounts, 1);
    accounts->maximum = maximum;
    accounts->accounts = g_tree_new_full(compare, NULL, NULL, g_free);
    return accounts;
}

void postern_accounts_free(PosternAccounts *accounts)
{
    if (accounts == NULL)
        return;
    g_tree_unref(accounts->accounts);
    g_free(accounts);
}

typedef struct {
    gint64 now;
    GPtrArray *idle;
} Tidying;

static gboolean note_idle(gpointer key, gpointer account, gpointer data)
{
    Tidying *tidying = data;
    if (postern_account_is_idle(account, tidying->now))
        g_ptr_array_add(tidying->idle, key);
    return FALSE;
}

static void tidy(PosternAccounts *accounts, gint64 now)
{
    g_autoptr(GPtrArray) idle = g_ptr_array_new();
    Tidying tidying = {.now = now, .idle = idle};
    accounts->tidied = now;
    g_tree_foreach(accounts->accounts, note_idle, &tidying);
    for (guint i = 0; i < idle->len; i++)
        g_tree_remove(accounts->accounts, g_ptr_array_index(idle, i));
}

PosternAccount *postern_accounts_get(PosternAccounts *accounts, const PosternAccountKey *key, gint64 now)
{
    PosternAccount *account = g_tree_lookup(accounts->accounts, key);
    if (account != NULL)
        return account;
    if (postern_accounts_length(accounts) >= accounts->maximum && now - accounts->tidied >= TIDY_US)
        tidy(accounts, now);
    if (postern_accounts_length(accounts) >= accounts->maximum)
        return &accounts->shared;
    account = g_new0(PosternAccount, 1);
    account->key = *key;
    g_tree_insert(accounts->accounts, &account->key, account);
    return account;
}

guint postern_accounts_length(const PosternAccounts *accounts)
{
    return (guint)g_tree_nnodes(accounts->accounts);
}
