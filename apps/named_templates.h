// llama-server's names of chat templates, for files that have none of their own or a broken one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tq::app {

// The Jinja text of a name; empty when there is no such name.
std::string named_template(std::string_view name);

std::vector<std::string> template_names();

}  // namespace tq::app
