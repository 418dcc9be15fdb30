/*
 * Real mail: none of the published good messages has a From that is not taken for what it is.
 */
#include "checks/header/author.h"

#include "vectors/shared_data.h"

static void check_message(const char *path)
{
    g_autoptr(GString) message = shared_data_message(path);
    g_autoptr(PosternHeader) header = postern_header_parse(message->str, message->len);
    g_autofree char *problem = NULL;
    g_autoptr(GPtrArray) domains = postern_author_domains(header, &problem);

    if (problem != NULL || domains->len != 1)
        g_test_fail_printf("%s: %s", path, problem != NULL ? problem : "not one domain");
}

static void test_good_mail(gconstpointer data)
{
    const char *folder = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GDir) directory = g_dir_open(folder, 0, &error);
    guint messages = 0;

    g_assert_no_error(error);
    for (const char *name; (name = g_dir_read_name(directory)) != NULL; messages++) {
        g_autofree char *path = g_build_filename(folder, name, NULL);

        check_message(path);
    }
    g_test_message("%u messages", messages);
    g_assert_cmpuint(messages, >, 0);
}

int main(int argc, char **argv)
{
    g_autofree char *folder = shared_data_path("mail/ham");

    g_test_init(&argc, &argv, NULL);
    if (folder == NULL)
        return shared_data_skip("mail/ham");
    g_test_add_data_func("/author/good-mail", folder, test_good_mail);
    return g_test_run();
}
