/* Prints what czmq reads in a certificate: both keys and two lines of its metadata. */
#include <czmq.h>

int main (int count, char **words)
{
    zcert_t *certificate = count > 1 ? zcert_load (words[1]) : NULL;
    if (!certificate)
        return 1;
    printf ("%s\n%s\n", zcert_public_txt (certificate), zcert_secret_txt (certificate));
    printf ("%s\n%s\n", zcert_meta (certificate, "mail"), zcert_meta (certificate, "note"));
    zcert_destroy (&certificate);
    return 0;
}
