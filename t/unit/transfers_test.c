#include "proxy/screen/transfers.h"

#include "base/limits.h"

#define WHOLE 1000000
#define HELD 100000

typedef struct {
    PosternBudget *budget;
    PosternTransfers *transfers;
    guint woken;
} Fixture;

static void wake(gpointer user_data)
{
    ((Fixture *)user_data)->woken++;
}

static void set_up(Fixture *fixture, gconstpointer data)
{
    fixture->budget = postern_budget_new(WHOLE);
    fixture->transfers = postern_transfers_new(fixture->budget);
    postern_transfers_join(fixture->transfers, wake, fixture);
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
    postern_transfers_leave(fixture->transfers, fixture);
    postern_transfers_unref(fixture->transfers);
    g_assert_cmpuint(postern_budget_used(fixture->budget), ==, 0);
    g_assert_true(postern_budget_reserve(fixture->budget, WHOLE)); /* no promise is left */
    g_assert_false(postern_budget_reserve(fixture->budget, 1));
    postern_budget_unref(fixture->budget);
}

/* One that holds HELD octets, which came at once. */
static PosternTransfer *begin(Fixture *fixture, PosternTransferRank rank, gint64 now)
{
    PosternTransfer *transfer = postern_transfer_new(fixture->transfers, rank, now);
    g_assert_true(postern_budget_reserve(fixture->budget, HELD));
    postern_transfer_note(transfer, HELD, HELD, now);
    return transfer;
}

static void end(Fixture *fixture, PosternTransfer *transfer)
{
    postern_transfer_free(transfer);
    postern_budget_release(fixture->budget, HELD);
}

/* octets came in each of so many seconds. */
static void trickle(PosternTransfer *transfer, guint octets, gint64 from, guint seconds)
{
    for (guint i = 1; i <= seconds; i++)
        postern_transfer_note(transfer, HELD, octets, from + i * 1000);
}

/* In each row the second goes before the first. */
static void test_who_goes(Fixture *fixture, gconstpointer data)
{
    static const struct {
        PosternTransferRank ranks[2];
        guint rates[2];
    } rows[] = {
        {{POSTERN_TRANSFER_OF_ANYBODY, POSTERN_TRANSFER_OF_ANYBODY}, {1000, 100}},
        {{POSTERN_TRANSFER_OF_ANYBODY, POSTERN_TRANSFER_OF_SUSPECT}, {100, 1000}},
        {{POSTERN_TRANSFER_OF_GOOD, POSTERN_TRANSFER_OF_ANYBODY}, {100, 1000}},
        {{POSTERN_TRANSFER_OF_SUSPECT, POSTERN_TRANSFER_OF_SUSPECT}, {HELD, 1000}},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        PosternTransfer *two[2];
        for (guint j = 0; j < 2; j++) {
            two[j] = begin(fixture, rows[i].ranks[j], 0);
            trickle(two[j], rows[i].rates[j], 0, 5);
        }
        g_assert_true(postern_transfers_make_room(fixture->transfers, NULL, 5500));
        g_assert_false(postern_transfer_must_go(two[0]));
        g_assert_true(postern_transfer_must_go(two[1]));
        g_assert_cmpint(postern_transfers_make_room(fixture->transfers, NULL, 5500), ==,
                        rows[i].rates[0] < HELD / POSTERN_DATA_FULL_SECONDS);
        end(fixture, two[0]);
        end(fixture, two[1]);
    }
}

/* Who is fast, new, whole, waits for us or wants the room does not go; nor does one go for who is slow. */
static void test_who_stays(Fixture *fixture, gconstpointer data)
{
    PosternTransfer *one = begin(fixture, POSTERN_TRANSFER_OF_SUSPECT, 0);
    g_assert_false(postern_transfers_make_room(fixture->transfers, NULL, 500));
    trickle(one, HELD, 0, 4);
    g_assert_false(postern_transfers_make_room(fixture->transfers, NULL, 5000));
    postern_transfer_wait(one);
    g_assert_false(postern_transfers_make_room(fixture->transfers, NULL, 60000));
    postern_transfer_note(one, HELD, 0, 60000);
    g_assert_false(postern_transfers_make_room(fixture->transfers, NULL, 60500));
    g_assert_false(postern_transfers_make_room(fixture->transfers, one, 70000));
    PosternTransfer *other = begin(fixture, POSTERN_TRANSFER_OF_ANYBODY, 0);
    g_assert_false(postern_transfers_make_room(fixture->transfers, other, 70000));
    postern_transfer_stays(one);
    postern_transfer_stays(other);
    g_assert_false(postern_transfers_make_room(fixture->transfers, NULL, 70000));
    g_assert_cmpuint(fixture->woken, ==, 0);
    end(fixture, one);
    end(fixture, other);
}

/* Its room is there at once, and not twice once it has gone. */
static void test_room(Fixture *fixture, gconstpointer data)
{
    PosternTransfer *all[WHOLE / HELD];
    for (guint i = 0; i < G_N_ELEMENTS(all); i++)
        all[i] = begin(fixture, POSTERN_TRANSFER_OF_ANYBODY, i);
    g_assert_false(postern_budget_reserve(fixture->budget, 1));
    g_assert_true(postern_transfers_make_room(fixture->transfers, NULL, 3000));
    g_assert_cmpuint(fixture->woken, ==, 1);
    g_assert_true(postern_transfer_must_go(all[0])); /* all stall: the longest silent */
    g_assert_true(postern_budget_reserve(fixture->budget, HELD));
    g_assert_false(postern_budget_reserve(fixture->budget, 1));
    g_assert_true(postern_transfers_make_room(fixture->transfers, NULL, 3000));
    g_assert_false(postern_transfers_make_room(fixture->transfers, NULL, 3000)); /* a quarter is promised */
    guint serial = postern_transfers_serial(fixture->transfers);
    for (guint i = 0; i < G_N_ELEMENTS(all); i++)
        end(fixture, all[i]);
    postern_budget_release(fixture->budget, HELD);
    g_assert_cmpuint(postern_transfers_serial(fixture->transfers), ==, serial);
    g_assert_cmpuint(serial, ==, 2);
}

/* One that has come to its end before it could go holds its room on: nobody else gets that. */
static void test_chosen_too_late(Fixture *fixture, gconstpointer data)
{
    PosternTransfer *all[WHOLE / HELD];
    for (guint i = 0; i < G_N_ELEMENTS(all); i++)
        all[i] = begin(fixture, POSTERN_TRANSFER_OF_ANYBODY, i);
    g_assert_true(postern_transfers_make_room(fixture->transfers, NULL, 3000));
    g_assert_true(postern_transfer_must_go(all[0]));
    postern_transfer_stays(all[0]);
    g_assert_false(postern_transfer_must_go(all[0]));
    g_assert_false(postern_budget_reserve(fixture->budget, 1));
    for (guint i = 1; i <= 2; i++) {
        g_assert_true(postern_transfers_make_room(fixture->transfers, NULL, 3000));
        g_assert_true(postern_transfer_must_go(all[i]));
    }
    g_assert_true(postern_budget_reserve(fixture->budget, 2 * HELD));
    g_assert_false(postern_budget_reserve(fixture->budget, 1));
    for (guint i = 0; i < G_N_ELEMENTS(all); i++)
        end(fixture, all[i]);
    postern_budget_release(fixture->budget, 2 * HELD);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/transfers/who-goes", Fixture, NULL, set_up, test_who_goes, tear_down);
    g_test_add("/transfers/who-stays", Fixture, NULL, set_up, test_who_stays, tear_down);
    g_test_add("/transfers/chosen-too-late", Fixture, NULL, set_up, test_chosen_too_late, tear_down);
    g_test_add("/transfers/room", Fixture, NULL, set_up, test_room, tear_down);
    return g_test_run();
}
