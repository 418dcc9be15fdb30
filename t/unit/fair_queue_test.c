#include "base/fair_queue.h"

#define CAPACITY 12

static PosternFairPlace *wait_one(PosternFairQueue *queue, guint64 client)
{
    PosternFairPlace *place = g_new0(PosternFairPlace, 1);
    place->data = GSIZE_TO_POINTER(client);
    postern_fair_queue_wait(queue, place, client, POSTERN_FAIR_TURN_LAST);
    return place;
}

static void leave(PosternFairQueue *queue, PosternFairPlace *place)
{
    postern_fair_queue_leave(queue, place);
    g_free(place);
}

static guint admit_all(PosternFairQueue *queue)
{
    guint count = 0;
    while (postern_fair_queue_admit(queue) != NULL)
        count++;
    return count;
}

/* However many of few clients want all, the next client gets one at once. */
static void test_something_is_left(void)
{
    for (guint greedy = 1; greedy < CAPACITY; greedy++) {
        g_autoptr(PosternFairQueue) queue = postern_fair_queue_new(CAPACITY);
        g_autoptr(GPtrArray) places = g_ptr_array_new();
        for (guint i = 0; i < 1000; i++)
            g_ptr_array_add(places, wait_one(queue, 1 + i % greedy));
        guint admitted = admit_all(queue);
        g_assert_cmpuint(admitted, >=, greedy);
        g_assert_false(postern_fair_queue_is_full(queue));
        PosternFairPlace *good = wait_one(queue, 1000);
        g_assert_true(postern_fair_queue_admit(queue) == good);
        leave(queue, good);
        for (guint i = 0; i < places->len; i++)
            leave(queue, g_ptr_array_index(places, i));
        g_assert_cmpuint(postern_fair_queue_waiting(queue), ==, 0);
    }
}

/* Where there is only one, it goes round: nobody waits for the long line of another. */
static void test_lines_take_turns(void)
{
    g_autoptr(PosternFairQueue) queue = postern_fair_queue_new(1);
    for (guint i = 0; i < 100; i++)
        wait_one(queue, 1);
    wait_one(queue, 2);
    wait_one(queue, 3);
    wait_one(queue, 2);
    static const guint64 order[] = {1, 2, 3, 1, 2, 1, 1};
    for (gsize i = 0; i < G_N_ELEMENTS(order); i++) {
        PosternFairPlace *place = postern_fair_queue_admit(queue);
        g_assert_nonnull(place);
        g_assert_cmpuint(GPOINTER_TO_SIZE(place->data), ==, order[i]);
        g_assert_null(postern_fair_queue_admit(queue));
        leave(queue, place);
    }
    for (PosternFairPlace *place; (place = postern_fair_queue_admit(queue)) != NULL;)
        leave(queue, place);
}

static void test_first_in_its_line(void)
{
    g_autoptr(PosternFairQueue) queue = postern_fair_queue_new(1);
    PosternFairPlace *second = wait_one(queue, 1);
    PosternFairPlace first = {0};
    postern_fair_queue_wait(queue, &first, 1, POSTERN_FAIR_TURN_FIRST);
    g_assert_cmpuint(postern_fair_queue_waiting_with(second), ==, 2);
    g_assert_true(postern_fair_queue_admit(queue) == &first);
    g_assert_true(postern_fair_queue_is_full(queue));
    postern_fair_queue_leave(queue, &first);
    postern_fair_queue_leave(queue, &first); /* it has left */
    leave(queue, second);
}

/* The second lines have one turn in four while there are first ones, and all if there are none. */
static void test_second_lines(void)
{
    g_autoptr(PosternFairQueue) queue = postern_fair_queue_new(1);
    PosternFairPlace later[6] = {0};
    for (guint i = 0; i < G_N_ELEMENTS(later); i++) {
        later[i].data = GSIZE_TO_POINTER(10 + i);
        postern_fair_queue_wait(queue, &later[i], 1 + i % 3, POSTERN_FAIR_TURN_LATER);
    }
    for (guint64 client = 1; client <= 5; client++)
        wait_one(queue, client);
    g_assert_cmpuint(postern_fair_queue_lines(queue), ==, 8);
    static const guint64 order[] = {1, 2, 3, 10, 4, 5, 11, 12, 13, 14, 15};
    for (gsize i = 0; i < G_N_ELEMENTS(order); i++) {
        PosternFairPlace *place = postern_fair_queue_admit(queue);
        g_assert_nonnull(place);
        g_assert_cmpuint(GPOINTER_TO_SIZE(place->data), ==, order[i]);
        postern_fair_queue_leave(queue, place);
        if (order[i] < 10)
            g_free(place);
    }
    g_assert_null(postern_fair_queue_admit(queue));
}

/* Three ranks: none starves, whichever of them are there. */
static void test_ranks(void)
{
    static const PosternFairTurn turns[] = {POSTERN_FAIR_TURN_SOONER, POSTERN_FAIR_TURN_LAST,
                                            POSTERN_FAIR_TURN_LATER};
    for (guint there = 1; there < 8; there++) {
        g_autoptr(PosternFairQueue) queue = postern_fair_queue_new(1);
        PosternFairPlace places[3] = {0};
        guint admitted[3] = {0};
        for (guint round = 0; round < 160; round++) {
            for (guint i = 0; i < 3; i++)
                if ((there & 1U << i) != 0 && places[i].state == POSTERN_FAIR_PLACE_NONE)
                    postern_fair_queue_wait(queue, &places[i], 10 + i, turns[i]);
            PosternFairPlace *place = postern_fair_queue_admit(queue);
            g_assert_nonnull(place);
            admitted[place - places]++;
            postern_fair_queue_leave(queue, place);
        }
        for (guint i = 0; i < 3; i++) {
            g_assert_cmpint(admitted[i] >= 10, ==, (there & 1U << i) != 0);
            if (i > 0 && admitted[i] > 0 && admitted[i - 1] > 0)
                g_assert_cmpuint(admitted[i - 1], >=, 3 * admitted[i] - 3);
            postern_fair_queue_leave(queue, &places[i]);
        }
    }
}

static void test_nobody_has_no_share(void)
{
    g_autoptr(PosternFairQueue) queue = postern_fair_queue_new(CAPACITY);
    PosternFairPlace places[CAPACITY + 1] = {0};
    for (gsize i = 0; i < G_N_ELEMENTS(places); i++)
        postern_fair_queue_wait(queue, &places[i], POSTERN_FAIR_QUEUE_NOBODY, POSTERN_FAIR_TURN_LAST);
    g_assert_cmpuint(admit_all(queue), ==, CAPACITY);
    for (gsize i = 0; i < G_N_ELEMENTS(places); i++)
        postern_fair_queue_leave(queue, &places[i]);
}

/* A section keeps what comes free in it, until another that waits has been passed over often enough. */
static void test_sections(void)
{
    g_autoptr(PosternFairQueue) queue = postern_fair_queue_new(2);
    PosternFairPlace own[20] = {0};
    PosternFairPlace other[2] = {{.section = 1}, {.section = 1}};
    guint passed = 0;
    for (guint64 i = 0; i < G_N_ELEMENTS(own); i++)
        postern_fair_queue_wait(queue, &own[i], i + 1, POSTERN_FAIR_TURN_LAST);
    for (guint64 i = 0; i < G_N_ELEMENTS(other); i++)
        postern_fair_queue_wait(queue, &other[i], 100 + i, POSTERN_FAIR_TURN_LAST);
    g_assert_true(postern_fair_queue_admit_in(queue, 0) == &own[0]);
    g_assert_true(postern_fair_queue_admit_in(queue, 0) == &own[1]);
    while (passed < G_N_ELEMENTS(own)) {
        postern_fair_queue_leave(queue, &own[passed]);
        if (postern_fair_queue_admit_in(queue, 0) == NULL)
            break;
        passed++;
    }
    g_assert_cmpuint(passed, ==, POSTERN_FAIR_QUEUE_PASSED_EMPTY_MAX - 2);
    g_assert_true(postern_fair_queue_admit_in(queue, 1) == &other[0]);
    g_assert_null(postern_fair_queue_admit_in(queue, 1)); /* all are taken */
    g_assert_true(postern_fair_queue_admit_needy(queue, 1) == &other[1]);
    g_assert_null(postern_fair_queue_admit_needy(queue, 1));
    for (guint i = 0; i < G_N_ELEMENTS(own); i++)
        postern_fair_queue_leave(queue, &own[i]);
    for (guint i = 0; i < G_N_ELEMENTS(other); i++)
        postern_fair_queue_leave(queue, &other[i]);
}

enum { PLACES = 60, CLIENTS = 9, SECTIONS = 3 };

/* The next of any section, the first asked for first. */
static PosternFairPlace *admit_any(PosternFairQueue *queue, guint first)
{
    for (guint i = 0; i < 2 * SECTIONS; i++) {
        PosternFairPlace *place = postern_fair_queue_admit_in(queue, (first + i) % SECTIONS);
        if (place != NULL)
            return place;
    }
    return NULL;
}

static guint count_needy(const PosternFairPlace *places, const guint64 *client_of, const guint *held)
{
    gboolean needy[CLIENTS + 1] = {0};
    guint count = 0;
    for (guint i = 0; i < PLACES; i++)
        if (places[i].state == POSTERN_FAIR_PLACE_WAITING && held[client_of[i]] == 0)
            needy[client_of[i]] = TRUE;
    for (guint i = 0; i <= CLIENTS; i++)
        count += needy[i];
    return count;
}

/* By chance, judged by counts of our own. */
static void test_model(void)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(7);
    for (guint world = 0; world < 50; world++) {
        guint capacity = 1 + world % 20;
        g_autoptr(PosternFairQueue) queue = postern_fair_queue_new(capacity);
        PosternFairPlace places[PLACES] = {0};
        guint64 client_of[PLACES] = {0};
        guint held[CLIENTS + 1] = {0};
        guint total = 0;
        for (guint i = 0; i < 4000; i++) {
            guint at = (guint)g_rand_int_range(random, 0, PLACES);
            if (places[at].state == POSTERN_FAIR_PLACE_NONE) {
                client_of[at] = (guint64)g_rand_int_range(random, 1, CLIENTS + 1);
                places[at].data = &client_of[at];
                places[at].section = world % 2 == 0 ? 0 : at % SECTIONS;
                postern_fair_queue_wait(queue, &places[at], client_of[at],
                                        g_rand_boolean(random) ? POSTERN_FAIR_TURN_FIRST
                                                               : POSTERN_FAIR_TURN_LAST);
            } else if (g_rand_int_range(random, 0, 3) == 0) {
                gboolean was_held = places[at].state == POSTERN_FAIR_PLACE_ADMITTED;
                postern_fair_queue_leave(queue, &places[at]);
                held[client_of[at]] -= was_held;
                total -= was_held;
            }
            for (PosternFairPlace *place; (place = admit_any(queue, at)) != NULL;) {
                guint64 client = *(guint64 *)place->data;
                g_assert_true(held[client] == 0 || held[client] < capacity - total);
                held[client]++;
                total++;
            }
            g_assert_cmpuint(total, <=, capacity);
            g_assert_true(postern_fair_queue_is_full(queue) == (total == capacity));
            g_assert_cmpuint(postern_fair_queue_needy(queue), ==, count_needy(places, client_of, held));
            for (guint j = 0; j < PLACES && total < capacity; j++)
                g_assert_false(places[j].state == POSTERN_FAIR_PLACE_WAITING && held[client_of[j]] == 0);
        }
        for (guint i = 0; i < PLACES; i++)
            postern_fair_queue_leave(queue, &places[i]);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/fair-queue/something-is-left", test_something_is_left);
    g_test_add_func("/fair-queue/lines-take-turns", test_lines_take_turns);
    g_test_add_func("/fair-queue/first-in-its-line", test_first_in_its_line);
    g_test_add_func("/fair-queue/second-lines", test_second_lines);
    g_test_add_func("/fair-queue/ranks", test_ranks);
    g_test_add_func("/fair-queue/nobody-has-no-share", test_nobody_has_no_share);
    g_test_add_func("/fair-queue/sections", test_sections);
    g_test_add_func("/fair-queue/model", test_model);
    return g_test_run();
}
