#include "inspector/memory.h"

#include <string.h>

#include "base/limits.h"

#define SECOND ((gint64)G_USEC_PER_SEC)
#define LONG_OCTETS (16 * 1024)

typedef struct {
    guint8 octets[POSTERN_FINGERPRINT_OCTETS];
} Fingerprint;

static Fingerprint fingerprint_of(guint number)
{
    Fingerprint fingerprint = {{0}};
    memcpy(fingerprint.octets, &number, sizeof number);
    return fingerprint;
}

static void keep(PosternMemory *memory, guint number, const char *version, gsize length)
{
    Fingerprint fingerprint = fingerprint_of(number);
    g_autoptr(GBytes) findings = g_bytes_new_take(g_malloc0(length), length);
    postern_memory_keep(memory, fingerprint.octets, version, findings);
}

static gboolean has(PosternMemory *memory, guint number, const char *version)
{
    Fingerprint fingerprint = fingerprint_of(number);
    return postern_memory_find(memory, fingerprint.octets, version) != NULL;
}

static gboolean die(PosternMemory *memory, guint user, guint number, gint64 now)
{
    Fingerprint fingerprint = fingerprint_of(number);
    return postern_memory_note_death(memory, user, fingerprint.octets, now);
}

static gboolean kills(PosternMemory *memory, guint user, guint number, gint64 now)
{
    Fingerprint fingerprint = fingerprint_of(number);
    return postern_memory_kills(memory, user, fingerprint.octets, now);
}

static void test_findings(void)
{
    g_autoptr(PosternMemory) memory = postern_memory_new();
    g_assert_false(has(memory, 1, "v"));
    keep(memory, 1, "v", 10);
    g_assert_true(has(memory, 1, "v"));
    g_assert_false(has(memory, 2, "v"));
    /* Other signatures: what the old ones found is gone for good. */
    g_assert_false(has(memory, 1, "w"));
    g_assert_false(has(memory, 1, "v"));
    keep(memory, 1, "w", 10);
    keep(memory, 1, "w", 20);
    Fingerprint fingerprint = fingerprint_of(1);
    g_assert_cmpuint(g_bytes_get_size(postern_memory_find(memory, fingerprint.octets, "w")), ==, 20);
}

static void test_as_many_as_there_is_room_for(void)
{
    g_autoptr(PosternMemory) memory = postern_memory_new();
    for (guint i = 0; i < POSTERN_INSPECTOR_REMEMBERED_MAX; i++)
        keep(memory, i, "v", 1);
    g_assert_true(has(memory, 0, "v"));
    keep(memory, G_MAXUINT, "v", 1);
    g_assert_true(has(memory, 0, "v")); /* it was asked for */
    g_assert_false(has(memory, 1, "v"));
    g_assert_true(has(memory, 2, "v"));
}

static void test_as_many_octets_as_there_is_room_for(void)
{
    g_autoptr(PosternMemory) memory = postern_memory_new();
    const guint fit = POSTERN_INSPECTOR_REMEMBERED_MAX_OCTETS / LONG_OCTETS;
    for (guint i = 0; i <= fit; i++)
        keep(memory, i, "v", LONG_OCTETS);
    g_assert_false(has(memory, 0, "v"));
    g_assert_true(has(memory, 1, "v"));
    g_assert_true(has(memory, fit, "v"));
    keep(memory, 5, "v", POSTERN_INSPECTOR_REMEMBERED_MAX_OCTETS + 1);
    g_assert_true(has(memory, 1, "v"));
}

static void test_killers(void)
{
    g_autoptr(PosternMemory) memory = postern_memory_new();
    g_assert_false(die(memory, 1, 7, SECOND));
    g_assert_false(kills(memory, 1, 7, SECOND));
    /* Another user's program may say of any message that it is this one. */
    g_assert_false(die(memory, 2, 7, SECOND));
    g_assert_true(die(memory, 1, 7, 2 * SECOND));
    g_assert_true(kills(memory, 1, 7, 3 * SECOND));
    g_assert_false(kills(memory, 2, 7, 3 * SECOND));
    g_assert_false(kills(memory, 1, 7, (POSTERN_INSPECTOR_KILLER_SECONDS + 2) * SECOND));
    /* It has another chance, and needs two deaths again. */
    g_assert_false(die(memory, 1, 7, (POSTERN_INSPECTOR_KILLER_SECONDS + 3) * SECOND));
    g_assert_true(die(memory, 1, 7, (POSTERN_INSPECTOR_KILLER_SECONDS + 4) * SECOND));
    postern_memory_forgive(memory);
    g_assert_false(kills(memory, 1, 7, (POSTERN_INSPECTOR_KILLER_SECONDS + 5) * SECOND));
}

/* Two deaths that are far apart are no evidence. */
static void test_old_deaths(void)
{
    g_autoptr(PosternMemory) memory = postern_memory_new();
    g_assert_false(die(memory, 1, 7, SECOND));
    g_assert_false(die(memory, 1, 7, (POSTERN_INSPECTOR_KILLER_SECONDS + 1) * SECOND));
    g_assert_true(die(memory, 1, 7, (POSTERN_INSPECTOR_KILLER_SECONDS + 2) * SECOND));
}

static void test_floods_drive_out_their_own_kind_alone(void)
{
    g_autoptr(PosternMemory) memory = postern_memory_new();
    die(memory, 1, 1, SECOND);
    die(memory, 1, 1, SECOND);
    for (guint i = 0; i < 3 * POSTERN_INSPECTOR_REMEMBERED_MAX; i++)
        keep(memory, 100 + i, "v", 1);
    for (guint i = 0; i < 3 * POSTERN_INSPECTOR_KILLERS_MAX; i++)
        g_assert_false(die(memory, 1, 100 + i, SECOND));
    g_assert_true(kills(memory, 1, 1, SECOND));
    for (guint i = 0; i < POSTERN_INSPECTOR_KILLERS_MAX; i++) {
        die(memory, 1, 100000 + i, SECOND);
        g_assert_true(die(memory, 1, 100000 + i, SECOND));
    }
    g_assert_false(kills(memory, 1, 1, SECOND));
    g_assert_true(kills(memory, 1, 100000, SECOND));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/message-memory/findings", test_findings);
    g_test_add_func("/message-memory/as-many-as-there-is-room-for", test_as_many_as_there_is_room_for);
    g_test_add_func("/message-memory/as-many-octets-as-there-is-room-for",
                    test_as_many_octets_as_there_is_room_for);
    g_test_add_func("/message-memory/killers", test_killers);
    g_test_add_func("/message-memory/old-deaths", test_old_deaths);
    g_test_add_func("/message-memory/floods", test_floods_drive_out_their_own_kind_alone);
    return g_test_run();
}
