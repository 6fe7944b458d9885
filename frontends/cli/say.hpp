// What pfast says about itself, on stderr: "pfast: error: …" and "  hint: …".
#pragma once

#include <string>
#include <string_view>

#include <pfcore/messages.hpp>
#include <pfcore/result.hpp>

namespace pf::cli {

// Prints the error, and the hint when it is not empty. Returns `exit_code`, so that a caller can return it on.
int refuse(int exit_code, std::string_view message, std::string_view hint = {});
// `hint` is for errors that bring none.
int refuse(int exit_code, const core::Error& error, std::string_view hint = {});
// What a daemon answered instead of doing what it was asked; the output of a failed boot goes before it. Returns its exit code.
int refuse(const core::ErrorEvent& error);
void note(std::string_view message);

}  // namespace pf::cli
