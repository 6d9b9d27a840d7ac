/* Stands in for libgcc_s.so.1 while the library is linked: the functions by which Rust unwinds, and their versions.
 *
 * The linker of the wheel brings an unwinder of its own, which must not get into the library. glibc ends a cancelled thread by way of
 * libgcc_s, and that crashes in frames whose code calls another unwinder. */

#define FUNCTION(name) \
    void name (void); \
    void name (void) \
    { \
    }

FUNCTION (_Unwind_Backtrace)
FUNCTION (_Unwind_DeleteException)
FUNCTION (_Unwind_FindEnclosingFunction)
FUNCTION (_Unwind_ForcedUnwind)
FUNCTION (_Unwind_GetCFA)
FUNCTION (_Unwind_GetDataRelBase)
FUNCTION (_Unwind_GetIP)
FUNCTION (_Unwind_GetIPInfo)
FUNCTION (_Unwind_GetLanguageSpecificData)
FUNCTION (_Unwind_GetRegionStart)
FUNCTION (_Unwind_GetTextRelBase)
FUNCTION (_Unwind_RaiseException)
FUNCTION (_Unwind_Resume)
FUNCTION (_Unwind_Resume_or_Rethrow)
FUNCTION (_Unwind_SetGR)
FUNCTION (_Unwind_SetIP)
