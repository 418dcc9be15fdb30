#include "base/slab.h"

typedef struct {
    guint64 number;
    guint64 content[3];
} Item;

static guint cleared;

static void on_clear(gpointer item)
{
    g_assert_cmpuint(((Item *)item)->content[2], ==, ((Item *)item)->number);
    cleared++;
}

static Item *take(PosternSlab *slab)
{
    Item *item = postern_slab_take(slab);
    g_assert_cmpuint(item->number, !=, 0);
    g_assert_cmpuint(item->content[2], ==, 0);
    item->content[2] = item->number;
    return item;
}

/* Against a hash table: what is there is found where it was, what was given back never again. */
static void test_model(void)
{
    g_autoptr(PosternSlab) slab = postern_slab_new(sizeof(Item), on_clear);
    g_autoptr(GHashTable) model = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    g_autoptr(GArray) numbers = g_array_new(FALSE, FALSE, sizeof(guint64));
    cleared = 0;
    g_assert_null(postern_slab_find(slab, 0));
    for (guint round = 0; round < 20000; round++) {
        gboolean grows = g_test_rand_int_range(0, 100) < (round / 4000 % 2 == 0 ? 70 : 30);
        if (grows || numbers->len == 0) {
            Item *item = take(slab);
            g_assert_true(g_hash_table_insert(model, g_memdup2(&item->number, sizeof item->number), item));
            g_array_append_val(numbers, item->number);
        } else {
            guint at = (guint)g_test_rand_int_range(0, (gint32)numbers->len);
            guint64 number = g_array_index(numbers, guint64, at);
            g_array_remove_index_fast(numbers, at);
            postern_slab_give_back(slab, number);
            g_hash_table_insert(model, g_memdup2(&number, sizeof number), NULL);
        }
        g_assert_cmpuint(postern_slab_count(slab), ==, numbers->len);
    }
    GHashTableIter iterator;
    gpointer number, item;
    g_hash_table_iter_init(&iterator, model);
    while (g_hash_table_iter_next(&iterator, &number, &item))
        g_assert_true(postern_slab_find(slab, *(guint64 *)number) == item);
    guint before = cleared, left = numbers->len;
    g_clear_pointer(&slab, postern_slab_free);
    g_assert_cmpuint(cleared, ==, before + left);
}

/* A walk meets each item that stays, once, while others come and go. */
static void test_walk(void)
{
    g_autoptr(PosternSlab) slab = postern_slab_new(sizeof(Item), NULL);
    Item *items[200];
    for (guint i = 0; i < G_N_ELEMENTS(items); i++)
        items[i] = take(slab);
    guint at = 0, met = 0;
    for (Item *item; (item = postern_slab_next(slab, &at)) != NULL; met++) {
        if (met == 0)
            for (guint i = 10; i < 150; i++)
                postern_slab_give_back(slab, items[i]->number);
        if (met == 20)
            postern_slab_give_back(slab, item->number);
    }
    g_assert_cmpuint(met, ==, 60);
    g_assert_cmpuint(postern_slab_count(slab), ==, 59);
    at = 0;
    while (postern_slab_next(slab, &at) != NULL)
        ;
    g_assert_cmpuint(at, >=, 200);
}

/* One more than there may be is refused, and finds room again. */
static void test_full(void)
{
    g_autoptr(PosternSlab) slab = postern_slab_new(sizeof(guint64), NULL);
    guint64 first = *(guint64 *)postern_slab_take(slab);
    for (guint i = 1; i < POSTERN_SLAB_ITEMS_MAX; i++)
        g_assert_nonnull(postern_slab_take(slab));
    g_assert_null(postern_slab_take(slab));
    g_assert_nonnull(postern_slab_find(slab, first));
    postern_slab_give_back(slab, first);
    const guint64 *again = postern_slab_take(slab);
    g_assert_nonnull(again);
    g_assert_cmpuint(*again, !=, first);
    g_assert_null(postern_slab_find(slab, first));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/slab/model", test_model);
    g_test_add_func("/slab/walk", test_walk);
    g_test_add_func("/slab/full", test_full);
    return g_test_run();
}
