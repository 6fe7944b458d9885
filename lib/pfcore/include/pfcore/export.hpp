// What the shared library shows. Everything else is compiled with hidden visibility.
#pragma once

#if defined(__GNUC__) || defined(__clang__)
#define PF_CORE_API_BEGIN _Pragma("GCC visibility push(default)")
#define PF_CORE_API_END _Pragma("GCC visibility pop")
// For explicit instantiations: GCC does not take these by the pragma.
#define PF_CORE_API __attribute__((visibility("default")))
#else
#define PF_CORE_API
#define PF_CORE_API_BEGIN
#define PF_CORE_API_END
#endif
