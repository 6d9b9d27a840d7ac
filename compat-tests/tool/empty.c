/* Has nothing to do with libzmq. */
int main (void)
{
    return 0;
}
