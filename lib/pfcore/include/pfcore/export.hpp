// What the shared library shows. Everything else is compiled with hidden visibility.
#pragma once

#if defined(__GNUC__) || defined(__clang__)
#define PF_CORE_API_BEGIN _Pragma("GCC visibility push(default)")
#define PF_CORE_API_END _Pragma("GCC visibility pop")
#else
#define PF_CORE_API_BEGIN
#define PF_CORE_API_END
#endif
