// Which .pyc files Python must not be given. Python and pytest take one for their source's when the source's time, in whole
// seconds, and size are those it was made of: an edit of the same size within the second, or one that keeps the time (`cp -p`,
// `rsync -t`), brings the old code back.
//
// Pure but for two calls of stat; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pf::exec {

// The source of a cached .pyc, as PEP 3147 and PYTHONPYCACHEPREFIX place it; nothing for what is no such path.
[[nodiscard]] std::optional<std::string> source_of_bytecode(std::string_view pyc, std::string_view cache_prefix = {});

// True when the source was changed (its times or those of its inode) after the .pyc was written, or so shortly before that the
// .pyc may be of what stood there earlier. What is installed (site-packages, the standard library) is trusted as Python
// trusts it: archives and images give it times that tell nothing.
[[nodiscard]] bool is_doubtful_bytecode(std::string_view pyc);

}  // namespace pf::exec
