#include "checks/sign/key.h"

#include "base/error.h"
#include "sign_fixture.h"

static SignFixture fixture;

static PosternSignKey *load(const char *name, GError **error)
{
    g_autofree char *path = sign_path(&fixture, name);
    g_ptr_array_set_size(fixture.warnings, 0);
    return postern_sign_key_load("Example.org", "sel", path, fixture.warnings, error);
}

static void expect_error(const char *name, const char *wanted)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(load(name, &error));
    if (strstr(error->message, wanted) == NULL || strstr(error->message, fixture.folder) == NULL)
        g_error("'%s', wanted '%s' and the file", error->message, wanted);
}

static gboolean is_warned(const char *wanted)
{
    for (guint i = 0; i < fixture.warnings->len; i++)
        if (strstr(g_ptr_array_index(fixture.warnings, i), wanted) != NULL)
            return TRUE;
    return FALSE;
}

/* The form that "openssl genrsa -traditional" writes. */
static char *traditional(EVP_PKEY *key, const EVP_CIPHER *cipher)
{
    BIO *out = BIO_new(BIO_s_mem());
    char *start = NULL;
    g_assert_cmpint(PEM_write_bio_PrivateKey_traditional(out, key, cipher, (const guint8 *)"secret",
                                                         cipher != NULL ? 6 : 0, NULL, NULL),
                    ==, 1);
    long length = BIO_get_mem_data(out, &start);
    char *text = g_strndup(start, (gsize)length);
    BIO_free(out);
    return text;
}

static void test_both_forms(void)
{
    g_autoptr(GError) error = NULL;
    EVP_PKEY *rsa = dkim_signer_rsa(2048);
    g_autofree char *old = traditional(rsa, NULL);
    g_autofree char *new = dkim_signer_secret(rsa);
    g_autofree char *published = dkim_signer_public(rsa, FALSE);
    g_assert_true(g_str_has_prefix(old, "-----BEGIN RSA PRIVATE KEY-----"));
    g_assert_true(g_str_has_prefix(new, "-----BEGIN PRIVATE KEY-----"));
    sign_write(&fixture, "old", old, 0600);
    sign_write(&fixture, "new", new, 0600);
    g_autoptr(PosternSignKey) first = load("old", &error);
    g_autoptr(PosternSignKey) second = load("new", &error);
    g_assert_no_error(error);
    g_assert_cmpstr(first->secret, ==, second->secret);
    g_assert_cmpstr(first->published, ==, published);
    g_assert_cmpstr(first->domain, ==, "example.org");
    g_assert_cmpuint(first->bits, ==, 2048);
    g_assert_cmpuint(fixture.warnings->len, ==, 0);
    EVP_PKEY_free(rsa);
}

static void test_record(void)
{
    g_autoptr(GError) error = NULL;
    EVP_PKEY *key = dkim_signer_ed25519();
    g_autofree char *secret = dkim_signer_secret(key);
    g_autofree char *wanted = dkim_signer_record(key);
    sign_write(&fixture, "ed25519", secret, 0600);
    g_autoptr(PosternSignKey) loaded = load("ed25519", &error);
    g_assert_no_error(error);
    g_autofree char *name = postern_sign_key_name(loaded);
    g_autofree char *record = postern_sign_key_record(loaded);
    g_assert_true(loaded->ed25519);
    g_assert_cmpstr(name, ==, "sel._domainkey.example.org");
    g_assert_cmpstr(record, ==, wanted);
    EVP_PKEY_free(key);
}

static void test_wrong_keys(void)
{
    EVP_PKEY *curve = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    EVP_PKEY *other = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
    EVP_PKEY *small = dkim_signer_rsa(1023);
    EVP_PKEY *rsa = dkim_signer_rsa(1024);
    g_autofree char *curve_text = dkim_signer_secret(curve);
    g_autofree char *other_text = dkim_signer_secret(other);
    g_autofree char *small_text = dkim_signer_secret(small);
    g_autofree char *encrypted = traditional(rsa, EVP_aes_256_cbc());
    g_autofree char *published = dkim_signer_public(rsa, FALSE);
    g_autofree char *public =
        g_strdup_printf("-----BEGIN PUBLIC KEY-----\n%s\n-----END PUBLIC KEY-----\n", published);
    g_autofree char *text = dkim_signer_secret(rsa);
    text[strlen(text) / 2] = '!';
    sign_write(&fixture, "curve", curve_text, 0600);
    sign_write(&fixture, "other", other_text, 0600);
    sign_write(&fixture, "small", small_text, 0600);
    sign_write(&fixture, "encrypted", encrypted, 0600);
    sign_write(&fixture, "public", public, 0600);
    sign_write(&fixture, "broken", text, 0600);
    sign_write(&fixture, "empty", "", 0600);
    expect_error("curve", "is a key of type EC");
    expect_error("other", "is a key of type X25519");
    expect_error("small", "is an RSA key of 1023 bits");
    expect_error("encrypted", "has a pass phrase");
    expect_error("public", "holds no private key");
    expect_error("broken", "holds no private key");
    expect_error("empty", "holds no private key");
    EVP_PKEY_free(curve);
    EVP_PKEY_free(other);
    EVP_PKEY_free(small);
    EVP_PKEY_free(rsa);
}

static void test_files(void)
{
    g_autofree char *large = g_strnfill(POSTERN_SIGN_KEY_FILE_MAX_OCTETS + 1, 'x');
    g_autofree char *folder = sign_path(&fixture, "folder");
    g_autofree char *pipe = sign_path(&fixture, "pipe");
    sign_write(&fixture, "large", large, 0600);
    g_assert_cmpint(g_mkdir(folder, 0700), ==, 0);
    g_assert_cmpint(mkfifo(pipe, 0600), ==, 0);
    expect_error("missing", "No such file");
    expect_error("large", "more than 65536");
    expect_error("folder", "is no ordinary file");
    expect_error("pipe", "is no ordinary file");
    g_rmdir(folder);
    if (geteuid() != 0) {
        sign_write(&fixture, "closed", "", 0000);
        expect_error("closed", "chmod 0640");
    }
}

static void test_warnings(void)
{
    g_autoptr(GError) error = NULL;
    EVP_PKEY *key = dkim_signer_rsa(1024);
    g_autofree char *secret = dkim_signer_secret(key);
    g_autofree char *open = sign_path(&fixture, "open");
    g_autofree char *inside = g_build_filename(open, "key", NULL);
    g_autofree char *link = sign_path(&fixture, "link");
    sign_write(&fixture, "readable", secret, 0644);
    g_autoptr(PosternSignKey) readable = load("readable", &error);
    g_assert_true(is_warned("everybody may read the private key"));
    g_assert_true(is_warned("RSA key of 1024 bits: at least 2048 are advised"));
    g_assert_false(is_warned("another file"));
    sign_write(&fixture, "readable", secret, 0602);
    g_autoptr(PosternSignKey) writable = load("readable", &error);
    g_assert_false(is_warned("everybody may read"));
    g_assert_true(is_warned("everybody may change"));
    sign_write(&fixture, "readable", secret, 0640);
    g_autoptr(PosternSignKey) right = load("readable", &error);
    g_assert_cmpuint(fixture.warnings->len, ==, 1);
    g_assert_cmpint(g_mkdir(open, 0700), ==, 0);
    g_assert_true(g_file_set_contents(inside, secret, -1, NULL));
    g_assert_cmpint(g_chmod(inside, 0600), ==, 0);
    g_assert_cmpint(g_chmod(open, 0777), ==, 0);
    g_assert_cmpint(symlink(inside, link), ==, 0);
    g_autoptr(PosternSignKey) linked = load("link", &error);
    g_assert_no_error(error);
    g_assert_true(is_warned("leads to"));
    g_assert_true(is_warned("where everybody may put another file"));
    g_assert_nonnull(linked);
    g_unlink(inside);
    g_rmdir(open);
    EVP_PKEY_free(key);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    sign_set_up(&fixture);
    g_test_add_func("/sign_key/both_forms", test_both_forms);
    g_test_add_func("/sign_key/record", test_record);
    g_test_add_func("/sign_key/wrong_keys", test_wrong_keys);
    g_test_add_func("/sign_key/files", test_files);
    g_test_add_func("/sign_key/warnings", test_warnings);
    int status = g_test_run();
    sign_tear_down(&fixture);
    return status;
}
