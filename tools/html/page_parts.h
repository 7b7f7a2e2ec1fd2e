// The files of this folder, put into the program by the build (cmake/GfEmbed.cmake).
#pragma once

#include <string_view>

namespace gf::cli {

extern const std::string_view page_html;
extern const std::string_view page_css;
// the script, in this order
extern const std::string_view page_layout_js;
extern const std::string_view page_base_js;
extern const std::string_view page_drawing_js;
extern const std::string_view page_graph_js;
extern const std::string_view page_details_js;
extern const std::string_view page_memory_js;
extern const std::string_view page_tables_js;
extern const std::string_view page_js;

}  // namespace gf::cli
