#include "scan/capsules.h"

#include <string.h>

#include "base/error.h"

/* A name for a file from one that may be anything: "folder/mbox:7" and standard input too. */
static char *path_for(const char *directory, const char *name, guint number)
{
    g_autofree char *base = g_path_get_basename(name);
    g_strcanon(base, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_:", '_');
    if (strlen(base) > 200)
        base[200] = '\0';
    g_autofree char *file = g_strdup_printf("%06u-%s" POSTERN_CAPSULE_SUFFIX, number, base);
    return g_build_filename(directory, file, NULL);
}

gboolean postern_scan_capsules_save(const PosternScanCapsules *capsules, const PosternScanResult *result,
                                    guint number, PosternInspection *inspection, PosternMessage *message,
                                    GError **error)
{
    g_autoptr(PosternCapsule) capsule = postern_capsule_new();
    gboolean many = g_file_test(capsules->path, G_FILE_TEST_IS_DIR);
    if (number > 0 && !many)
        return postern_error_set(
            error, POSTERN_ERROR_USAGE,
            "--capsule: %s can hold one message, and there are several messages: name an existing "
            "directory",
            capsules->path);
    g_autofree char *path =
        many ? path_for(capsules->path, result->path, number + 1) : g_strdup(capsules->path);
    capsule->name = g_strdup(result->path);
    capsule->client = g_strdup(result->client);
    capsule->versions = g_strdup(capsules->versions);
    postern_capsule_set_inspection(capsule, inspection);
    postern_capsule_set_case(capsule, result->mail_case, message, result->findings, capsules->configuration);
    return postern_capsule_save(capsule, path, error);
}
